// SPDX-License-Identifier: GPL-2.0
/*
 * Hardware that goes wrong: it pauses in the middle of a job, meets a bus error, or does not
 * stop. On the channels of the in-kernel test module, where the number of source segments
 * selects what happens. Run by faulty.sh and faulty_pool.sh.
 */
#include <pthread.h>

#include "bind.h"
#include "channel_checks.h"
#include "children.h"
#include "debugfs.h"
#include "interrupts.h"
#include "log.h"
#include "pins.h"
#include "suspend.h"

enum { WORKS = 1, HALTS = 2, FAULTS = 3, STICKS = 4 };

#define SHORT_NS	(patience(50) * NSEC_PER_MSEC)
/*
 * A time limit that does not pass before the test has done something else, even on a busy
 * machine.
 */
#define SOME_NS		(2 * NSEC_PER_SEC)
#define LONG_NS		(20 * NSEC_PER_SEC)

static struct ferrodma_completion record;

FIXTURE(faulty) {
	struct channel c;
	struct bound_device device;
};

FIXTURE_VARIANT(faulty) {
	const char *function;
};

FIXTURE_VARIANT_ADD(faulty, test) {
	.function = "test",
};

FIXTURE_VARIANT_ADD(faulty, sgtest) {
	.function = "sgtest",
};

/* The hardware of sgtest, bound to another driver. */
FIXTURE_VARIANT_ADD(faulty, pooltest) {
	.function = "pooltest",
};

FIXTURE_SETUP(faulty)
{
	int ret = bound_device_find(&self->device, variant->function, 0);

	if (ret == -ENOENT)
		SKIP(return, "this machine has no such channel");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, 0, 0));
	make_pattern(&self->c, SEED);
}

/* Revives the channel if the test has killed or unbound it. */
FIXTURE_TEARDOWN_PARENT(faulty)
{
	if (!self->device.driver[0])
		return;
	device_unbind(&self->device);
	EXPECT_EQ(0, device_bind(&self->device));
}

/*
 * Returns the length of each source segment. The segments are twice that apart, so that no two
 * of them can be joined, neither in a buffer nor in a program's memory, and all fit the one
 * segment of the destination.
 */
static size_t part(const struct channel *c)
{
	return c->info.block_size ? c->info.block_size / STICKS : 512;
}

/* Offset of the destination, in parts. */
#define TO	16

/* Makes a copy of @segments parts to one place. */
static void job_parts(struct job *j, const struct channel *c, int segments, uint64_t limit_ns)
{
	size_t len = part(c);

	job_init(j);
	for (int i = 0; i < segments; i++)
		job_add(c, j->src, &j->submit.nr_src, 2 * i * len, len);
	job_add(c, j->dst, &j->submit.nr_dst, TO * len, segments * len);
	j->submit.timeout_ns = limit_ns;
}

/* Queues such a copy; returns its cookie, or 0. */
static uint64_t queue_parts(const struct channel *c, int segments, uint64_t limit_ns)
{
	struct job j;

	job_parts(&j, c, segments, limit_ns);
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/*
 * Queues a job that the hardware does not let go of. Its memory is never given back: of a
 * program's memory, one page for each segment.
 */
static uint64_t queue_stuck(const struct channel *c, uint64_t limit_ns)
{
	uint64_t cookie = queue_parts(c, STICKS, limit_ns);

	if (cookie && c->info.function == FERRODMA_FUNCTION_SG &&
	    !pins_given_up(STICKS + 1))
		return 0;
	return cookie;
}

static uint32_t info_flags(const struct channel *c)
{
	struct ferrodma_info info;

	return channel_info(c->fd, &info) ? 0 : info.flags;
}

TEST_F(faulty, paused_job_times_out_with_the_bytes_that_it_moved)
{
	size_t len = part(&self->c);
	uint8_t *to = self->c.mem + TO * len;
	struct job j;

	job_parts(&j, &self->c, HALTS, SHORT_NS);
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &j));
	EXPECT_EQ(len, j.submit.completion.bytes);
	EXPECT_LE(SHORT_NS, j.submit.completion.complete_ns - j.submit.completion.submit_ns);
	/* A message of a pool arrives as a whole or not at all. */
	EXPECT_EQ(self->c.info.function != FERRODMA_FUNCTION_POOL,
		  area_differs(self->c.mem, to, len) == -1);
	EXPECT_NE(-1, area_differs(self->c.mem + 2 * len, to + len, len));
	EXPECT_EQ(0, info_flags(&self->c) & FERRODMA_INFO_DEAD);
}

