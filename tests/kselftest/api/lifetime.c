// SPDX-License-Identifier: GPL-2.0
/*
 * Files that end while there is work: by close(), exit and SIGKILL. in_flight.c has the tests
 * with jobs that stay in flight.
 */
#include <sys/wait.h>

#include "channel_fixture.h"
#include "children.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

TEST_F(channel, close_with_jobs_queued)
{
	struct channel other;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
		ASSERT_TRUE(queue_some(&other, other.info.queue_depth));
		channel_close(&other);
	}
	expect_works(_metadata, &self->c);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, closed_jobs_write_nothing_later)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
	ASSERT_TRUE(queue_some(&other, other.info.queue_depth));
	close(other.fd);
	/*
	 * The jobs have written to their memory by now, or never will. It is the memory that
	 * this file has mapped.
	 */
	make_pattern(&other, SEED + 1);
	sleep_ms(50);
	EXPECT_EQ(-1, pattern_lost(&other, SEED + 1));
	other.fd = -1;
	channel_close(&other);
}

TEST_F(channel, exit_with_jobs_queued)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct channel own;

			if (channel_open(&own, variant->function, variant->number, 0))
				_exit(1);
			_exit(!queue_some(&own, own.info.queue_depth));
		}
		expect_child_ends(_metadata, pid);
	}
	expect_works(_metadata, &self->c);
}

/* Reports on the pipe, then sleeps in the call that @which selects. */
static void sleep_in_call(int which, int report, const char *function, int number)
{
	struct channel own;

	if (channel_open(&own, function, number, 0))
		_exit(1);
	if (which == 0) {
		write(report, "r", 1);
		read_records(&own, &record, 1);
	} else if (which == 1) {
		write(report, "p", 1);
		poll_events(&own, POLLIN, -1);
	} else if (queue_some(&own, own.info.queue_depth)) {
		write(report, "s", 1);
		queue_one(&own, 0);
	}
	_exit(2);	/* unless it was killed */
}

TEST_F(channel, SIGKILL_ends_sleeping_calls)
{
	for (int which = 0; which < 3; which++) {
		int status, report[2];
		char byte;
		_Atomic pid_t pid;

		ASSERT_EQ(0, pipe(report));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			sleep_in_call(which, report[1], variant->function, variant->number);
		close(report[1]);
		ASSERT_EQ(1, read(report[0], &byte, 1));
		EXPECT_TRUE(wait_until_asleep(&pid));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("call %d: status %#x", which, status);
		close(report[0]);
	}
	expect_works(_metadata, &self->c);
}

TEST_F(channel, SIGKILL_at_any_moment_leaves_a_working_channel)
{
	uint64_t state = SEED;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct channel own;

			if (channel_open(&own, variant->function, variant->number, 0))
				_exit(1);
			for (;;) {
				queue_one(&own, 0);
				read_records(&own, &record, 1);
			}
		}
		usleep(random_below(&state, 10000));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		expect_child_killed(_metadata, pid, SIGKILL);
	}
	expect_works(_metadata, &self->c);
}

TEST_F(channel, duplicate_keeps_the_queue_when_the_first_is_closed)
{
	int fd = dup(self->c.fd);

	ASSERT_LE(0, fd);
	ASSERT_TRUE(queue_some(&self->c, 3));
	close(self->c.fd);
	self->c.fd = fd;
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
	}
}

TEST_F(channel, many_opens_at_once)
{
	struct channel many[32];

	for (int i = 0; i < ARRAY_SIZE(many); i++) {
		ASSERT_EQ(0, channel_open(&many[i], variant->function, variant->number, 0));
		EXPECT_EQ(1, queue_one(&many[i], i));
	}
	for (int i = 0; i < ARRAY_SIZE(many); i++) {
		ASSERT_EQ(1, read_records(&many[i], &record, 1));
		EXPECT_EQ(i, record.user_data);
		channel_close(&many[i]);
	}
}

TEST_HARNESS_MAIN
