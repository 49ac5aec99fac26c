// SPDX-License-Identifier: GPL-2.0
/*
 * Lost interrupts: time limits, and the state of the channel, its memory and the other channels
 * afterwards. Run by lost_irq.sh, which finds the channel.
 */
#include "debugfs.h"
#include "lost_fixture.h"
#include "registers.h"

static struct ferrodma_completion record;

TEST_F(lost, job_ends_when_its_time_limit_has_passed)
{
	uint64_t start = now_ns(), took;

	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	self->job.submit.timeout_ns = SHORT_NS;
	self->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	took = now_ns() - start;
	record = self->job.submit.completion;
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_EQ(self->job.submit.cookie, record.cookie);
	EXPECT_GE(64, record.bytes);
	EXPECT_LE(SHORT_NS, took);
	EXPECT_GT(SHORT_NS + SLACK_NS, took);
	EXPECT_LE(SHORT_NS, record.complete_ns - record.submit_ns);
	EXPECT_LE(start, record.submit_ns);
	EXPECT_GE(now_ns(), record.complete_ns);
}

TEST_F(lost, default_time_limit_is_the_device_tree_s)
{
	char path[256];
	uint8_t cell[4];
	uint64_t limit = NSEC_PER_SEC, took;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/of_node/ferrodma,timeout-ms",
		 self->device.device);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ASSERT_EQ(4, read(fd, cell, 4));
		limit = (cell[0] << 24 | cell[1] << 16 | cell[2] << 8 | cell[3]) *
			NSEC_PER_MSEC;
		close(fd);
	}
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
	took = self->job.submit.completion.complete_ns - self->job.submit.completion.submit_ns;
	EXPECT_LE(limit, took);
	EXPECT_GT(limit + SLACK_NS, took);
}

/* The limit grows by 100 ms for each MiB. */
TEST_F(lost, default_time_limit_grows_with_the_bytes)
{
	size_t len = 4 << 20;
	uint8_t *mem;

	if (self->c.info.function != FERRODMA_FUNCTION_SG)
		SKIP(return, "the channel has no room for a long job");
	mem = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(mem != MAP_FAILED);
	job_init(&self->job);
	self->job.submit.nr_src = 1;
	self->job.submit.nr_dst = 1;
	self->job.src[0] = (struct ferrodma_seg){ (uintptr_t)mem, len };
	self->job.dst[0] = (struct ferrodma_seg){ (uintptr_t)mem + len, len };
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
	EXPECT_LE((250 + (len >> 20) * 100) * NSEC_PER_MSEC,
		  self->job.submit.completion.complete_ns -
		  self->job.submit.completion.submit_ns);
}

/* Tries until one takes less than a tick; the machine may be busy. */
#define MANY_TRIES	50

/* Returns the length of a tick, by which this clock advances. */
static uint64_t tick_ns(void)
{
	struct timespec ts;

	return clock_getres(CLOCK_MONOTONIC_COARSE, &ts) ? 0 : ts.tv_nsec;
}

TEST_F(lost, time_limit_of_a_job_is_kept_by_the_clock)
{
	uint64_t took, shortest = UINT64_MAX;

	for (int i = 0; i < MANY_TRIES && shortest >= tick_ns(); i++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
		self->job.submit.timeout_ns = NSEC_PER_MSEC / 10;
		ASSERT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
		took = self->job.submit.completion.complete_ns -
		       self->job.submit.completion.submit_ns;
		EXPECT_LE(NSEC_PER_MSEC / 10, took);
		shortest = took < shortest ? took : shortest;
	}
	EXPECT_GT(tick_ns(), shortest);
}

TEST_F(lost, time_limit_of_a_wait_is_kept_by_the_clock)
{
	/* Longer than it takes to go to sleep: otherwise no timer is needed. */
	uint64_t limit = tick_ns() / 2, begin, took, shortest = UINT64_MAX;

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	for (int i = 0; i < MANY_TRIES && shortest >= tick_ns(); i++) {
		begin = now_ns();
		ASSERT_EQ(-ETIMEDOUT, take_within(&self->c, 1, limit, NULL));
		took = now_ns() - begin;
		EXPECT_LE(limit, took);
		shortest = took < shortest ? took : shortest;
	}
	EXPECT_GT(tick_ns(), shortest);
	EXPECT_EQ(0, job_cancel(&self->c, 1));
}

