// SPDX-License-Identifier: GPL-2.0
/*
 * CANCEL, signals, close() and unbind while the hardware has the job, on a channel whose
 * interrupt never comes. Run by in_flight.sh.
 */
#include <sys/wait.h>

#include "children.h"
#include "lost_fixture.h"
#include "sleeper.h"
#include "suspend.h"

static struct ferrodma_completion record;

TEST_F(lost, cancel_stops_the_running_job_and_the_next_one_runs)
{
	uint64_t begin = now_ns();

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
	EXPECT_LE(SHORT_NS, record.complete_ns - begin);
	EXPECT_GT(LONG_NS, record.complete_ns - begin);
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
	/* The other jobs run as if the cancelled one had not existed. */
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN, SOON_MS));
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, O_RDWR));
	ASSERT_EQ(0, take(&self->c, 3, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_NE(0, memcmp(self->c.mem + 256, self->c.mem + to, 64));
}

/* Each file has its own sequence of cookies, so that two files have jobs with the same cookie. */
TEST_F(lost, cancel_of_a_queued_job_leaves_that_of_another_file_with_the_same_cookie)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(1, queue_job(&other, LONG_NS));
	ASSERT_EQ(2, queue_job(&other, LONG_NS));
	ASSERT_EQ(2, queue_job(&self->c, LONG_NS));
	EXPECT_EQ(0, job_cancel(&self->c, 2));
	EXPECT_TRUE(wait_record(&self->c));
	EXPECT_FALSE(has_record(&other));
	channel_close(&other);
}

TEST_F(lost, cancel_leaves_the_running_job_of_another_file_alone)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	EXPECT_EQ(-ENOENT, job_cancel(&other, 1));
	EXPECT_FALSE(has_record(&self->c));
	channel_close(&other);
}

TEST_F(lost, full_queue_has_room_again_when_a_cancelled_record_is_taken)
{
	for (uint32_t i = 0; i < self->c.info.queue_depth; i++)
		ASSERT_NE(0, queue_job(&self->c, LONG_NS));
	EXPECT_EQ(0, poll_events(&self->c, POLLIN | POLLOUT, 0));
	for (uint32_t i = self->c.info.queue_depth; i; i--)
		ASSERT_EQ(0, job_cancel(&self->c, i));
	EXPECT_EQ(POLLIN, poll_events(&self->c, POLLIN | POLLOUT, SOON_MS));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(POLLOUT, poll_events(&self->c, POLLOUT, 0));
}

#define SKIP_WITHOUT_SUSPEND() do {						\
	if (!can_suspend())							\
		SKIP(return, "the kernel cannot suspend, or lacks CONFIG_PM_DEBUG to come back"); \
} while (0)

/* Time for which suspend waits for the running job. */
#define SUSPEND_NS	(500 * NSEC_PER_MSEC)

TEST_F(lost, suspend_cancels_the_running_job_and_keeps_the_queued_ones)
{
	uint64_t begin = now_ns();

	SKIP_WITHOUT_SUSPEND();
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(2, queue_job(&self->c, SHORT_NS));
	ASSERT_EQ(3, queue_job(&self->c, SHORT_NS));
	ASSERT_EQ(0, suspend_and_resume("devices", 1));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_LE(SUSPEND_NS, record.complete_ns - begin);
	EXPECT_GT(LONG_NS, record.complete_ns - begin);
	RETURN_IF_DEAD();
	for (int i = 2; i <= 3; i++) {
		uint64_t stopped = record.complete_ns;

		ASSERT_EQ(0, take(&self->c, i, &record));
		EXPECT_EQ(-ETIMEDOUT, record.status);
		/* The job was started after the resume, a second later. */
		EXPECT_LE(i == 2 ? NSEC_PER_SEC / 2 : SHORT_NS, record.complete_ns - stopped);
	}
}

