// SPDX-License-Identifier: GPL-2.0
/* Has the DMA engine gather three pieces of this program's memory and scatter them to two. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ferrodma.h"

int main(void)
{
	/*
	 * Any memory of the program will do: constants, the stack, the heap.
	 * But there are engines for which addresses and lengths have to be
	 * multiples of 4, as INFO says. All of these are.
	 */
	static const _Alignas(4) char greeting[] = "Gathered";
	_Alignas(4) char middle[] = " from three pieces, ";
	char *end = strdup("scattered to two");
	_Alignas(4) char first[24] = "", second[28] = "";
	size_t total = strlen(greeting) + strlen(middle) + strlen(end);
	int fd = open("/dev/ferrodma-sg0", O_RDWR);

	if (fd < 0)
		err(1, "/dev/ferrodma-sg0");

	/* Addresses are the program's own. The lists may be cut differently. */
	struct ferrodma_seg src[] = {
		{ .addr = (uintptr_t)greeting, .len = strlen(greeting) },
		{ .addr = (uintptr_t)middle, .len = strlen(middle) },
		{ .addr = (uintptr_t)end, .len = strlen(end) },
	};
	struct ferrodma_seg dst[] = {
		{ .addr = (uintptr_t)first, .len = 20 },
		{ .addr = (uintptr_t)second, .len = total - 20 },
	};
	struct ferrodma_submit job = {
		.size = sizeof(job), .flags = FERRODMA_SUBMIT_WAIT,
		.src = (uintptr_t)src, .nr_src = 3,
		.dst = (uintptr_t)dst, .nr_dst = 2,
	};

	if (ioctl(fd, FERRODMA_IOC_SUBMIT, &job))
		err(1, "SUBMIT");
	if (job.completion.status)	/* 0, or why the job failed */
		errx(1, "job: %s", strerror(-job.completion.status));

	printf("%s|%s\n", first, second);
	return strcmp(first, "Gathered from three ") ||
	       strcmp(second, "pieces, scattered to two");
}
