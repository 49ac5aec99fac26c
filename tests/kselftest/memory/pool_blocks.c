// SPDX-License-Identifier: GPL-2.0
/*
 * How many blocks of a pool are taken and free: when all are taken, and when jobs
 * give them back in any order. Run by pool_blocks.sh.
 */
#include "blocks_fixture.h"

/* Steps of the random test, and its files. */
#define STEPS		600
#define FILES		3

static struct ferrodma_completion record;

/* When all blocks are taken */

TEST_F(blocks, all_taken_then_one_more_is_EAGAIN)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, set_nonblock(&self->other));
	for (int wait = 0; wait < 2; wait++) {
		job_at(&self->job, &self->other, 0, WORKS, 1);
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		EXPECT_EQ(-EAGAIN, job_submit(&self->other, &self->job));
	}
	EXPECT_EQ(0, poll_events(&self->other, POLLIN | POLLOUT, 0));
	expect_untouched(_metadata, &self->other);

	/* When the paused job is cancelled, all blocks come back. */
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_EQ(POLLOUT, poll_events(&self->other, POLLOUT, SOON_MS));
	ASSERT_EQ(1, queue_at(&self->other, 0, WORKS, 1));
	ASSERT_TRUE(wait_record(&self->other));
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, places_differ(&self->other, 0, 1));
	EXPECT_TAKEN(0);
	for (uint32_t i = 1; i <= jobs; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(i == 1 ? -ECANCELED : 0, record.status);
	}
	EXPECT_EQ(-1, places_differ(&self->c, 1, jobs));
}

TEST_F(blocks, one_file_alone_can_take_all)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->c));
	job_at(&self->job, &self->c, jobs, WORKS, 1);
	EXPECT_EQ(-EAGAIN, job_submit(&self->c, &self->job));
	EXPECT_EQ(0, poll_events(&self->c, POLLIN | POLLOUT, 0));
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(POLLIN | POLLOUT, poll_events(&self->c, POLLIN | POLLOUT, 0));
	EXPECT_EQ(jobs + 1, queue_at(&self->c, jobs, WORKS, 1));
}

TEST_F(blocks, job_that_needs_all_runs)
{
	job_at(&self->job, &self->c, 5, self->most, self->most);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, places_differ(&self->c, 5, 6));
	EXPECT_TAKEN(0);
}

TEST_F(blocks, POLLOUT_comes_when_as_many_are_free_as_were_too_few)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->other));
	ASSERT_EQ(0, queue_at(&self->other, 0, WORKS, 5));
	ASSERT_EQ(EAGAIN, errno);
	for (int back = 2; back <= 6; back += 2) {
		ASSERT_EQ(0, job_cancel(&self->c, jobs));
		ASSERT_EQ(0, take(&self->c, jobs--, NULL));
		EXPECT_TAKEN(self->total - back);
		EXPECT_EQ(back == 6 ? POLLOUT : 0, poll_events(&self->other, POLLOUT, 0));
		if (back < 6)
			EXPECT_EQ(0, queue_at(&self->other, 0, WORKS, 5));
	}
	EXPECT_EQ(1, queue_at(&self->other, 0, WORKS, 5));
	EXPECT_TAKEN(self->total);
}

TEST_F(blocks, smaller_job_gets_in_where_a_larger_one_does_not)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	ASSERT_EQ(0, take(&self->c, jobs, NULL));
	ASSERT_EQ(0, set_nonblock(&self->other));
	EXPECT_EQ(0, queue_at(&self->other, 0, WORKS, 2));
	EXPECT_EQ(1, queue_at(&self->other, 1, WORKS, 1));
	EXPECT_TAKEN(self->total);
}

TEST_F(blocks, refused_jobs_take_none)
{
	struct ferrodma_seg list[self->most + 1];
	uint32_t nr = 0;

	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 2));
	ASSERT_EQ(0, set_nonblock(&self->other));
	for (uint32_t i = 0; i <= self->most; i++)
		job_add(&self->other, list, &nr, i, 1);
	job_at(&self->job, &self->other, 1, WORKS, 1);
	self->job.submit.src = (uintptr_t)list;
	self->job.submit.dst = (uintptr_t)list;
	self->job.submit.nr_src = nr;
	self->job.submit.nr_dst = nr;
	expect_refused(_metadata, &self->other, &self->job, -E2BIG);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.src[2].addr = UNMAPPED_ADDR;
	expect_refused(_metadata, &self->other, &self->job, -EFAULT);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.src[1].len = 0;
	expect_refused(_metadata, &self->other, &self->job, -EINVAL);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.dst[2].len++;
	expect_refused(_metadata, &self->other, &self->job, -EINVAL);
	EXPECT_TAKEN(HALTS + 2);
}

