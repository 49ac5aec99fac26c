// SPDX-License-Identifier: GPL-2.0
/*
 * The blocks of a pool come back, however the jobs that have them end: with an error, with the
 * program, with the device, or with a channel that dies. Run by pool_ends.sh.
 */
#include "blocks_fixture.h"
#include "children.h"

static struct ferrodma_completion record;

/* Jobs that fail */

TEST_F(blocks, failed_jobs_give_theirs_back_and_leave_their_destinations)
{
	const struct { uint32_t nr_src; uint64_t limit_ns; int status; } bad[] = {
		{ HALTS, SHORT_NS, -ETIMEDOUT }, { FAULTS, LONG_NS, -EIO },
	};

	for (int i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		bool wait = i % 2;

		if (bad[i / 2].status == -EIO && !reports_bus_errors(&self->c))
			continue;
		job_at(&self->job, &self->c, i, bad[i / 2].nr_src, 5);
		self->job.submit.timeout_ns = bad[i / 2].limit_ns;
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		record = self->job.submit.completion;
		if (!wait)
			ASSERT_EQ(0, take(&self->c, i + 1, &record));
		EXPECT_EQ(bad[i / 2].status, record.status);
		/* Only blocks have been written, no memory of the program. */
		EXPECT_EQ(self->job.src[0].len, record.bytes);
		EXPECT_TAKEN(0);
		expect_untouched(_metadata, &self->c);
	}
	EXPECT_FALSE(is_dead(&self->c));
	/* What a failed job has left in a block gets into no other message. */
	for (uint32_t i = 0; i < self->most; i++)
		EXPECT_NE(0, queue_at(&self->c, i, WORKS, 1));
	for (uint32_t i = 0; i < self->most; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-1, places_differ(&self->c, 0, self->most));
}

/* The engine must not go on with the failed job, whose blocks may belong to another job. */
TEST_F(blocks, job_behind_a_bus_error_is_the_only_one_that_is_started)
{
	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	for (int i = 0; i < 3; i++) {
		job_at(&self->job, &self->c, 0, FAULTS, 5);
		EXPECT_EQ(-EIO, job_run(&self->c, &self->job));
		job_at(&self->job, &self->c, 1, HALTS, 5);
		self->job.submit.timeout_ns = SHORT_NS;
		EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
		EXPECT_EQ(self->job.src[0].len, self->job.submit.completion.bytes);
		expect_works(_metadata, &self->other);
	}
}

TEST_F(blocks, failed_job_of_a_bad_destination_keeps_its_own_error)
{
	job_at(&self->job, &self->c, 0, HALTS, 1);
	self->job.submit.timeout_ns = SHORT_NS;
	self->job.dst[0].addr = UNMAPPED_ADDR;
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
	EXPECT_TAKEN(0);
}

/* Users that end while their jobs have blocks */

/* Fails the test unless a child reports that all went well and that it sleeps next. */
#define EXPECT_REPORT(fd_) do {				\
	char byte_;					\
							\
	ASSERT_EQ(1, read(fd_, &byte_, 1));		\
} while (0)

/* Takes all blocks, reports, and sleeps in the call that @which selects. */
static void sleep_with_blocks(int which, int report)
{
	struct channel own;
	struct job j;

	if (channel_open(&own, "pooltest", 0, 0))
		_exit(1);
	if (which == 0) {
		job_at(&j, &own, 0, HALTS, own.info.max_segments);
		j.submit.flags = FERRODMA_SUBMIT_WAIT;
		write(report, "w", 1);
		job_submit(&own, &j);
	} else if (take_all_blocks(&own)) {
		write(report, "b", 1);
		if (which == 1)
			read_records(&own, &record, 1);
		else
			queue_at(&own, 0, WORKS, 1);
	}
	_exit(2);	/* unless it was killed */
}

TEST_F(blocks, SIGKILL_brings_back_those_of_sleeping_calls)
{
	for (int which = 0; which < 3; which++) {
		int report[2];
		_Atomic pid_t pid;

		ASSERT_EQ(0, pipe(report));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			sleep_with_blocks(which, report[1]);
		close(report[1]);
		EXPECT_REPORT(report[0]);
		ASSERT_TRUE(wait_until_asleep(&pid));
		EXPECT_TAKEN(which ? self->total : HALTS + self->most);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_child_killed(_metadata, pid, SIGKILL);
		EXPECT_TAKEN(0);
		close(report[0]);
	}
	expect_works(_metadata, &self->c);
}

TEST_F(blocks, exit_brings_back_all)
{
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct channel own;

			_exit(channel_open(&own, "pooltest", 0, 0) || !take_all_blocks(&own));
		}
		expect_child_ends(_metadata, pid);
		EXPECT_TAKEN(0);
	}
}