TEST_F(lost, timed_out_job_writes_nowhere_else_and_nothing_later)
{
	size_t to = self->c.size / 2;

	job_copy(&self->job, &self->c, 0, to, 64);
	self->job.submit.timeout_ns = SHORT_NS;
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
	/* The destination may hold old and new bytes; its neighbours must not change. */
	for (size_t i = 0; i < 64; i++)
		self->c.mem[to + i] = (uint8_t)(pattern_word(SEED, (to + i) / 8) >> i % 8 * 8);
	expect_untouched(_metadata, &self->c);
	make_pattern(&self->c, SEED + 1);
	sleep_ms(100);
	EXPECT_EQ(-1, pattern_lost(&self->c, SEED + 1));
}

TEST_F(lost, channel_goes_on_or_says_that_it_is_dead)
{
	for (int i = 0; i < 3; i++)
		expect_goes_on(_metadata, &self->c);
}

TEST_F(lost, queued_jobs_have_their_time_limit_one_after_another)
{
	uint64_t last = 0;

	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(i, queue_job(&self->c, SHORT_NS));
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		if (i > 1)
			RETURN_IF_DEAD();
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-ETIMEDOUT, record.status);
		if (last)
			EXPECT_LE(SHORT_NS, record.complete_ns - last);
		last = record.complete_ns;
	}
}

TEST_F(lost, registers_that_were_lost_are_written_again_when_a_job_is_stopped)
{
	volatile uint8_t *block = registers_map(&self->c, self->device.device);
	struct registers right;

	if (!block)
		SKIP(return, "the channel is no ZDMA, or there is no /dev/mem");
	right = registers_read(block);
	LOSE_REGISTERS(right, block);
	expect_goes_on(_metadata, &self->c);
	EXPECT_REGISTERS(right, block);
	LOSE_REGISTERS(right, block);
	ASSERT_EQ(2, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(0, job_cancel(&self->c, 2));
	EXPECT_REGISTERS(right, block);
}

TEST_F(lost, wait_gives_up_before_the_job_does)
{
	uint64_t start = now_ns();

	ASSERT_EQ(1, queue_job(&self->c, 10 * SHORT_NS));
	EXPECT_EQ(-ETIMEDOUT, take_within(&self->c, 1, SHORT_NS, &record));
	EXPECT_LE(SHORT_NS, now_ns() - start);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_LE(10 * SHORT_NS, record.complete_ns - record.submit_ns);
}

TEST_F(lost, nonblocking_calls_do_not_wait_for_a_running_job)
{
	ASSERT_EQ(0, set_nonblock(&self->c));
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	EXPECT_EQ(-EAGAIN, take_within(&self->c, 1, 0, NULL));
	EXPECT_EQ(-EAGAIN, take_within(&self->c, 1, LONG_NS, NULL));
	EXPECT_EQ(-EAGAIN, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, job_cancel(&self->c, 1));
}

TEST_F(lost, other_channels_work_while_this_one_hangs)
{
	struct channel other;
	int n = 0;

	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	for (int number = 0; number < 8; number++) {
		if (number == self->number ||
		    channel_open(&other, self->function, number, 0))
			continue;
		for (int i = 0; i < 10; i++)
			expect_works(_metadata, &other);
		channel_close(&other);
		n++;
	}
	EXPECT_LE(1, n) TH_LOG("there is no other channel");
	EXPECT_EQ(0, job_cancel(&self->c, 1));
}

TEST_F(lost, timeouts_and_cancels_are_counted_and_no_bytes)
{
	struct counters c;

	ASSERT_TRUE(read_counters(&c, self->function, self->number));
	ASSERT_EQ(1, queue_job(&self->c, LONG_NS));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_COUNTED(&c, self->function, self->number, .jobs = 1, .cancelled = 1);
	ASSERT_EQ(2, queue_job(&self->c, SHORT_NS));
	ASSERT_EQ(0, take(&self->c, 2, NULL));
	EXPECT_COUNTED(&c, self->function, self->number, .jobs = 1, .timeouts = 1);
}

/* The limits are longer than 2^32 ns. */
TEST_F(lost, time_limits_of_more_than_four_seconds_are_kept)
{
	const uint64_t of_wait = 4400 * NSEC_PER_MSEC, of_job = 4700 * NSEC_PER_MSEC;
	uint64_t begin = now_ns();

	if (strcmp(self->function, "coherent"))
		SKIP(return, "one function is enough to see this");
	ASSERT_EQ(1, queue_job(&self->c, of_job));
	EXPECT_EQ(-ETIMEDOUT, take_within(&self->c, 1, of_wait, NULL));
	EXPECT_LE(of_wait, now_ns() - begin);
	ASSERT_EQ(0, take_within(&self->c, 1, 0, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_LE(of_job, record.complete_ns - record.submit_ns);
	EXPECT_GT(of_job + SLACK_NS, record.complete_ns - record.submit_ns);
}

TEST_HARNESS_MAIN
