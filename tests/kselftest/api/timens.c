// SPDX-License-Identifier: GPL-2.0
/*
 * The times of records in a program whose CLOCK_MONOTONIC is not that of others.
 */
#include "channel_fixture.h"
#include "children.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x80
#endif

/* Seconds by which the clock of the namespace is ahead. */
#define AHEAD	500000

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

static bool is_between(uint64_t before, const struct ferrodma_completion *r)
{
	return before <= r->submit_ns && r->submit_ns <= r->complete_ns &&
	       r->complete_ns <= now_ns();
}

TEST_F(channel, times_are_those_of_the_caller_s_time_namespace)
{
	char text[64];
	int fd, len;
	pid_t pid;

	if (unshare(CLONE_NEWTIME))
		SKIP(return, "no time namespaces: %s", strerror(errno));
	len = snprintf(text, sizeof(text), "monotonic %d 0\n", AHEAD);
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(len, write(fd, text, len));
	close(fd);
	ASSERT_GT(AHEAD * NSEC_PER_SEC, now_ns());
	/* Only children are in the new namespace. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		uint64_t before = now_ns();

		if (before < AHEAD * NSEC_PER_SEC)
			_exit(1);
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		if (job_run(&self->c, &self->job) ||
		    !is_between(before, &self->job.submit.completion))
			_exit(2);
		before = now_ns();
		if (!queue_one(&self->c, 0) || read_records(&self->c, &record, 1) != 1 ||
		    !is_between(before, &record))
			_exit(3);
		before = now_ns();
		if (queue_one(&self->c, 0) != 3 || take(&self->c, 3, &record) ||
		    !is_between(before, &record))
			_exit(4);
		_exit(0);
	}
	expect_child_ends(_metadata, pid);
}

TEST_HARNESS_MAIN
