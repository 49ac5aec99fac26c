// SPDX-License-Identifier: GPL-2.0
/* Queues eight jobs on /dev/ferrodma-coherent0, and reads their records as they come. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ferrodma.h"

enum { JOBS = 8, PIECE = 256 };

int main(void)
{
	struct ferrodma_info info = { .size = sizeof(info) };
	struct ferrodma_completion record[JOBS];
	int fd = open("/dev/ferrodma-coherent0", O_RDWR), wrong = 0;
	ssize_t bytes;

	if (fd < 0)
		err(1, "/dev/ferrodma-coherent0");
	if (ioctl(fd, FERRODMA_IOC_INFO, &info))
		err(1, "INFO");
	if (info.buffer_size < JOBS * PIECE)
		errx(1, "the buffer is too small");

	char *buffer = mmap(NULL, info.buffer_size, PROT_READ, MAP_SHARED, fd, 0);

	if (buffer == MAP_FAILED)
		err(1, "mmap");

	/* Without SUBMIT_WAIT the call returns when the job is in the queue. */
	for (int i = 0; i < JOBS; i++) {
		struct ferrodma_seg dst = { .addr = i * PIECE, .len = PIECE };
		struct ferrodma_submit job = {
			.size = sizeof(job), .flags = FERRODMA_SUBMIT_FILL,
			.src = 'a' + i, .dst = (uintptr_t)&dst, .nr_dst = 1,
			.user_data = i,
		};

		if (ioctl(fd, FERRODMA_IOC_SUBMIT, &job))
			err(1, "SUBMIT");
	}

	/* Returns the records that there are, and waits only for the first. */
	for (int taken = 0; taken < JOBS; taken += bytes / sizeof(*record)) {
		bytes = read(fd, record, sizeof(record));
		if (bytes < 0)
			err(1, "read");
		for (unsigned int i = 0; i < bytes / sizeof(*record); i++) {
			unsigned int job = record[i].user_data;

			printf("job %u: %s\n", job, strerror(-record[i].status));
			wrong |= record[i].status || buffer[job * PIECE] != (char)('a' + job);
		}
	}
	return wrong;
}
