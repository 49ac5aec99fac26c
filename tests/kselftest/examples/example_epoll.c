// SPDX-License-Identifier: GPL-2.0
/* Has two channels work side by side, and waits for either with epoll. */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ferrodma.h"

enum { CHANNELS = 2, LEN = 64 };

int main(void)
{
	static const char *const name[] = { "/dev/ferrodma-sg0", "/dev/ferrodma-pool0" };
	static const _Alignas(LEN) char text[LEN] = "Moved while the program waits for both.";
	static _Alignas(LEN) char copy[CHANNELS][LEN];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		err(1, "epoll_create1");
	for (int i = 0; i < CHANNELS; i++) {
		int fd = open(name[i], O_RDWR | O_NONBLOCK);
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
		struct ferrodma_seg src = { .addr = (uintptr_t)text, .len = LEN };
		struct ferrodma_seg dst = { .addr = (uintptr_t)copy[i], .len = LEN };
		struct ferrodma_submit job = {
			.size = sizeof(job), .user_data = i,
			.src = (uintptr_t)&src, .nr_src = 1,
			.dst = (uintptr_t)&dst, .nr_dst = 1,
		};

		if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			err(1, "%s", name[i]);
		/* EAGAIN: there is no room, and EPOLLOUT tells when to try again. */
		if (ioctl(fd, FERRODMA_IOC_SUBMIT, &job))
			err(1, "SUBMIT to %s", name[i]);
	}

	for (int left = CHANNELS; left; left--) {
		struct ferrodma_completion record;
		struct epoll_event event;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			err(1, "epoll_wait");
		/* With EPOLLERR or EPOLLHUP alone there is no record left. */
		if (!(event.events & EPOLLIN))
			errx(1, "the channel is dead, or its device is unbound");
		if (read(event.data.fd, &record, sizeof(record)) != sizeof(record))
			err(1, "read");
		printf("%s: %s\n", name[record.user_data], strerror(-record.status));
		if (record.status)
			return 1;
	}
	return memcmp(copy[0], text, LEN) || memcmp(copy[1], text, LEN);
}
