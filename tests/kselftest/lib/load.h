/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Jobs on a channel whose device comes and goes.
 */
#ifndef FERRODMA_LOAD_H
#define FERRODMA_LOAD_H

#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>

#include "channel_checks.h"
#include "children.h"

static sigjmp_buf bus_error;

static inline void on_bus_error(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

/*
 * Runs jobs on the device that has this name at the time, in one half of its memory, until
 * @stop is set. The device may go at any moment, and calls then return ENODEV; a job that
 * succeeds must have written the right bytes.
 */
static inline int run_load(const char *function, int number, int part, const atomic_int *stop,
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
		/* The hardware may be slow and the machine busy. */
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

/* Two processes that run jobs, and their numbers of successful jobs. */
struct load {
	atomic_int stop, moved[2];
	pid_t pid[2];
};

static inline struct load *start_load(struct __test_metadata *_metadata, const char *function,
				      int number)
{
	struct load *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(l != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			_exit(run_load(function, number, i, &l->stop, &l->moved[i]));
		l->pid[i] = pid;
	}
	return l;
}

/* Ends both processes, and fails the test if one of their jobs has gone wrong. */
static inline void stop_load(struct __test_metadata *_metadata, struct load *l)
{
	l->stop = 1;
	for (int i = 0; i < 2; i++)
		expect_child_ends(_metadata, l->pid[i]);
}

/* Opens @n files and fills their queues. */
static inline void open_full(struct __test_metadata *_metadata, struct channel *files, int n,
			     const char *function, int number)
{
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, channel_open(&files[i], function, number, 0));
		ASSERT_TRUE(queue_some(&files[i], files[i].info.queue_depth));
	}
}

/*
 * Closes files that open_full() has opened and whose device is gone. Fails the test unless each
 * job has left a record that says success or ENODEV.
 */
static inline void close_without_device(struct __test_metadata *_metadata, struct channel *files,
					int n)
{
	struct ferrodma_completion record;

	for (int i = 0; i < n; i++) {
		for (uint32_t k = 1; k <= files[i].info.queue_depth; k++) {
			ASSERT_EQ(1, read_records(&files[i], &record, 1));
			EXPECT_EQ(k, record.cookie);
			EXPECT_TRUE(!record.status || record.status == -ENODEV);
		}
		EXPECT_EQ(-ENODEV, read_records(&files[i], &record, 1));
		channel_close(&files[i]);
	}
}

#endif /* FERRODMA_LOAD_H */
