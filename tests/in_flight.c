// SPDX-License-Identifier: GPL-2.0
/*
 * CANCEL, signals, close() and unbind while the hardware has the job, on a
 * channel whose interrupt never comes. Run by in_flight.sh.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "lost_fixture.h"

static struct ferrodma_completion record;

TEST_F(lost, cancel_stops_the_running_job_and_the_next_one_runs)
{
	uint64_t start = now_ns();

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(2, queue_job(&self->c, SHORT_NS));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_EQ(-EALREADY, job_cancel(&self->c, 1));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_GE(unit(&self->c), record.bytes);
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_LE(SHORT_NS, record.complete_ns - start);
	EXPECT_GT(LONG_NS, record.complete_ns - start);
}

TEST_F(lost, cancel_of_a_job_that_has_not_started_leaves_memory_alone)
{
	size_t to = self->c.size / 2 + 256;

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	job_copy(&self->job, &self->c, 256, to, 64);
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(3, queue_job(&self->c, SHORT_NS));
	ASSERT_EQ(0, job_cancel(&self->c, 2));
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(0, record.bytes);
	EXPECT_EQ(-EAGAIN, set_nonblock(&self->c) ?: take_within(&self->c, 1, 0, NULL));
	/* The others are as if it had never been there. */
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN, SOON_MS));
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, O_RDWR));
	ASSERT_EQ(0, take(&self->c, 3, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_NE(0, memcmp(self->c.mem + 256, self->c.mem + to, 64));
}

TEST_F(lost, full_queue_has_room_again_when_a_cancelled_record_is_taken)
{
	for (uint32_t i = 0; i < self->c.info.queue_depth; i++)
		ASSERT_NE(0, queue_job(&self->c, LONG_NS));
	EXPECT_EQ(0, poll_events(&self->c, POLLIN | POLLOUT, 0));
	for (uint32_t i = self->c.info.queue_depth; i; i--)
		ASSERT_EQ(0, job_cancel(&self->c, i));
	EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN | POLLOUT, 0));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(POLLOUT, poll_events(&self->c, POLLOUT, 0));
}

/* A waiting SUBMIT of another thread. */
struct submitter {
	const struct channel *c;
	struct job job;
	int result;
	atomic_bool done;
	pthread_t thread;
};

static void *submitting(void *arg)
{
	struct submitter *s = arg;

	job_copy(&s->job, s->c, 0, s->c->size / 2, unit(s->c));
	s->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	s->job.submit.timeout_ns = LONG_NS;
	s->result = job_submit(s->c, &s->job);
	s->done = true;
	return NULL;
}

TEST_F(lost, cancel_ends_the_submit_that_waits_for_the_job)
{
	struct submitter s = { .c = &self->c };
	int ret;

	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	for (int ms = 0; (ret = job_cancel(&self->c, 1)) == -ENOENT && ms < SOON_MS; ms++)
		sleep_ms(1);
	EXPECT_EQ(0, ret);
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(-ECANCELED, s.job.submit.completion.status);
	EXPECT_EQ(1, s.job.submit.completion.cookie);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(lost, record_of_a_waiting_submit_cannot_be_taken)
{
	struct submitter s = { .c = &self->c };
	int ret;

	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	sleep_ms(50);
	ret = take_within(&self->c, 1, SHORT_NS, NULL);
	EXPECT_TRUE(ret == -ENOENT || ret == -ETIMEDOUT) TH_LOG("WAIT: %d", ret);
	EXPECT_FALSE(s.done);
	ret = job_cancel(&self->c, 1);
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(0, ret);
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(-ECANCELED, s.job.submit.completion.status);
}

TEST_F(lost, signal_takes_the_job_of_a_waiting_submit_back)
{
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	self->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	self->job.submit.timeout_ns = LONG_NS;
	alarm_every(50);
	EXPECT_EQ(-EINTR, job_submit(&self->c, &self->job));
	alarm_every(0);
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(-ENOENT, take_within(&self->c, 1, SHORT_NS, NULL));
	/* The hardware is done with it: what is written now stays. */
	make_pattern(&self->c, SEED + 1);
	sleep_ms(50);
	EXPECT_EQ(-1, pattern_lost(&self->c, SEED + 1));
	expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, signal_that_ends_a_wait_leaves_the_job_running)
{
	ASSERT_EQ(1, queue_job(&self->c, 10 * SHORT_NS));
	alarm_every(20);
	EXPECT_EQ(-EINTR, take_within(&self->c, 1, 0, NULL));
	alarm_every(0);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_LE(10 * SHORT_NS, record.complete_ns - record.submit_ns);
}

TEST_F(lost, SIGKILL_ends_a_waiting_submit)
{
	uint64_t start = now_ns();
	struct submitter s;
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct channel own;

		if (!channel_open(&own, self->function, self->number, 0)) {
			s.c = &own;
			submitting(&s);
		}
		_exit(1);
	}
	sleep_ms(100);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	expect_goes_on(_metadata, &self->c);
	EXPECT_GT(LONG_NS, now_ns() - start);
}

TEST_F(lost, close_stops_the_running_job_and_the_queued_ones)
{
	uint64_t start = now_ns();
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(i, queue_job(&other, LONG_NS));
	ASSERT_EQ(1, queue_job(&self->c, SHORT_NS));
	channel_close(&other);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(is_dead(&self->c) ? -EIO : -ETIMEDOUT, record.status);
	EXPECT_GT(LONG_NS, now_ns() - start);
}

TEST_F(lost, unbind_ends_running_and_queued_jobs_with_ENODEV)
{
	struct submitter s = { .c = &self->c };
	uint64_t start = now_ns();
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	sleep_ms(50);
	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(i, queue_job(&other, LONG_NS));
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, pthread_join(s.thread, NULL));
	EXPECT_EQ(0, s.result);
	EXPECT_EQ(-ENODEV, s.job.submit.completion.status);
	ASSERT_EQ(0, take(&other, 2, &record));
	EXPECT_EQ(-ENODEV, record.status);
	EXPECT_EQ(0, record.bytes);
	for (int i = 1; i <= 3; i += 2) {
		ASSERT_EQ(1, read_records(&other, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-ENODEV, record.status);
	}
	EXPECT_EQ(-ENODEV, read_records(&other, &record, 1));
	EXPECT_GT(LONG_NS, now_ns() - start);
	channel_close(&other);
}

TEST_F(lost, SIGKILL_with_the_device_unbound_in_flight_leaves_nothing)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		queue_job(&self->c, LONG_NS);
		read_records(&self->c, &record, 1);
		pause();
		_exit(1);
	}
	sleep_ms(50);
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	channel_close(&self->c);
	ASSERT_EQ(0, device_bind(&self->device));
	ASSERT_EQ(0, channel_open(&self->c, self->function, self->number, 0));
	expect_goes_on(_metadata, &self->c);
}

TEST_HARNESS_MAIN
