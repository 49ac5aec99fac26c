// SPDX-License-Identifier: GPL-2.0
/* Has the DMA engine copy a text within the buffer of /dev/ferrodma-coherent0. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "ferrodma.h"

int main(void)
{
	static const char text[64] = "Moved by the DMA engine.";
	struct ferrodma_info info = { .size = sizeof(info) };
	int fd = open("/dev/ferrodma-coherent0", O_RDWR);

	if (fd < 0)
		err(1, "/dev/ferrodma-coherent0");
	if (ioctl(fd, FERRODMA_IOC_INFO, &info))
		err(1, "INFO");

	char *buffer = mmap(NULL, info.buffer_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);

	if (buffer == MAP_FAILED)
		err(1, "mmap");
	memcpy(buffer, text, sizeof(text));

	/* Addresses are offsets into the buffer: from its start to its middle. */
	struct ferrodma_seg src = { .addr = 0, .len = sizeof(text) };
	struct ferrodma_seg dst = { .addr = info.buffer_size / 2, .len = sizeof(text) };
	struct ferrodma_submit job = {
		.size = sizeof(job), .flags = FERRODMA_SUBMIT_WAIT,
		.src = (uintptr_t)&src, .nr_src = 1,
		.dst = (uintptr_t)&dst, .nr_dst = 1,
	};

	if (ioctl(fd, FERRODMA_IOC_SUBMIT, &job))
		err(1, "SUBMIT");
	if (job.completion.status)	/* 0, or why the job failed */
		errx(1, "job: %s", strerror(-job.completion.status));

	printf("%s\n", buffer + dst.addr);
	return memcmp(buffer + dst.addr, text, sizeof(text)) != 0;
}
