/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pool channel of the in-kernel test module, and jobs that take its blocks. The channel has
 * few blocks. A job with two source segments pauses until it is stopped: it keeps its own
 * blocks and those of all jobs behind it.
 */
#ifndef FERRODMA_BLOCKS_FIXTURE_H
#define FERRODMA_BLOCKS_FIXTURE_H

#include "channel_checks.h"
#include "debugfs.h"
#include "sleeper.h"
#include "user_memory.h"

/* Numbers of source segments, by what the hardware does with such a job. */
enum { WORKS = 1, HALTS = 2, FAULTS = 3, STICKS = 4 };

#define SHORT_NS	(patience(50) * NSEC_PER_MSEC)
#define LONG_NS		(20 * NSEC_PER_SEC)

/* A channel whose memory is cut into places for jobs; a place is as long as a block. */
FIXTURE(blocks) {
	struct channel c, other;
	struct job job;
	struct bound_device device;
	long long total;
	uint32_t most;	/* the most segments of a list */
};

FIXTURE_SETUP(blocks)
{
	ASSERT_EQ(0, bound_device_find(&self->device, "pooltest", 0));
	ASSERT_EQ(0, channel_open(&self->c, "pooltest", 0, 0));
	ASSERT_EQ(0, channel_open(&self->other, "pooltest", 0, 0));
	make_pattern(&self->c, SEED);
	make_pattern(&self->other, SEED);
	self->most = self->c.info.max_segments;
	self->total = blocks_in_all("pooltest", 0);
	ASSERT_EQ(2 * self->most, self->total);
	ASSERT_EQ(self->total, blocks_free("pooltest", 0));
}

/*
 * Checks that no block is left taken when the test has ended, and revives the channel if the
 * test has killed or unbound it.
 */
FIXTURE_TEARDOWN_PARENT(blocks)
{
	struct channel again;

	if (bound_device_number(&self->device, "pooltest") < 0) {
		EXPECT_EQ(0, device_bind(&self->device));
	} else if (!channel_open(&again, "pooltest", 0, 0)) {
		if (is_dead(&again)) {
			EXPECT_EQ(0, device_unbind(&self->device));
			EXPECT_EQ(0, device_bind(&self->device));
		}
		channel_close(&again);
	}
	EXPECT_EQ(blocks_in_all("pooltest", 0), blocks_free("pooltest", 0));
}

/* Fails the test unless exactly @n_ blocks are taken. */
#define EXPECT_TAKEN(n_)	EXPECT_EQ(self->total - (n_), blocks_free("pooltest", 0))

/* Cuts the bytes of a block into @n segments, of which the last is the longest. */
static inline void cut(const struct channel *c, struct ferrodma_seg *list, uint32_t *nr,
		       uint64_t off, uint32_t n)
{
	size_t left = c->info.block_size, piece = left / c->info.max_segments;

	for (*nr = 0; *nr < n; left -= piece, off += piece)
		job_add(c, list, nr, off, *nr + 1 < n ? piece : left);
}

/* Makes a copy from place @at in the first half of memory to place @at in the second. */
static inline void job_at(struct job *j, const struct channel *c, uint32_t at, uint32_t nr_src,
			  uint32_t nr_dst)
{
	size_t len = c->info.block_size;

	job_init(j);
	cut(c, j->src, &j->submit.nr_src, at * len, nr_src);
	cut(c, j->dst, &j->submit.nr_dst, c->size / 2 + at * len, nr_dst);
	j->submit.timeout_ns = LONG_NS;
}

/* Queues such a copy; returns its cookie, or 0. */
static inline uint64_t queue_at(const struct channel *c, uint32_t at, uint32_t nr_src,
				uint32_t nr_dst)
{
	struct job j;

	job_at(&j, c, at, nr_src, nr_dst);
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/*
 * Returns where memory differs from what the jobs for places @first up to @end must leave, or
 * -1.
 */
static inline ssize_t places_differ(const struct channel *c, uint32_t first, uint32_t end)
{
	size_t len = c->info.block_size, half = c->size / 2;
	uint8_t model[c->size];

	pattern_fill(model, c->size, SEED);
	for (uint32_t i = first; i < end; i++)
		memcpy(model + half + i * len, model + i * len, len);
	return area_differs(c->mem, model, c->size);
}

/*
 * Takes all blocks, with a job that pauses and as many behind it as there is room for. Returns
 * the number of jobs.
 */
static inline uint32_t take_all_blocks(const struct channel *c)
{
	uint32_t n = 0, left = 2 * c->info.max_segments;

	if (!queue_at(c, n++, HALTS, 2))
		return 0;
	for (left -= HALTS + 2; left; left -= WORKS + 1)
		if (!queue_at(c, n++, WORKS, 1))
			return 0;
	return n;
}

#endif /* FERRODMA_BLOCKS_FIXTURE_H */