TEST_F(blocks, close_brings_back_all)
{
	struct channel own;

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, channel_open(&own, "pooltest", 0, 0));
		ASSERT_NE(0, take_all_blocks(&own));
		EXPECT_TAKEN(self->total);
		channel_close(&own);
		EXPECT_TAKEN(0);
	}
	/* The end of one file leaves the jobs of another alone. */
	ASSERT_EQ(0, channel_open(&own, "pooltest", 0, 0));
	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 5));
	ASSERT_EQ(1, queue_at(&own, 0, WORKS, 7));
	ASSERT_EQ(2, queue_at(&self->c, 1, WORKS, 3));
	channel_close(&own);
	EXPECT_TAKEN(HALTS + 5 + WORKS + 3);
}

TEST_F(blocks, unbind_brings_back_all)
{
	struct sleeper s = {};

	/* From queued jobs, and from one whose submitter waits for it. */
	job_at(&s.job, &self->other, 0, HALTS, 5);
	s.job.submit.flags = FERRODMA_SUBMIT_WAIT;
	make_sleeping_call(_metadata, &s, &self->other, call_submit);
	ASSERT_EQ(1, queue_at(&self->c, 0, WORKS, self->most));
	ASSERT_EQ(2, queue_at(&self->c, 1, HALTS, 2));
	EXPECT_TAKEN(HALTS + 5 + WORKS + self->most + HALTS + 2);
	ASSERT_EQ(0, device_unbind(&self->device));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-ENODEV, s.record.status);
	ASSERT_EQ(0, device_bind(&self->device));
	EXPECT_TAKEN(0);
	/* These files had blocks of the device that is gone. */
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(-ENODEV, record.status);
	}
	channel_close(&self->c);
	channel_close(&self->other);
	EXPECT_TAKEN(0);
	ASSERT_EQ(0, channel_open(&self->c, "pooltest", 0, 0));
	expect_works(_metadata, &self->c);
}

TEST_F(blocks, rmmod_is_refused_and_takes_none)
{
	ASSERT_NE(0, take_all_blocks(&self->c));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma_test"));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma"));
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(0, record.status);
	/* Also with a file whose device is gone. The script removes the module in the end. */
	ASSERT_EQ(1, queue_at(&self->other, 0, HALTS, 5));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma_test"));
}

/*
 * Hardware that does not stop. These tests are the last, since the memory that it may use is
 * lost
 */

TEST_F(blocks, dead_channel_keeps_those_of_one_job_only)
{
	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 2));
	job_at(&self->job, &self->c, 1, STICKS, 3);
	self->job.submit.timeout_ns = SHORT_NS;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(3, queue_at(&self->c, 2, WORKS, 6));
	ASSERT_EQ(1, queue_at(&self->other, 0, HALTS, 5));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i == 1 ? -ECANCELED : -EIO, record.status);
	}
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_TRUE(is_dead(&self->c));
	EXPECT_TAKEN(STICKS + 3);
	job_at(&self->job, &self->other, 0, WORKS, 1);
	EXPECT_EQ(-EIO, job_submit(&self->other, &self->job));
	EXPECT_EQ(POLLERR, poll_events(&self->other, POLLIN | POLLOUT, 0));
	expect_untouched(_metadata, &self->c);
	expect_untouched(_metadata, &self->other);
	/* The channel has all its blocks when it is bound again. */
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, device_bind(&self->device));
	EXPECT_TAKEN(0);
}

/* Two calls want few blocks, which come back, and two want more than ever will. */
TEST_F(blocks, SUBMIT_that_sleeps_ends_when_the_channel_dies)
{
	static struct sleeper s[4];

	ASSERT_EQ(1, queue_at(&self->c, 0, STICKS, self->most));
	ASSERT_EQ(2, queue_at(&self->c, 1, WORKS, self->total - STICKS - self->most - WORKS));
	EXPECT_TAKEN(self->total);
	for (int i = 0; i < ARRAY_SIZE(s); i++) {
		job_at(&s[i].job, &self->other, i, i / 2 ? self->most : WORKS,
		       i / 2 ? self->most : 1);
		s[i].job.submit.flags = i % 2 ? FERRODMA_SUBMIT_WAIT : 0;
		make_sleeping_call(_metadata, &s[i], &self->other, call_submit);
	}
	ASSERT_EQ(-EIO, job_cancel(&self->c, 1));
	for (int i = 0; i < ARRAY_SIZE(s); i++)
		expect_ends(_metadata, &s[i], -EIO);
}

TEST_HARNESS_MAIN
