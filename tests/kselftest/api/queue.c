// SPDX-License-Identifier: GPL-2.0
/*
 * Queued jobs: their cookies, and their records in order through read(), poll()
 * and WAIT.
 */
#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

/* Number of jobs to queue where it does not matter. */
#define SOME	8

static struct ferrodma_completion record;

TEST_F(channel, cookies_count_from_one_in_each_open_file)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
	for (uint64_t i = 1; i <= SOME / 2; i++) {
		EXPECT_EQ(i, queue_one(&self->c, 0));
		EXPECT_EQ(i, queue_one(&other, 0));
	}
	channel_close(&other);
}

TEST_F(channel, waiting_jobs_have_cookies_like_queued_ones)
{
	EXPECT_EQ(1, queue_one(&self->c, 0));
	job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
	EXPECT_EQ(0, job_run(&self->c, &self->job));
	EXPECT_EQ(2, self->job.submit.cookie);
	EXPECT_EQ(2, self->job.submit.completion.cookie);
	EXPECT_EQ(3, queue_one(&self->c, 0));
}

TEST_F(channel, records_are_read_in_order_with_their_user_data)
{
	for (uint64_t i = 1; i <= SOME; i++)
		ASSERT_EQ(i, queue_one(&self->c, i * 0x1111222233334444ULL));
	for (uint64_t i = 1; i <= SOME; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(i * 0x1111222233334444ULL, record.user_data);
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(0, record.flags);
		EXPECT_EQ(unit(&self->c), record.bytes);
	}
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, records_are_taken_by_cookie_in_any_order)
{
	static const uint64_t order[] = { 3, 1, 4, 2 };

	ASSERT_TRUE(queue_some(&self->c, ARRAY_SIZE(order)));
	for (int i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, take(&self->c, order[i], &record));
		EXPECT_EQ(order[i], record.cookie);
		EXPECT_EQ(ARRAY_SIZE(order) + 1 - order[i], record.user_data);
	}
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, read_skips_what_wait_has_taken)
{
	ASSERT_TRUE(queue_some(&self->c, 3));
	ASSERT_EQ(0, take(&self->c, 2, &record));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(1, record.cookie);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(3, record.cookie);
}

TEST_F(channel, poll_says_when_a_record_can_be_read)
{
	EXPECT_EQ(POLLOUT, poll_events(&self->c, POLLIN | POLLOUT, 0));
	for (int i = 1; i <= SOME; i++) {
		ASSERT_EQ(i, queue_one(&self->c, 0));
		EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN, SOON_MS));
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(POLLOUT, poll_events(&self->c, POLLIN | POLLOUT, 0));
	}
}

TEST_F(channel, one_read_returns_as_many_records_as_fit)
{
	struct ferrodma_completion many[SOME + 4];

	ASSERT_TRUE(queue_some(&self->c, SOME));
	/* Jobs run in order: when the last has ended, all have. */
	ASSERT_EQ(0, take(&self->c, SOME, &record));
	EXPECT_EQ(3, read_records(&self->c, many, 3));
	EXPECT_EQ(SOME - 4, read_records(&self->c, many + 3, SOME + 1));
	for (int i = 0; i < SOME - 1; i++)
		EXPECT_EQ(i + 1, many[i].cookie);
}

TEST_F(channel, read_returns_whole_records_only)
{
	struct ferrodma_completion many[3];

	memset(many, 0xee, sizeof(many));
	ASSERT_TRUE(queue_some(&self->c, 3));
	ASSERT_EQ(0, take(&self->c, 3, NULL));
	EXPECT_EQ(sizeof(record), read(self->c.fd, many, 2 * sizeof(record) - 1));
	EXPECT_EQ(1, many[0].cookie);
	EXPECT_EQ(-1, value_differs((uint8_t *)&many[1], 2 * sizeof(record), 0xee));
	EXPECT_EQ(1, read_records(&self->c, many, 2));
	EXPECT_EQ(2, many[0].cookie);
}

