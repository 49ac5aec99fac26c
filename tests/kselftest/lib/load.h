/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Jobs on a channel whose device comes and goes.
 */
#ifndef FERRODMA_LOAD_H
#define FERRODMA_LOAD_H

#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>

#include "ferrodma_test.h"

static sigjmp_buf bus_error;

static inline void on_bus_error(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

/*
 * Runs jobs on whatever device bears the name, in one half of its memory, until
 * told to stop. The device may go at any moment, and then says so; what a job
 * that succeeded has written must be right.
 */
static inline int load(const char *function, int number, int part, const atomic_int *stop,
		atomic_int *moved)
{
	static struct channel c = { .fd = -1 };	/* static for siglongjmp() */
	struct job j;

	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(bus_error, 1))
		channel_close(&c);
	while (!*stop) {
		size_t off, len;
		int ret;

		if (c.fd < 0 && channel_open(&c, function, number, 0)) {
			sched_yield();
			continue;
		}
		len = c.size / 4;
		off = part * 2 * len;
		pattern_fill(c.mem + off, len, now_ns() / 64);
		job_copy(&j, &c, off, off + len, len);
		/* Hardware may be slow, and the machine busy with others. */
		j.submit.timeout_ns = 10 * NSEC_PER_SEC;
		ret = job_run(&c, &j);
		if (ret == -ENODEV) {
			channel_close(&c);
			continue;
		}
		if (ret || area_differs(c.mem + off, c.mem + off + len, len) != -1)
			return 1;
		++*moved;
	}
	return 0;
}

#endif /* FERRODMA_LOAD_H */