TEST_F(blocks, records_that_nobody_takes_keep_none)
{
	uint32_t depth = self->c.info.queue_depth;

	for (uint32_t i = 0; i < depth; i++)
		ASSERT_NE(0, queue_at(&self->c, i % self->most, WORKS, 1 + i % self->most));
	/* Jobs run in order: when the last has ended, all have. */
	ASSERT_EQ(0, take(&self->c, depth, NULL));
	EXPECT_TAKEN(0);
	job_at(&self->job, &self->other, 0, self->most, self->most);
	expect_runs(_metadata, &self->other, &self->job);
}

/* Jobs that give their blocks back in any order */

/* Makes @order the @n-th permutation of @count numbers. */
static void permute(int *order, int count, int n)
{
	for (int i = 0; i < count; i++)
		order[i] = i;
	for (int i = count; i > 1; n /= i, i--) {
		int k = n % i, t = order[k];

		order[k] = order[i - 1];
		order[i - 1] = t;
	}
}

/* All of the jobs pause, so that the running one is there to be cancelled too. */
TEST_F(blocks, jobs_are_cancelled_in_every_order)
{
	enum { JOBS = 5, ORDERS = 5 * 4 * 3 * 2 };
	int order[JOBS];

	for (int n = 0; n < ORDERS; n++) {
		uint64_t cookie[JOBS];
		int taken = 0;

		permute(order, JOBS, n);
		for (int i = 0; i < JOBS; i++) {
			cookie[i] = queue_at(&self->c, i, HALTS, i + 1);
			ASSERT_NE(0, cookie[i]);
			taken += HALTS + i + 1;
			EXPECT_TAKEN(taken);
		}
		for (int i = 0; i < JOBS; i++) {
			ASSERT_EQ(0, job_cancel(&self->c, cookie[order[i]]));
			ASSERT_EQ(0, take(&self->c, cookie[order[i]], &record));
			EXPECT_EQ(-ECANCELED, record.status);
			taken -= HALTS + order[i] + 1;
			EXPECT_TAKEN(taken);
		}
		ASSERT_EQ(0, taken);
		expect_untouched(_metadata, &self->c);
		/* The pool works, whichever block it hands out first. */
		job_at(&self->job, &self->other, n % self->most, self->most, self->most);
		ASSERT_EQ(0, job_run(&self->other, &self->job));
		ASSERT_EQ(-1, places_differ(&self->other, n % self->most, n % self->most + 1));
		make_pattern(&self->other, SEED);
	}
}

TEST_F(blocks, random_jobs_of_several_files_come_and_go)
{
	struct { int file; uint64_t cookie; int blocks; } live[32];
	uint64_t state = now_ns(), seed = state;
	int n = 0, taken = 0, refused = 0;
	struct channel c[FILES];

	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, channel_open(&c[i], "pooltest", 0, O_NONBLOCK));
	for (int i = 0; i < STEPS; i++) {
		int file = random_below(&state, FILES);
		uint32_t nr_dst = 1 + random_below(&state, self->most);

		if (n && !random_below(&state, 2)) {
			int at = random_below(&state, n);

			/* This cancels the running job or one behind it. */
			ASSERT_EQ(0, job_cancel(&c[live[at].file], live[at].cookie));
			ASSERT_TRUE(wait_record(&c[live[at].file]));
			ASSERT_EQ(1, read_records(&c[live[at].file], &record, 1));
			EXPECT_EQ(live[at].cookie, record.cookie);
			EXPECT_EQ(-ECANCELED, record.status);
			taken -= live[at].blocks;
			live[at] = live[--n];
		} else {
			job_at(&self->job, &c[file], 0, HALTS, nr_dst);
			if (taken + HALTS + nr_dst > self->total) {
				ASSERT_EQ(-EAGAIN, job_submit(&c[file], &self->job));
				refused++;
				continue;
			}
			ASSERT_EQ(0, job_submit(&c[file], &self->job));
			live[n].file = file;
			live[n].cookie = self->job.submit.cookie;
			live[n].blocks = HALTS + nr_dst;
			taken += live[n++].blocks;
		}
		ASSERT_EQ(self->total - taken, blocks_free("pooltest", 0))
			TH_LOG("step %d of seed %#llx", i, (unsigned long long)seed);
	}
	EXPECT_LT(0, refused);
	for (int i = 0; i < FILES; i++) {
		channel_close(&c[i]);
		for (int k = 0; k < n; k++)
			taken -= live[k].file == i ? live[k].blocks : 0;
		EXPECT_TAKEN(taken);
	}
}

TEST_HARNESS_MAIN