TEST_F(faulty, paused_job_writes_nothing_after_its_time_limit)
{
	struct job j;

	job_parts(&j, &self->c, HALTS, SHORT_NS);
	ASSERT_EQ(-ETIMEDOUT, job_run(&self->c, &j));
	make_pattern(&self->c, SEED + 1);
	sleep_ms(100);
	EXPECT_EQ(-1, pattern_lost(&self->c, SEED + 1));
	expect_works(_metadata, &self->c);
}

TEST_F(faulty, jobs_behind_a_paused_one_run_after_its_time_limit)
{
	ASSERT_EQ(1, queue_parts(&self->c, HALTS, SHORT_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(3, queue_parts(&self->c, HALTS, SHORT_NS));
	ASSERT_EQ(4, queue_parts(&self->c, WORKS, 0));
	for (uint64_t i = 1; i <= 4; i++) {
		ASSERT_TRUE(wait_record(&self->c));
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(i % 2 ? -ETIMEDOUT : 0, record.status);
	}
}

TEST_F(faulty, time_limit_starts_when_hardware_starts_the_job)
{
	uint64_t first;

	ASSERT_EQ(1, queue_parts(&self->c, HALTS, 200 * NSEC_PER_MSEC));
	ASSERT_EQ(2, queue_parts(&self->c, HALTS, 150 * NSEC_PER_MSEC));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	first = record.complete_ns;
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_LE(150 * NSEC_PER_MSEC, record.complete_ns - first);
}

TEST_F(faulty, short_limit_behind_a_long_one_is_kept)
{
	uint64_t start = now_ns();

	/* The job ends in time, but the watchdog is set to its limit. */
	ASSERT_EQ(1, queue_parts(&self->c, WORKS, LONG_NS));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	ASSERT_EQ(2, queue_parts(&self->c, HALTS, SHORT_NS));
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
	EXPECT_GT(LONG_NS, now_ns() - start);
}

TEST_F(faulty, limit_of_the_device_tree_holds_where_the_job_has_none)
{
	struct job j;

	job_parts(&j, &self->c, HALTS, 0);
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &j));
	/* ferrodma,timeout-ms is 250 in the device tree. */
	EXPECT_LE(250 * NSEC_PER_MSEC,
		  j.submit.completion.complete_ns - j.submit.completion.submit_ns);
}

TEST_F(faulty, cancel_stops_a_paused_job)
{
	ASSERT_EQ(1, queue_parts(&self->c, HALTS, LONG_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(part(&self->c), record.bytes);
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(0, record.status);
}

TEST_F(faulty, close_stops_a_paused_job)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, 0, 0));
	ASSERT_EQ(1, queue_parts(&other, HALTS, LONG_NS));
	ASSERT_EQ(1, queue_parts(&self->c, WORKS, 0));
	EXPECT_FALSE(has_record(&self->c));
	close(other.fd);
	other.fd = -1;
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	channel_close(&other);
}

TEST_F(faulty, SIGKILL_stops_the_paused_job_of_a_waiting_submit)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct channel own;
		struct job j;

		if (channel_open(&own, variant->function, 0, 0))
			_exit(1);
		job_parts(&j, &own, HALTS, LONG_NS);
		_exit(job_run(&own, &j) ? 2 : 3);
	}
	sleep_ms(100);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_child_killed(_metadata, pid, SIGKILL);
	expect_works(_metadata, &self->c);
}

TEST_F(faulty, unbind_ends_a_paused_job_with_ENODEV)
{
	ASSERT_EQ(1, queue_parts(&self->c, HALTS, LONG_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(0, device_unbind(&self->device));
	for (uint64_t i = 1; i <= 2; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-ENODEV, record.status);
	}
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
	ASSERT_EQ(0, device_bind(&self->device));
	channel_close(&self->c);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, 0, 0));
	expect_works(_metadata, &self->c);
}

