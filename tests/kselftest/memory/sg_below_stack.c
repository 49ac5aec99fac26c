// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs of an sg channel whose memory is a hole right below an area that grows downwards, as a
 * stack does. The jobs are EFAULT, the area does not grow, and the kernel logs nothing,
 * whatever other tasks do to the mappings meanwhile.
 *
 * The kernel prints its trace at most once an hour, so that only the first test that provokes
 * it can see it.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "channel_checks.h"
#include "children.h"
#include "log.h"
#include "sg_checks.h"

/*
 * Distance from the area, in pages, up to which the kernel prints a trace; and pages of the
 * area.
 */
#define NEAR	16
#define AREA	4

FIXTURE(below) {
	struct channel c;
	struct job job;
	/* The lowest page of the area; NEAR pages below it are a hole. */
	uint8_t *area;
	/* Other memory. */
	uint8_t *other;
	/* Two readers of the log, opened before the test. */
	int gup, trace;
	long held;
};

FIXTURE_SETUP(below)
{
	size_t page = page_size();
	uint8_t *room;

	self->held = pins_held();
	ASSERT_EQ(0, channel_open(&self->c, "sg", 0, 0));
	make_pattern(&self->c, SEED);
	self->gup = log_open();
	self->trace = log_open();
	ASSERT_TRUE(self->gup >= 0 && self->trace >= 0);
	self->other = new_pages(2);
	/* Reserve the hole, so that no other mapping gets there. */
	room = map_pages(1 + NEAR + AREA + 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_TRUE(room && self->other);
	self->area = room + (1 + NEAR) * page;
	ASSERT_EQ(self->area, mmap(self->area, AREA * page, RW,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	memset(self->area, 0x77, AREA * page);
	ASSERT_EQ(0, munmap(room + page, NEAR * page));
}

FIXTURE_TEARDOWN(below)
{
	channel_close(&self->c);
	close(self->gup);
	close(self->trace);
}

static bool is_mapped(const uint8_t *p)
{
	unsigned char there;

	return !mincore((void *)p, 1, &there);
}

/* Fails the test unless the kernel has logged nothing and the area has not grown. */
static void expect_silence(struct __test_metadata *_metadata, FIXTURE_DATA(below) *self)
{
	EXPECT_EQ(0, log_count(self->gup, "GUP", "stack"));
	EXPECT_EQ(0, log_count(self->trace, "Call", "trace"));
	EXPECT_EQ(-1, value_differs(self->area, AREA * page_size(), 0x77));
	expect_unpinned(_metadata, self->held);
}

/* Fails the test unless a job from and to @len bytes at @p is EFAULT. */
static void expect_fault(struct __test_metadata *_metadata, FIXTURE_DATA(below) *self,
			 uint8_t *p, size_t len)
{
	job_move(&self->job, p, self->other, len);
	expect_refused(_metadata, &self->c, &self->job, -EFAULT);
	job_move(&self->job, self->other, p, len);
	expect_refused(_metadata, &self->c, &self->job, -EFAULT);
	EXPECT_FALSE(is_mapped(self->area - page_size()));
	expect_silence(_metadata, self);
}

TEST_F(below, hole_below_the_area_is_EFAULT)
{
	expect_fault(_metadata, self, self->area - page_size(), page_size());
}

TEST_F(below, hole_and_area_are_EFAULT)
{
	expect_fault(_metadata, self, self->area - page_size(), 2 * page_size());
}

TEST_F(below, hole_at_some_distance_is_EFAULT)
{
	expect_fault(_metadata, self, self->area - NEAR * page_size(), 64);
}

TEST_F(below, hole_behind_a_page_is_EFAULT)
{
	size_t page = page_size();
	uint8_t *p = self->area - 2 * page;

	ASSERT_EQ(p, mmap(p, page, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	expect_fault(_metadata, self, p, 2 * page);
}

TEST_F(below, area_itself_is_usable)
{
	job_move(&self->job, self->other, self->area, 2 * page_size());
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(self->other, 2 * page_size(), 0x77));
	expect_silence(_metadata, self);
}

/* Tasks that change the mappings */

/* Pages that these tasks change, and segments of a job in them. */
#define CHANGED	8
#define SEGS	128

struct changer {
	uint8_t *pages;
	atomic_bool stop;
	atomic_uint rounds;
	bool failed;
};

/* Maps and unmaps the pages below the area, until it is stopped. */
static int change(void *arg)
{
	struct changer *s = arg;
	size_t len = CHANGED * page_size();

	while (!s->stop && !s->failed) {
		s->failed = mmap(s->pages, len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				 -1, 0) != s->pages || munmap(s->pages, len);
		s->rounds++;
	}
	return s->failed;
}

static void *change_in_thread(void *arg)
{
	change(arg);
	return NULL;
}

/* Makes a job of many segments, so that the mappings change between one segment and the next. */
static void make_job(FIXTURE_DATA(below) *self, const struct changer *s, bool reads)
{
	size_t u = unit(&self->c);

	job_init(&self->job);
	for (int i = 0; i < SEGS; i++) {
		uint8_t *p = s->pages + i % CHANGED * page_size() + i / CHANGED * 64;

		if (reads)
			job_from(&self->job, p, u);
		else
			job_to(&self->job, p, u);
	}
	if (reads)
		job_to(&self->job, self->other, SEGS * u);
	else
		job_from(&self->job, self->other, SEGS * u);
}

/* Runs jobs until enough have run, of which some have succeeded and some failed. */
static void expect_weathers(struct __test_metadata *_metadata, FIXTURE_DATA(below) *self,
			    struct changer *s)
{
	int good = 0, bad = 0;

	for (int i = 0; i < effort(1000) || (i < 300000 && (!good || !bad)); i++) {
		int ret;

		make_job(self, s, i % 2);
		ret = job_run(&self->c, &self->job);
		ASSERT_TRUE(!ret || ret == -EFAULT) TH_LOG("job %d: %s", i, strerror(-ret));
		good += !ret;
		bad += !!ret;
	}
	EXPECT_LT(0, good);
	EXPECT_LT(0, bad);
	s->stop = true;
}

TEST_F_TIMEOUT(below, pages_that_a_thread_maps_and_unmaps_leave_no_trace, 120)
{
	struct changer s = { .pages = self->area - CHANGED * page_size() };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, change_in_thread, &s));
	expect_weathers(_metadata, self, &s);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_FALSE(s.failed);
	EXPECT_LT(0, s.rounds);
	expect_silence(_metadata, self);
}

TEST_F_TIMEOUT(below, pages_that_a_process_maps_and_unmaps_leave_no_trace, 120)
{
	static uint8_t stack[64 << 10] __attribute__((aligned(16)));
	struct changer s = { .pages = self->area - CHANGED * page_size() };
	/* Start a task that shares the memory but is no thread. */
	pid_t pid = clone(change, stack + sizeof(stack), CLONE_VM | SIGCHLD, &s);

	ASSERT_LT(0, pid);
	expect_weathers(_metadata, self, &s);
	expect_child_ends(_metadata, pid);
	expect_silence(_metadata, self);
}

TEST_HARNESS_MAIN