/* Try several times: on a busy machine, the time may be over before the job has ended. */
TEST_F(lost, suspend_lets_a_job_come_to_its_own_end)
{
	bool ended = false;

	SKIP_WITHOUT_SUSPEND();
	for (int i = 1; i <= 5 && !ended; i++) {
		ASSERT_EQ(i, queue_job(&self->c, SUSPEND_NS / 4));
		ASSERT_EQ(0, suspend_and_resume("devices", 0));
		ASSERT_EQ(0, take(&self->c, i, &record));
		ended = record.status == -ETIMEDOUT;
		EXPECT_TRUE(ended || record.status == -ECANCELED);
	}
	EXPECT_TRUE(ended);
	expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, suspend_without_the_devices_leaves_the_running_job_alone)
{
	SKIP_WITHOUT_SUSPEND();
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(0, suspend_and_resume("freezer", 0));
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(0, job_cancel(&self->c, 1));
}

static void prepare_waiting(struct job *j, const struct channel *c)
{
	job_copy(j, c, 0, c->size / 2, unit(c));
	j->submit.flags = FERRODMA_SUBMIT_WAIT;
	j->submit.timeout_ns = LONG_NS;
}

/* Has another thread submit a job and wait for it, and returns when it sleeps there. */
static void start_submit(struct __test_metadata *_metadata, struct sleeper *s,
			 const struct channel *c)
{
	prepare_waiting(&s->job, c);
	make_sleeping_call(_metadata, s, c, call_submit);
}

TEST_F(lost, cancel_ends_the_submit_that_waits_for_the_job)
{
	struct sleeper s = {};

	start_submit(_metadata, &s, &self->c);
	EXPECT_EQ(0, job_cancel(&self->c, 1));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-ECANCELED, s.record.status);
	EXPECT_EQ(1, s.record.cookie);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(lost, submit_to_a_full_queue_goes_on_when_a_waiting_one_returns)
{
	const uint32_t depth = self->c.info.queue_depth;
	struct sleeper waits = {}, sleeps = {};
	int ret = -ENOENT;

	for (uint32_t i = 1; i < depth; i++)
		ASSERT_EQ(i, queue_job(&self->c, LONG_NS));
	start_submit(_metadata, &waits, &self->c);
	start_submit(_metadata, &sleeps, &self->c);
	ASSERT_EQ(0, job_cancel(&self->c, depth));
	expect_ends(_metadata, &waits, 0);
	/* The other SUBMIT has a job as soon as it has found the room. */
	for (int ms = 0; ms < SOON_MS && ret == -ENOENT; ms++) {
		sleep_ms(1);
		ret = job_cancel(&self->c, depth + 1);
	}
	ASSERT_EQ(0, ret) TH_LOG("there is room, and SUBMIT sleeps");
	expect_ends(_metadata, &sleeps, 0);
	EXPECT_EQ(-ECANCELED, sleeps.record.status);
}

TEST_F(lost, poll_of_a_full_queue_says_POLLOUT_when_a_waiting_submit_returns)
{
	const uint32_t depth = self->c.info.queue_depth;
	struct sleeper waits = {}, polls = { .events = POLLOUT };

	for (uint32_t i = 1; i < depth; i++)
		ASSERT_EQ(i, queue_job(&self->c, LONG_NS));
	start_submit(_metadata, &waits, &self->c);
	make_sleeping_call(_metadata, &polls, &self->c, call_poll);
	ASSERT_EQ(0, job_cancel(&self->c, depth));
	expect_ends(_metadata, &waits, 0);
	expect_ends(_metadata, &polls, POLLOUT);
}