TEST_F(faulty, bus_error_is_EIO_and_the_next_job_runs)
{
	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	ASSERT_EQ(1, queue_parts(&self->c, FAULTS, LONG_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_GT(FAULTS * part(&self->c), record.bytes);
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(0, info_flags(&self->c) & FERRODMA_INFO_DEAD);
}

/* A line that stays raised interrupts until the engine is stopped. */
TEST_F(faulty, bus_error_interrupts_a_few_times_at_most)
{
	static unsigned long before[MOST_IRQS], after[MOST_IRQS];
	struct job j;

	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	count_interrupts(before);
	job_parts(&j, &self->c, FAULTS, LONG_NS);
	ASSERT_EQ(-EIO, job_run(&self->c, &j));
	count_interrupts(after);
	for (int irq = 0; irq < MOST_IRQS; irq++)
		EXPECT_GE(4, after[irq] - before[irq]);
}

TEST_F(faulty, engine_that_does_not_stop_leaves_the_channel_dead)
{
	struct channel other;
	struct job j;

	ASSERT_EQ(1, queue_stuck(&self->c, SOME_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-EIO, record.status);
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_EQ(FERRODMA_INFO_DEAD, info_flags(&self->c) & FERRODMA_INFO_DEAD);
	job_parts(&j, &self->c, WORKS, 0);
	EXPECT_EQ(-EIO, job_submit(&self->c, &j));
	ASSERT_EQ(0, channel_open(&other, variant->function, 0, 0));
	EXPECT_EQ(FERRODMA_INFO_DEAD, other.info.flags & FERRODMA_INFO_DEAD);
	channel_close(&other);
	EXPECT_EQ(POLLERR, poll_events(&self->c, POLLIN | POLLOUT, 0));
	EXPECT_EQ(-EIO, read_records(&self->c, &record, 1));
	/* The mapping in user space stays valid. */
	EXPECT_EQ(0, touch_in_child(self->c.mem));
}

TEST_F(faulty, cancel_says_when_the_engine_does_not_stop)
{
	ASSERT_EQ(1, queue_stuck(&self->c, LONG_NS));
	EXPECT_EQ(-EIO, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_EQ(FERRODMA_INFO_DEAD, info_flags(&self->c) & FERRODMA_INFO_DEAD);
}

static void *reading(void *arg)
{
	static struct ferrodma_completion other;

	return (void *)(intptr_t)read_records(arg, &other, 1);
}

TEST_F(faulty, sleeping_calls_end_when_the_channel_dies)
{
	struct channel other;
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, channel_open(&other, variant->function, 0, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reading, &other));
	sleep_ms(50);
	ASSERT_EQ(1, queue_stuck(&self->c, SOME_NS));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-EIO, (intptr_t)result);
	channel_close(&other);
}

static void *halting(void *arg)
{
	static struct job j;

	job_parts(&j, arg, HALTS, 500 * NSEC_PER_MSEC);
	return (void *)(intptr_t)job_run(arg, &j);
}

TEST_F(faulty, wait_for_the_job_of_a_waiting_submit_is_ENOENT)
{
	pthread_t thread;
	void *status;

	ASSERT_EQ(0, pthread_create(&thread, NULL, halting, &self->c));
	sleep_ms(100);
	EXPECT_EQ(-ENOENT, take_within(&self->c, 1, 0, NULL));
	ASSERT_EQ(0, pthread_join(thread, &status));
	EXPECT_EQ(-ETIMEDOUT, (intptr_t)status);
}

TEST_F(faulty, dead_channel_lives_again_when_bound_again)
{
	ASSERT_EQ(1, queue_stuck(&self->c, SOME_NS));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	ASSERT_EQ(0, device_unbind(&self->device));
	if (self->c.info.buffer_size)
		EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem));
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
	ASSERT_EQ(0, device_bind(&self->device));
	channel_close(&self->c);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, 0, 0));
	expect_works(_metadata, &self->c);
}

TEST_F(faulty, job_that_does_not_stop_does_not_keep_the_system_from_suspend)
{
	if (!can_suspend())
		SKIP(return, "the kernel cannot suspend, or lacks CONFIG_PM_DEBUG to come back");
	ASSERT_EQ(1, queue_stuck(&self->c, LONG_NS));
	EXPECT_EQ(0, suspend_and_resume("devices", 0));
	EXPECT_EQ(FERRODMA_INFO_DEAD, info_flags(&self->c) & FERRODMA_INFO_DEAD);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-EIO, record.status);
	/* A channel that is dead already does not prevent suspend either. */
	EXPECT_EQ(0, suspend_and_resume("devices", 0));
	EXPECT_EQ(FERRODMA_INFO_DEAD, info_flags(&self->c) & FERRODMA_INFO_DEAD);
}