TEST_F(channel, read_into_too_short_a_buffer_is_refused)
{
	static const size_t sizes[] = { 0, 1, sizeof(record) - 1 };

	for (int queued = 0; queued < 2; queued++) {
		for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
			errno = 0;
			EXPECT_EQ(-1, read(self->c.fd, &record, sizes[i]));
			EXPECT_EQ(EINVAL, errno);
		}
		if (!queued) {
			ASSERT_EQ(1, queue_one(&self->c, 0));
			ASSERT_TRUE(wait_record(&self->c));
		}
	}
	EXPECT_EQ(1, read_records(&self->c, &record, 1));
}

TEST_F(channel, read_to_a_bad_pointer_keeps_the_record)
{
	ASSERT_EQ(1, queue_one(&self->c, 77));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)UNMAPPED_ADDR, 1));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)KERNEL_ADDR, 1));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(77, record.user_data);
}

TEST_F(channel, read_that_meets_a_bad_page_loses_no_record)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	int got;

	ASSERT_TRUE(p != NULL);
	ASSERT_TRUE(queue_some(&self->c, 3));
	ASSERT_EQ(0, take(&self->c, 3, NULL));
	got = read_records(&self->c, (void *)(p + page - sizeof(record)), 2);
	EXPECT_TRUE(got == 1 || got == -EFAULT) TH_LOG("read: %d", got);
	for (int next = got == 1 ? 2 : 1; next <= 2; next++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(next, record.cookie);
	}
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, pread_is_ESPIPE)
{
	ASSERT_EQ(1, queue_one(&self->c, 0));
	EXPECT_EQ(-1, pread(self->c.fd, &record, sizeof(record), 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(1, read_records(&self->c, &record, 1));
}

TEST_F(channel, nonblocking_read_without_a_record_is_EAGAIN)
{
	ASSERT_EQ(0, set_nonblock(&self->c));
	EXPECT_EQ(-EAGAIN, read_records(&self->c, &record, 1));
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-EAGAIN, read_records(&self->c, &record, 1));
}

TEST_F(channel, nonblocking_file_can_run_waiting_jobs)
{
	ASSERT_EQ(0, set_nonblock(&self->c));
	job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, records_of_one_file_are_not_in_another)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, O_NONBLOCK));
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_FALSE(has_record(&other));
	EXPECT_EQ(-EAGAIN, read_records(&other, &record, 1));
	EXPECT_EQ(-ENOENT, take(&other, 1, NULL));
	EXPECT_EQ(-ENOENT, job_cancel(&other, 1));
	EXPECT_EQ(1, read_records(&self->c, &record, 1));
	channel_close(&other);
}

TEST_F(channel, data_of_each_job_is_in_place_for_the_next)
{
	size_t u = unit(&self->c), len = 16 * u;
	int n = self->c.info.queue_depth < SOME ? self->c.info.queue_depth : SOME;

	/* Until there is a record, the memory of an sg job belongs to the device. */
	if (self->c.info.function == FERRODMA_FUNCTION_SG)
		SKIP(return, "no job of this function may need what another one writes");
	if (self->c.info.function == FERRODMA_FUNCTION_POOL)
		SKIP(return, "a job of this function has read its source before it waits");
	/* Each job copies the result of the one before it. */
	for (int i = 0; i < n; i++) {
		job_copy(&self->job, &self->c, i * len, (i + 1) * len, len);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
	}
	ASSERT_EQ(0, take(&self->c, n, NULL));
	EXPECT_EQ(-1, pattern_differs(self->c.mem + n * len, len, SEED));
}

TEST_F(channel, times_of_a_record_are_between_submit_and_take)
{
	uint64_t last = now_ns(), after;

	ASSERT_TRUE(queue_some(&self->c, SOME));
	for (int i = 0; i < SOME; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		after = now_ns();
		EXPECT_LE(last, record.submit_ns);
		EXPECT_LE(record.submit_ns, record.complete_ns);
		EXPECT_LE(record.complete_ns, after);
		last = record.submit_ns;
	}
}

TEST_HARNESS_MAIN