TEST_F(lost, cancel_ends_the_wait_for_the_job)
{
	struct sleeper s = {};

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	make_sleeping_call(_metadata, &s, &self->c, call_wait);
	EXPECT_EQ(0, job_cancel(&self->c, 1));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-ECANCELED, s.record.status);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(lost, record_of_a_waiting_submit_cannot_be_taken)
{
	struct sleeper s = {};
	int ret;

	start_submit(_metadata, &s, &self->c);
	ret = take_within(&self->c, 1, SHORT_NS, NULL);
	EXPECT_TRUE(ret == -ENOENT || ret == -ETIMEDOUT) TH_LOG("WAIT: %d", ret);
	ret = job_cancel(&self->c, 1);
	EXPECT_FALSE(has_record(&self->c));
	EXPECT_EQ(0, ret);
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-ECANCELED, s.record.status);
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
	uint64_t begin = now_ns();
	_Atomic pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct channel own;

		if (channel_open(&own, self->function, self->number, 0))
			_exit(1);
		prepare_waiting(&self->job, &own);
		job_submit(&own, &self->job);
		_exit(2);
	}
	ASSERT_TRUE(wait_until_asleep(&pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_child_killed(_metadata, pid, SIGKILL);
	expect_goes_on(_metadata, &self->c);
	EXPECT_GT(LONG_NS, now_ns() - begin);
}

static int submit_in_process(void *arg)
{
	struct sleeper *s = arg;

	call_submit(s);
	_exit(1);
}

/* The submitter shares the memory, and so the file, but is a process of its own. */
TEST_F(lost, SIGKILL_of_a_waiting_submitter_ends_its_own_job_only)
{
	static uint8_t stack[64 << 10] __attribute__((aligned(16)));
	static struct sleeper s;
	_Atomic pid_t pid;

	s.c = &self->c;
	prepare_waiting(&s.job, &self->c);
	pid = clone(submit_in_process, stack + sizeof(stack), CLONE_VM | SIGCHLD, &s);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_until_asleep(&pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_child_killed(_metadata, pid, SIGKILL);
	EXPECT_FALSE(has_record(&self->c));
	/* The next job may have the same memory in the kernel. */
	expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, close_stops_the_running_job_and_the_queued_ones)
{
	uint64_t begin = now_ns();
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(i, queue_job(&other, LONG_NS));
	ASSERT_EQ(1, queue_job(&self->c, SHORT_NS));
	/* A mapping of the buffer does not keep the jobs. */
	close(other.fd);
	other.fd = -1;
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(is_dead(&self->c) ? -EIO : -ETIMEDOUT, record.status);
	EXPECT_GT(LONG_NS, now_ns() - begin);
	channel_close(&other);
}

TEST_F(lost, unbind_ends_running_and_queued_jobs_with_ENODEV)
{
	struct sleeper submitter = {}, waiter = {};
	uint64_t begin = now_ns();
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, self->function, self->number, 0));
	start_submit(_metadata, &submitter, &self->c);
	for (int i = 1; i <= 4; i++)
		ASSERT_EQ(i, queue_job(&other, LONG_NS));
	make_sleeping_call(_metadata, &waiter, &other, call_wait);
	ASSERT_EQ(0, device_unbind(&self->device));
	expect_ends(_metadata, &submitter, 0);
	EXPECT_EQ(-ENODEV, submitter.record.status);
	expect_ends(_metadata, &waiter, 0);
	EXPECT_EQ(-ENODEV, waiter.record.status);
	ASSERT_EQ(0, take(&other, 3, &record));
	EXPECT_EQ(-ENODEV, record.status);
	EXPECT_EQ(0, record.bytes);
	for (int i = 2; i <= 4; i += 2) {
		ASSERT_EQ(1, read_records(&other, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-ENODEV, record.status);
	}
	EXPECT_EQ(-ENODEV, read_records(&other, &record, 1));
	EXPECT_GT(LONG_NS, now_ns() - begin);
	channel_close(&other);
}

TEST_F(lost, SIGKILL_with_the_device_unbound_in_flight_leaves_nothing)
{
	int status;
	_Atomic pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		queue_job(&self->c, LONG_NS);
		read_records(&self->c, &record, 1);
		pause();
		_exit(1);
	}
	ASSERT_TRUE(wait_until_asleep(&pid));
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	channel_close(&self->c);
	ASSERT_EQ(0, device_bind(&self->device));
	ASSERT_EQ(0, channel_open(&self->c, self->function, self->number, 0));
	expect_goes_on(_metadata, &self->c);
}

TEST_HARNESS_MAIN
