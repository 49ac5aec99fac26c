// SPDX-License-Identifier: GPL-2.0
/* Has the DMA engine of /dev/ferrodma-pool0 carry four small messages in one job. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ferrodma.h"

enum { MESSAGES = 4, ROOM = 48 };

int main(void)
{
	/*
	 * Any memory of the program will do, and any length up to a block. But
	 * there are engines for which lengths have to be multiples of 4, as INFO
	 * says. All of these are.
	 */
	char *made = strdup("from the heap or"), local[] = "from the stack, too.";
	const char *message[MESSAGES] = { "Sent", "of some constant", made, local };
	char inbox[MESSAGES][ROOM] = { "" };
	struct ferrodma_seg src[MESSAGES], dst[MESSAGES];
	struct ferrodma_info info = { .size = sizeof(info) };
	int fd = open("/dev/ferrodma-pool0", O_RDWR), wrong = 0;

	if (fd < 0)
		err(1, "/dev/ferrodma-pool0");
	if (ioctl(fd, FERRODMA_IOC_INFO, &info))
		err(1, "INFO");

	/* Each message has a segment in both lists, the last the first inbox. */
	for (int i = 0; i < MESSAGES; i++) {
		src[i].addr = (uintptr_t)message[i];
		dst[i].addr = (uintptr_t)inbox[MESSAGES - 1 - i];
		src[i].len = strlen(message[i]);
		dst[i].len = strlen(message[i]);
	}
	struct ferrodma_submit job = {
		.size = sizeof(job), .flags = FERRODMA_SUBMIT_WAIT,
		.src = (uintptr_t)src, .nr_src = MESSAGES,
		.dst = (uintptr_t)dst, .nr_dst = MESSAGES,
	};

	if (ioctl(fd, FERRODMA_IOC_SUBMIT, &job))
		err(1, "SUBMIT");
	if (job.completion.status)	/* 0, or why the job failed */
		errx(1, "job: %s", strerror(-job.completion.status));

	for (int i = 0; i < MESSAGES; i++) {
		printf("inbox %d: %s\n", i, inbox[i]);
		wrong |= strcmp(inbox[MESSAGES - 1 - i], message[i]);
	}
	printf("%llu bytes in %d blocks of %u\n", (unsigned long long)job.completion.bytes,
	       2 * MESSAGES, info.block_size);
	return wrong != 0;
}
