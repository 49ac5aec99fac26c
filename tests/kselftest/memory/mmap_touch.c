// SPDX-License-Identifier: GPL-2.0
/*
 * Faults on a mapped buffer: a real-time program touches each mapping once, and has no fault
 * from then on.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);

#define RW	(PROT_READ | PROT_WRITE)

/* Returns how many faults this thread has had. */
static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Reads or rewrites a byte of each page; returns how many faults this took. */
static long touch_all(volatile uint8_t *p, size_t len, bool writes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	long before = faults();

	for (size_t at = 0; at < len; at += page) {
		uint8_t value = p[at];

		if (writes)
			p[at] = value;
	}
	return faults() - before;
}

/* Maps the whole buffer once more. */
static uint8_t *map_again(const struct channel *c, int prot)
{
	return mmap(NULL, c->size, prot, MAP_SHARED, c->fd, 0);
}

/* Runs all code that is measured, so that only data can fault later. */
static void warm_up(const struct channel *c)
{
	touch_all(c->mem, c->size, true);
	touch_all(c->mem, c->size, false);
}

TEST_F(channel, first_read_maps_the_whole_buffer)
{
	uint8_t *p = map_again(&self->c, RW);

	ASSERT_TRUE(p != MAP_FAILED);
	warm_up(&self->c);
	EXPECT_EQ(1, touch_all(p + self->c.size / 2, 1, false));
	EXPECT_EQ(0, touch_all(p, self->c.size, false));
	EXPECT_EQ(0, touch_all(p, self->c.size, true));
	EXPECT_EQ(-1, area_differs(p, self->c.mem, self->c.size));
	munmap(p, self->c.size);
}

TEST_F(channel, first_write_maps_the_whole_buffer)
{
	uint8_t *p = map_again(&self->c, RW);

	ASSERT_TRUE(p != MAP_FAILED);
	warm_up(&self->c);
	EXPECT_EQ(1, touch_all(p + self->c.size - 1, 1, true));
	EXPECT_EQ(0, touch_all(p, self->c.size, true));
	EXPECT_EQ(-1, area_differs(p, self->c.mem, self->c.size));
	munmap(p, self->c.size);
}

TEST_F(channel, mapping_that_becomes_writable_does_not_fault_again)
{
	uint8_t *p = map_again(&self->c, PROT_READ);

	ASSERT_TRUE(p != MAP_FAILED);
	warm_up(&self->c);
	EXPECT_EQ(1, touch_all(p, 1, false));
	ASSERT_EQ(0, mprotect(p, self->c.size, RW));
	EXPECT_EQ(0, touch_all(p, self->c.size, true));
	munmap(p, self->c.size);
}

TEST_F(channel, each_part_of_a_divided_mapping_is_mapped_by_a_touch)
{
	size_t page = sysconf(_SC_PAGESIZE), third = self->c.size / 3 & ~(page - 1);
	uint8_t *p = map_again(&self->c, RW), *last;

	ASSERT_TRUE(p != MAP_FAILED);
	if (!third)
		SKIP(return, "the buffer has fewer than three pages");
	warm_up(&self->c);
	ASSERT_EQ(0, munmap(p + third, third));
	last = p + 2 * third;
	EXPECT_EQ(1, touch_all(last + third / 2, 1, false));
	EXPECT_EQ(0, touch_all(last, self->c.size - 2 * third, true));
	EXPECT_EQ(1, touch_all(p, 1, true));
	EXPECT_EQ(0, touch_all(p, third, true));
	EXPECT_EQ(-1, area_differs(p, self->c.mem, third));
	EXPECT_EQ(-1, area_differs(last, self->c.mem + 2 * third, self->c.size - 2 * third));
	munmap(p, third);
	munmap(last, self->c.size - 2 * third);
}

/* Threads that touch one mapping at the same time. */
struct crowd {
	pthread_barrier_t start;
	uint8_t *p;
	const struct channel *c;
	_Atomic int wrong;
};

static void *touch_with_others(void *arg)
{
	struct crowd *crowd = arg;

	pthread_barrier_wait(&crowd->start);
	if (area_differs(crowd->p, crowd->c->mem, crowd->c->size) != -1)
		crowd->wrong++;
	return NULL;
}

TEST_F(channel, threads_that_touch_a_mapping_at_once_see_one_buffer)
{
	struct crowd crowd = { .c = &self->c };
	pthread_t thread[4];

	ASSERT_EQ(0, pthread_barrier_init(&crowd.start, NULL, ARRAY_SIZE(thread)));
	for (int round = 0; round < effort(20); round++) {
		crowd.p = map_again(&self->c, RW);
		ASSERT_TRUE(crowd.p != MAP_FAILED);
		for (int i = 0; i < ARRAY_SIZE(thread); i++)
			ASSERT_EQ(0, pthread_create(&thread[i], NULL, touch_with_others,
						    &crowd));
		for (int i = 0; i < ARRAY_SIZE(thread); i++)
			ASSERT_EQ(0, pthread_join(thread[i], NULL));
		ASSERT_EQ(0, crowd.wrong);
		munmap(crowd.p, self->c.size);
	}
	pthread_barrier_destroy(&crowd.start);
}

TEST_HARNESS_MAIN
