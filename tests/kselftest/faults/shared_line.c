// SPDX-License-Identifier: GPL-2.0
/*
 * Two devices on one interrupt line: a channel of the in-kernel test module, which raises the
 * line, and a channel whose own interrupts are lost, which only hears it. Run by
 * shared_line.sh, which names the second channel in FERRODMA_LOST.
 */
#include <sys/wait.h>

#include "bind.h"
#include "channel_checks.h"
#include "interrupts.h"
#include "lost.h"

/* Numbers of source segments of a job that pauses, and of a job that raises the line many times. */
enum { HALTS = 2, FLOODS = 7 };

/* Jobs of the listener at most that end without an interrupt of the raiser's next job. */
#define LATE	5

/* A time limit that no job reaches, however busy the machine is. */
#define LONG_NS		(300 * NSEC_PER_SEC)

static struct ferrodma_completion record;

FIXTURE(shared) {
	struct channel raiser, listener;
	struct bound_device raising, listening;
	int irq;
};

/* Returns how many devices share the line of an interrupt. */
static int count_devices(int irq)
{
	char line[1024];
	FILE *f = fopen("/proc/interrupts", "re");
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (atoi(line) == irq)
			for (char *at = line; (at = strstr(at, "ferrodma")); at++)
				n++;
	if (f)
		fclose(f);
	return n;
}

FIXTURE_SETUP(shared)
{
	char function[16];
	int number;

	ASSERT_TRUE(lost_channel(function, &number));
	ASSERT_EQ(0, bound_device_find(&self->listening, function, number));
	ASSERT_EQ(0, bound_device_find(&self->raising, "test", 0));
	ASSERT_EQ(0, channel_open(&self->listener, function, number, 0));
	ASSERT_EQ(0, channel_open(&self->raiser, "test", 0, 0));
	make_pattern(&self->raiser, SEED);
	make_pattern(&self->listener, SEED);
	self->irq = interrupt_of(&self->raiser);
	ASSERT_LT(0, self->irq);
	ASSERT_LE(2, count_devices(self->irq));
}

/* Binds both devices anew. */
FIXTURE_TEARDOWN_PARENT(shared)
{
	if (!self->irq)
		return;
	device_unbind(&self->listening);
	EXPECT_EQ(0, device_bind(&self->listening));
	device_unbind(&self->raising);
	EXPECT_EQ(0, device_bind(&self->raising));
}