TEST_F(faulty, unbind_ends_a_job_that_does_not_stop)
{
	ASSERT_EQ(1, queue_stuck(&self->c, LONG_NS));
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
	ASSERT_EQ(0, device_bind(&self->device));
}

/* Each of these events logs one line */

TEST_F(faulty, time_limit_that_passes_is_one_line_of_the_log)
{
	int log = log_open();
	struct job j;

	ASSERT_LE(0, log);
	job_parts(&j, &self->c, HALTS, SHORT_NS);
	ASSERT_EQ(-ETIMEDOUT, job_run(&self->c, &j));
	EXPECT_EQ(1, log_wait(log, self->device.device, "was stopped at the time limit"));
	close(log);
}

TEST_F(faulty, bus_error_is_counted_as_an_error_and_nothing_else)
{
	struct counters c;
	struct job j;

	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	ASSERT_TRUE(read_counters(&c, variant->function, 0));
	job_parts(&j, &self->c, FAULTS, LONG_NS);
	ASSERT_EQ(-EIO, job_run(&self->c, &j));
	EXPECT_COUNTED(&c, variant->function, 0, .jobs = 1, .errors = 1);
}

TEST_F(faulty, bus_error_is_one_line_of_the_log)
{
	int log = log_open();
	struct job j;

	ASSERT_LE(0, log);
	if (!reports_bus_errors(&self->c))
		SKIP(return, "the engine does not report bus errors");
	job_parts(&j, &self->c, FAULTS, LONG_NS);
	ASSERT_EQ(-EIO, job_run(&self->c, &j));
	EXPECT_EQ(1, log_wait(log, self->device.device, "reported an error"));
	close(log);
}

TEST_F(faulty, death_of_the_channel_is_one_line_of_the_log)
{
	int log = log_open();

	ASSERT_LE(0, log);
	/* One line, however many jobs end. */
	ASSERT_EQ(1, queue_stuck(&self->c, SOME_NS));
	ASSERT_EQ(2, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(3, queue_parts(&self->c, WORKS, 0));
	ASSERT_EQ(0, take(&self->c, 3, &record));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_EQ(1, log_wait(log, self->device.device, "ferrodma"));
	close(log);
}

TEST_F(faulty, job_that_is_taken_back_is_not_in_the_log)
{
	int log = log_open();

	ASSERT_LE(0, log);
	ASSERT_EQ(1, queue_parts(&self->c, HALTS, LONG_NS));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	sleep_ms(patience(50));
	EXPECT_EQ(0, log_count(log, self->device.device, "ferrodma"));
	close(log);
}

TEST_F(faulty, many_time_limits_do_not_flood_the_log)
{
	int log = log_open(), lines;
	uint64_t begin = now_ns();
	struct job j;

	ASSERT_LE(0, log);
	for (int i = 0; i < 25; i++) {
		job_parts(&j, &self->c, HALTS, NSEC_PER_MSEC);
		ASSERT_EQ(-ETIMEDOUT, job_run(&self->c, &j));
	}
	lines = log_wait(log, self->device.device, "was stopped at the time limit");
	EXPECT_LE(1, lines);
	/*
	 * The limit is ten lines in five seconds. Some may be for events before this test, and
	 * a new period may begin meanwhile.
	 */
	if (now_ns() - begin < 5 * NSEC_PER_SEC)
		EXPECT_GE(20, lines);
	close(log);
}

TEST_F(faulty, engine_that_does_not_reach_the_memory_is_not_bound)
{
	struct bound_device narrow = self->device;
	int log = log_open();

	ASSERT_LE(0, log);
	strncat(narrow.driver, "_narrow", sizeof(narrow.driver) - strlen(narrow.driver) - 1);
	if (access(narrow.driver, F_OK))
		SKIP(return, "there is no such engine for this function");
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-EIO, device_bind(&narrow));
	EXPECT_EQ(1, log_wait(log, self->device.device, "-bit DMA mask"));
	ASSERT_EQ(0, device_bind(&self->device));
	channel_close(&self->c);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, 0, 0));
	expect_works(_metadata, &self->c);
	close(log);
}

TEST_HARNESS_MAIN
