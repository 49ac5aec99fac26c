// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that sleep: a queue that is full, a read and a poll without a record,
 * and what wakes them.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/* Queues as many jobs as can be, and waits until the first has its record. */
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
	/* A record that is taken makes room for one job, and only one. */
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

/* A call in another thread, which is to sleep until the test lets it go on. */
struct sleeper {
	struct channel *c;
	struct job job;
	struct ferrodma_completion record;
	int result;
	thread_id id;
	atomic_bool done;
	pthread_t thread;
};

static void *submitting(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	job_copy(&s->job, s->c, 0, s->c->size / 2, unit(s->c));
	s->result = job_submit(s->c, &s->job);
	s->done = true;
	return NULL;
}

static void *reading(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = read_records(s->c, &s->record, 1);
	s->done = true;
	return NULL;
}

static void *polling(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = poll_events(s->c, POLLIN, SOON_MS);
	s->done = true;
	return NULL;
}

TEST_F(channel, submit_to_a_full_queue_sleeps_until_a_record_is_taken)
{
	struct sleeper s = { .c = &self->c };

	ASSERT_TRUE(queue_until_full(&self->c));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	EXPECT_TRUE(wait_until_asleep(&s.id));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(self->c.info.queue_depth + 1, s.job.submit.cookie);
	EXPECT_EQ(0, take(&self->c, s.job.submit.cookie, NULL));
}

TEST_F(channel, read_sleeps_until_there_is_a_record)
{
	struct sleeper s = { .c = &self->c };

	ASSERT_EQ(0, pthread_create(&s.thread, NULL, reading, &s));
	EXPECT_TRUE(wait_until_asleep(&s.id));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(1, queue_one(&self->c, 5));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(1, s.result);
	EXPECT_EQ(5, s.record.user_data);
}

static void *reading_to_nowhere(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = read_records(s->c, (void *)UNMAPPED_ADDR, 1);
	s->done = true;
	return NULL;
}

/* Both are woken; the record that the one cannot take is for the other. */
TEST_F(channel, record_that_one_reader_cannot_take_wakes_the_other)
{
	for (int i = 0; i < 10; i++) {
		struct sleeper bad = { .c = &self->c }, good = { .c = &self->c };

		ASSERT_EQ(0, pthread_create(&bad.thread, NULL, reading_to_nowhere, &bad));
		ASSERT_TRUE(wait_until_asleep(&bad.id));
		ASSERT_EQ(0, pthread_create(&good.thread, NULL, reading, &good));
		ASSERT_TRUE(wait_until_asleep(&good.id));
		ASSERT_NE(0, queue_one(&self->c, i));
		for (int ms = 0; ms < SOON_MS && !good.done; ms++)
			sleep_ms(1);
		ASSERT_TRUE(good.done) TH_LOG("round %d: a record waits, its reader sleeps", i);
		ASSERT_EQ(0, pthread_join(good.thread, NULL));
		EXPECT_EQ(1, good.result);
		EXPECT_EQ(i, good.record.user_data);
		/* The other, if it was the later one, still wants something to fail on. */
		ASSERT_NE(0, queue_one(&self->c, i));
		ASSERT_EQ(0, pthread_join(bad.thread, NULL));
		EXPECT_EQ(-EFAULT, bad.result);
		EXPECT_EQ(1, read_records(&self->c, &record, 1));
	}
}

TEST_F(channel, poll_sleeps_until_there_is_a_record)
{
	struct sleeper s = { .c = &self->c };

	ASSERT_EQ(0, pthread_create(&s.thread, NULL, polling, &s));
	EXPECT_TRUE(wait_until_asleep(&s.id));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(POLLIN, s.result);
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
