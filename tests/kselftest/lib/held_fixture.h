/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sg channel of the in-kernel test module, on which a job with two source segments pauses
 * until it is cancelled. Jobs that are queued behind it wait for as long as a test likes.
 * sg_held.sh and sg_memlock.sh load the module.
 */
#ifndef FERRODMA_HELD_FIXTURE_H
#define FERRODMA_HELD_FIXTURE_H

#include "bind.h"
#include "channel_checks.h"
#include "sg_checks.h"

#define FUNCTION	"sgtest"
#define LONG_NS		(20 * NSEC_PER_SEC)
#define SHORT_NS	(patience(50) * NSEC_PER_MSEC)

/*
 * Pages of the jobs that wait. A job is one segment or several; since the spans of this channel
 * are short, the engine sees neither kind as a job that is to pause.
 */
#define PAGES	3

static struct ferrodma_completion record;

FIXTURE(held) {
	/* The file whose job pauses, and the file with the jobs behind it. */
	struct channel blocker, c;
	struct bound_device device;
	struct job job;
	uint8_t *src, *dst;
	size_t len;
	/* Pages that were pinned before the test, and kilobytes charged for the paused job. */
	long held, kb;
};

/* Queues a copy that pauses, from two pieces that cannot be joined; returns its cookie, or 0. */
static inline uint64_t queue_pause(const struct channel *c, uint64_t limit_ns)
{
	struct job j;

	job_init(&j);
	job_add(c, j.src, &j.submit.nr_src, 0, 16);
	job_add(c, j.src, &j.submit.nr_src, 64, 16);
	job_add(c, j.dst, &j.submit.nr_dst, 1024, 32);
	j.submit.timeout_ns = limit_ns;
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

FIXTURE_SETUP(held)
{
	self->held = pins_held();
	self->len = PAGES * page_size();
	ASSERT_EQ(0, bound_device_find(&self->device, FUNCTION, 0));
	ASSERT_EQ(0, channel_open(&self->blocker, FUNCTION, 0, 0));
	ASSERT_EQ(0, channel_open(&self->c, FUNCTION, 0, 0));
	make_pattern(&self->blocker, SEED);
	make_pattern(&self->c, SEED);
	self->src = new_pages(PAGES);
	self->dst = new_pages(PAGES);
	ASSERT_TRUE(self->src && self->dst);
	pattern_fill(self->src, self->len, SEED + 1);
	pattern_fill(self->dst, self->len, SEED + 2);
	ASSERT_EQ(1, queue_pause(&self->blocker, LONG_NS));
	self->kb = pinned_kb();
	ASSERT_LT(0, self->kb);
}

/* Binds the device again if the test has left it unbound. */
FIXTURE_TEARDOWN_PARENT(held)
{
	if (bound_device_number(&self->device, FUNCTION) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

/* Queues a copy behind the paused job; returns its cookie, or 0. */
static inline uint64_t queue_copy(const struct channel *c, void *to, const void *from, size_t len)
{
	struct job j;

	job_move(&j, to, from, len);
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/* Ends the paused job and takes its record, after which its memory is the program's again. */
static inline void end_pause(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self)
{
	ASSERT_EQ(0, job_cancel(&self->blocker, 1));
	ASSERT_EQ(0, take(&self->blocker, 1, &record));
	ASSERT_EQ(-ECANCELED, record.status);
}

#endif /* FERRODMA_HELD_FIXTURE_H */
