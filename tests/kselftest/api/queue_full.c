// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that sleep, and what wakes them: SUBMIT to a full queue, read() and poll() without a
 * record.
 */
#include "channel_fixture.h"
#include "sleeper.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/* Fills the queue, and waits until the first job has ended. */
static bool queue_until_full(const struct channel *c)
{
	for (uint32_t i = 0; i < c->info.queue_depth; i++)
		if (!queue_one(c, i))
			return false;
	return wait_record(c);
}

TEST_F(channel, full_queue_is_EAGAIN_when_nonblocking)
{
	ASSERT_TRUE(queue_until_full(&self->c));
	ASSERT_EQ(0, set_nonblock(&self->c));
	for (int wait = 0; wait < 2; wait++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2 + 64, 16 * unit(&self->c));
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		EXPECT_EQ(-EAGAIN, job_submit(&self->c, &self->job));
	}
	EXPECT_NE(0, memcmp(self->c.mem, self->c.mem + self->c.size / 2 + 64, 16));
	/* Taking a record makes room for one job only. */
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_NE(0, queue_one(&self->c, 0));
	EXPECT_EQ(-EAGAIN, job_submit(&self->c, &self->job));
	ASSERT_TRUE(wait_record(&self->c));
	ASSERT_EQ(0, take(&self->c, 2, NULL));
	EXPECT_NE(0, queue_one(&self->c, 0));
}

TEST_F(channel, full_queue_has_no_POLLOUT)
{
	ASSERT_TRUE(queue_until_full(&self->c));
	EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN | POLLOUT, 0));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(POLLOUT, poll_events(&self->c, POLLOUT, 0));
}

TEST_F(channel, full_queue_of_one_file_leaves_room_in_another)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, O_NONBLOCK));
	ASSERT_TRUE(queue_until_full(&self->c));
	EXPECT_EQ(1, queue_one(&other, 0));
	job_copy(&self->job, &other, 0, other.size / 2, unit(&other));
	expect_runs(_metadata, &other, &self->job);
	channel_close(&other);
}

TEST_F(channel, submit_to_a_full_queue_sleeps_until_a_record_is_taken)
{
	struct sleeper s = {};

	ASSERT_TRUE(queue_until_full(&self->c));
	job_copy(&s.job, &self->c, 0, self->c.size / 2, unit(&self->c));
	make_sleeping_call(_metadata, &s, &self->c, call_submit);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(self->c.info.queue_depth + 1, s.job.submit.cookie);
	EXPECT_EQ(0, take(&self->c, s.job.submit.cookie, NULL));
}

/* The first SUBMIT on a file wakes its sleepers, which would hide that its record does not. */
static void submit_first(struct __test_metadata *_metadata, const struct channel *c)
{
	ASSERT_EQ(1, queue_one(c, 0));
	ASSERT_EQ(0, take_within(c, 1, NSEC_PER_SEC * 10, &record));
}

TEST_F(channel, read_sleeps_until_there_is_a_record)
{
	struct sleeper s = {};

	submit_first(_metadata, &self->c);
	make_sleeping_call(_metadata, &s, &self->c, call_read);
	ASSERT_EQ(2, queue_one(&self->c, 5));
	expect_ends(_metadata, &s, 1);
	EXPECT_EQ(5, s.record.user_data);
}

static int call_read_to_nowhere(struct sleeper *s)
{
	return read_records(s->c, (void *)UNMAPPED_ADDR, 1);
}

/* Both readers are woken; the record that the first cannot take is for the second. */
TEST_F(channel, record_that_one_reader_cannot_take_wakes_the_other)
{
	for (int i = 0; i < 10; i++) {
		struct sleeper bad = {}, good = {};

		make_sleeping_call(_metadata, &bad, &self->c, call_read_to_nowhere);
		make_sleeping_call(_metadata, &good, &self->c, call_read);
		ASSERT_NE(0, queue_one(&self->c, i));
		expect_ends(_metadata, &good, 1);
		EXPECT_EQ(i, good.record.user_data);
		/* If the other reader came second, it still waits for a record to fail on. */
		ASSERT_NE(0, queue_one(&self->c, i));
		expect_ends(_metadata, &bad, -EFAULT);
		EXPECT_EQ(1, read_records(&self->c, &record, 1));
	}
}

TEST_F(channel, poll_sleeps_until_there_is_a_record)
{
	struct sleeper s = { .events = POLLIN };

	submit_first(_metadata, &self->c);
	make_sleeping_call(_metadata, &s, &self->c, call_poll);
	ASSERT_EQ(2, queue_one(&self->c, 0));
	expect_ends(_metadata, &s, POLLIN);
}

TEST_F(channel, signal_ends_a_sleeping_read)
{
	alarm_every(20);
	EXPECT_EQ(-EINTR, read_records(&self->c, &record, 1));
	alarm_every(0);
	ASSERT_EQ(1, queue_one(&self->c, 0));
	EXPECT_EQ(1, read_records(&self->c, &record, 1));
}

TEST_F(channel, signal_ends_a_sleeping_submit_without_a_job)
{
	ASSERT_TRUE(queue_until_full(&self->c));
	for (int wait = 0; wait < 2; wait++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2 + 64, 16 * unit(&self->c));
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		alarm_every(20);
		EXPECT_EQ(-EINTR, job_submit(&self->c, &self->job));
		alarm_every(0);
	}
	EXPECT_NE(0, memcmp(self->c.mem, self->c.mem + self->c.size / 2 + 64, 16));
	for (uint32_t i = 0; i < self->c.info.queue_depth; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_FALSE(has_record(&self->c));
}

TEST_HARNESS_MAIN