/* Queues a copy of @segments pieces that cannot be joined; returns its cookie, or 0. */
static uint64_t queue_pieces(const struct channel *c, int segments)
{
	struct job j;
	size_t len = 64;

	job_init(&j);
	for (int i = 0; i < segments; i++)
		job_add(c, j.src, &j.submit.nr_src, 2 * i * len, len);
	job_add(c, j.dst, &j.submit.nr_dst, c->size / 2, segments * len);
	j.submit.timeout_ns = LONG_NS;
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/* Fails the test unless the job succeeds and has moved its bytes. */
static void expect_moved(struct __test_metadata *_metadata, const struct channel *c,
			 uint64_t cookie, int segments)
{
	size_t len = 64;

	ASSERT_EQ(0, take_within(c, cookie, LONG_NS, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(segments * len, record.bytes);
	for (int i = 0; i < segments; i++)
		EXPECT_EQ(0, memcmp(c->mem + c->size / 2 + i * len, c->mem + 2 * i * len, len));
}

/*
 * Runs a job on each channel: the job of the listener ends with the interrupt of the other.
 *
 * An interrupt of a storm that is over may still be on its way on another CPU. It ends the job of
 * the listener early, which then runs another one.
 */
static void expect_both_work(struct __test_metadata *_metadata, FIXTURE_DATA(shared) *self)
{
	uint64_t heard, raised;
	int tries = 0;

	make_pattern(&self->raiser, SEED + 2);
	make_pattern(&self->listener, SEED + 3);
	for (;;) {
		heard = queue_pieces(&self->listener, 1);
		ASSERT_NE(0, heard);
		sleep_ms(50);
		if (!has_record(&self->listener))
			break;
		ASSERT_GT(LATE, ++tries);
		expect_moved(_metadata, &self->listener, heard, 1);
	}
	raised = queue_pieces(&self->raiser, 1);
	ASSERT_NE(0, raised);
	expect_moved(_metadata, &self->raiser, raised, 1);
	expect_moved(_metadata, &self->listener, heard, 1);
}

TEST_F(shared, each_device_takes_its_own_from_one_interrupt)
{
	for (int i = 0; i < 5; i++)
		expect_both_work(_metadata, self);
}

/*
 * Returns how many interrupts of a line no driver has claimed in its last series, and when the
 * last one was.
 */
static int unwanted(int irq, unsigned long *last)
{
	char path[64];
	int n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/irq/%d/spurious", irq);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "count %*u unhandled %d last_unhandled %lu ms", &n, last) != 2)
		n = -1;
	fclose(f);
	return n;
}

TEST_F(shared, interrupts_of_another_device_are_not_claimed)
{
	unsigned long before, after;
	uint64_t cookie;

	ASSERT_LE(0, unwanted(self->irq, &before));
	cookie = queue_pieces(&self->raiser, FLOODS);
	ASSERT_NE(0, cookie);
	expect_moved(_metadata, &self->raiser, cookie, FLOODS);
	/* If an interrupt was late, the kernel starts counting again. */
	EXPECT_LE(100, unwanted(self->irq, &after));
	EXPECT_NE(before, after);
}

TEST_F(shared, storm_on_the_line_leaves_all_jobs_right)
{
	uint64_t heard[4], raised;

	for (int i = 0; i < ARRAY_SIZE(heard); i++) {
		heard[i] = queue_pieces(&self->listener, i + 1);
		ASSERT_NE(0, heard[i]);
	}
	raised = queue_pieces(&self->raiser, FLOODS);
	ASSERT_NE(0, raised);
	expect_moved(_metadata, &self->raiser, raised, FLOODS);
	expect_moved(_metadata, &self->listener, heard[3], 4);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, read_records(&self->listener, &record, 1));
		EXPECT_EQ(heard[i], record.cookie);
		EXPECT_EQ(0, record.status);
	}
	expect_both_work(_metadata, self);
}

TEST_F(shared, storm_that_a_cancel_ends_leaves_both_working)
{
	uint64_t raised = queue_pieces(&self->raiser, FLOODS);

	ASSERT_NE(0, raised);
	/* The job may have ended already. */
	job_cancel(&self->raiser, raised);
	ASSERT_EQ(0, take_within(&self->raiser, raised, LONG_NS, &record));
	EXPECT_TRUE(!record.status || record.status == -ECANCELED);
	expect_both_work(_metadata, self);
}

TEST_F(shared, line_stays_with_one_device_when_the_other_is_unbound)
{
	uint64_t raised;

	ASSERT_EQ(0, device_unbind(&self->listening));
	raised = queue_pieces(&self->raiser, FLOODS);
	ASSERT_NE(0, raised);
	expect_moved(_metadata, &self->raiser, raised, FLOODS);
	ASSERT_EQ(0, device_bind(&self->listening));
}

/* Only on a line that two channels of the test module can raise. */
TEST_F(shared, paused_job_is_not_ended_by_a_neighbour_s_interrupts)
{
	struct channel other;
	uint64_t paused, moved;

	ASSERT_EQ(0, channel_open(&other, "sgtest", 0, 0));
	if (interrupt_of(&other) != self->irq)
		SKIP(return, "no other channel raises this line");
	paused = queue_pieces(&self->raiser, HALTS);
	ASSERT_NE(0, paused);
	make_pattern(&other, SEED);
	for (int i = 0; i < 20; i++) {
		moved = queue_pieces(&other, 1);
		ASSERT_NE(0, moved);
		expect_moved(_metadata, &other, moved, 1);
	}
	EXPECT_FALSE(has_record(&self->raiser));
	ASSERT_EQ(0, job_cancel(&self->raiser, paused));
	ASSERT_EQ(0, take(&self->raiser, paused, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(64, record.bytes);
	channel_close(&other);
}

TEST_HARNESS_MAIN
