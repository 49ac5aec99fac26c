// SPDX-License-Identifier: GPL-2.0
/*
 * Bounds of a job: the edges of the device's buffer, and source and destination that touch or
 * overlap. sg_bad_memory.c has the other memory that an sg job may not name.
 */
#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

/* A whole number of units, and a quarter of the smallest buffer. */
#define PIECE	1024

/* Makes a valid copy; the test then moves one side of it. */
static void copy_to_spoil(struct job *j, const struct channel *c, uint64_t len)
{
	job_copy(j, c, 0, c->size / 2, len);
}

TEST_F(channel, a_segment_may_end_where_the_buffer_ends)
{
	uint64_t end = self->c.size;

	SKIP_WITHOUT_BUFFER();
	job_copy(&self->job, &self->c, 0, end - PIECE, PIECE);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + end - PIECE, PIECE));
	job_copy(&self->job, &self->c, end - PIECE, PIECE, PIECE);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + PIECE, PIECE));
}

TEST_F(channel, the_last_unit_of_the_buffer_can_be_moved)
{
	size_t u = unit(&self->c);
	uint64_t end = self->c.size;

	SKIP_WITHOUT_BUFFER();
	job_copy(&self->job, &self->c, 0, end - u, u);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + end - u, u));
}

TEST_F(channel, a_source_one_unit_beyond_the_end_is_refused)
{
	SKIP_WITHOUT_BUFFER();
	copy_to_spoil(&self->job, &self->c, PIECE);
	self->job.src[0].addr = self->c.size - PIECE + unit(&self->c);
	expect_refused(_metadata, &self->c, &self->job, -ERANGE);
}

TEST_F(channel, a_destination_one_unit_beyond_the_end_is_refused)
{
	SKIP_WITHOUT_BUFFER();
	copy_to_spoil(&self->job, &self->c, PIECE);
	self->job.dst[0].addr = self->c.size - PIECE + unit(&self->c);
	expect_refused(_metadata, &self->c, &self->job, -ERANGE);
}

TEST_F(channel, a_fill_one_unit_beyond_the_end_is_refused)
{
	SKIP_WITHOUT_BUFFER();
	job_fill(&self->job, &self->c, 1, self->c.size - PIECE + unit(&self->c), PIECE);
	expect_refused(_metadata, &self->c, &self->job, -ERANGE);
}

TEST_F(channel, a_segment_outside_the_buffer_is_refused)
{
	const uint64_t size = self->c.size, u = unit(&self->c);
	const uint64_t outside[] = {
		size,
		size + u,
		1ULL << 32,
		(1ULL << 32) + u,
		1ULL << 63,
		UINT64_MAX - 2 * PIECE + 1,
	};

	SKIP_WITHOUT_BUFFER();
	for (int i = 0; i < ARRAY_SIZE(outside); i++) {
		copy_to_spoil(&self->job, &self->c, u);
		self->job.src[0].addr = outside[i];
		expect_refused(_metadata, &self->c, &self->job, -ERANGE);
		copy_to_spoil(&self->job, &self->c, u);
		self->job.dst[0].addr = outside[i];
		expect_refused(_metadata, &self->c, &self->job, -ERANGE);
	}
}

/* A caller may confuse pointers and offsets. */
TEST_F(channel, a_pointer_in_place_of_an_offset_is_refused)
{
	SKIP_WITHOUT_BUFFER();
	copy_to_spoil(&self->job, &self->c, PIECE);
	self->job.src[0].addr = (uintptr_t)self->c.mem;
	expect_refused(_metadata, &self->c, &self->job, -ERANGE);
}

TEST_F(channel, one_segment_of_many_outside_the_buffer_is_refused)
{
	uint32_t n = most_segments(&self->c);
	struct job *j = &self->job;
	size_t u = unit(&self->c);

	SKIP_WITHOUT_BUFFER();
	for (int side = 0; side < 2; side++) {
		job_init(j);
		for (uint32_t i = 0; i < n; i++) {
			job_add(&self->c, j->src, &j->submit.nr_src, i * u, u);
			job_add(&self->c, j->dst, &j->submit.nr_dst,
				self->c.size / 2 + i * u, u);
		}
		(side ? j->src : j->dst)[n - 1].addr = self->c.size;
		expect_refused(_metadata, &self->c, j, -ERANGE);
	}
}

TEST_F(channel, a_job_onto_itself_is_refused)
{
	job_copy(&self->job, &self->c, 0, 0, PIECE);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	job_copy(&self->job, &self->c, unit(&self->c), unit(&self->c), unit(&self->c));
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, a_destination_that_starts_in_the_source_is_refused)
{
	job_copy(&self->job, &self->c, 0, PIECE - unit(&self->c), PIECE);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	job_copy(&self->job, &self->c, 0, unit(&self->c), PIECE);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, a_source_that_starts_in_the_destination_is_refused)
{
	job_copy(&self->job, &self->c, PIECE - unit(&self->c), 0, PIECE);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
	job_copy(&self->job, &self->c, unit(&self->c), 0, PIECE);
	expect_refused(_metadata, &self->c, &self->job, -EINVAL);
}

TEST_F(channel, a_segment_within_one_of_the_other_list_is_refused)
{
	size_t most = self->c.info.block_size, piece = most && most < PIECE ? most : PIECE;
	struct job *j = &self->job;

	if (self->c.info.max_segments < 3)
		SKIP(return, "a list of this channel is too short");
	/* The source is one segment; the middle segment of the destination lies in it. */
	job_init(j);
	job_add(&self->c, j->src, &j->submit.nr_src, 0, piece);
	job_add(&self->c, j->dst, &j->submit.nr_dst, 2 * piece, piece / 4);
	job_add(&self->c, j->dst, &j->submit.nr_dst, piece / 2, piece / 4);
	job_add(&self->c, j->dst, &j->submit.nr_dst, 3 * piece, piece / 2);
	expect_refused(_metadata, &self->c, j, -EINVAL);
}

/*
 * A long source segment, a shorter one that begins within it, and a destination that begins behind
 * the end of the shorter one, but within the long one: the nearest segment is not the one that it
 * overlaps.
 */
TEST_F(channel, a_destination_behind_a_short_source_within_a_long_one_is_refused)
{
	size_t most = self->c.info.block_size, piece = most && most < PIECE ? most : PIECE;
	struct job *j = &self->job;

	if (self->c.info.max_segments < 2)
		SKIP(return, "a list of this channel is too short");
	for (int order = 0; order < 2; order++) {
		job_init(j);
		for (int i = 0; i < 2; i++)
			if (i == order)
				job_add(&self->c, j->src, &j->submit.nr_src, 0, piece);
			else
				job_add(&self->c, j->src, &j->submit.nr_src, piece / 8, piece / 4);
		job_add(&self->c, j->dst, &j->submit.nr_dst, piece / 2, piece / 4);
		job_add(&self->c, j->dst, &j->submit.nr_dst, 2 * piece, piece);
		expect_refused(_metadata, &self->c, j, -EINVAL);
		/* Next to the long one it is accepted. */
		j->dst[0].addr = self->c.base + piece;
		expect_runs(_metadata, &self->c, j);
		make_pattern(&self->c, SEED);
	}
}

/*
 * Makes two lists of many segments, each of whose segments lies in a gap of the other list. The
 * test then moves the last segment of one list onto a segment of the other.
 */
static uint32_t combs(struct job *j, const struct channel *c)
{
	uint32_t n = most_segments(c);
	size_t u = unit(c);

	if (n > c->size / 2 / u)
		n = c->size / 2 / u;
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		job_add(c, j->src, &j->submit.nr_src, 2 * i * u, u);
		job_add(c, j->dst, &j->submit.nr_dst, (2 * (n - 1 - i) + 1) * u, u);
	}
	return n;
}

TEST_F(channel, interleaved_lists_that_only_touch_are_accepted)
{
	size_t u = unit(&self->c);
	uint32_t n = combs(&self->job, &self->c);

	expect_runs(_metadata, &self->c, &self->job);
	for (uint32_t i = 0; i < n; i++)
		EXPECT_EQ(0, memcmp(self->c.mem + (2 * (n - 1 - i) + 1) * u,
				    self->c.mem + 2 * i * u, u));
}

TEST_F(channel, overlap_of_any_two_segments_of_long_lists_is_refused)
{
	uint32_t n = combs(&self->job, &self->c), at[] = { 0, n / 2, n - 1 };

	for (int i = 0; i < ARRAY_SIZE(at); i++) {
		for (int k = 0; k < ARRAY_SIZE(at); k++) {
			combs(&self->job, &self->c);
			self->job.dst[at[i]].addr = self->job.src[at[k]].addr;
			expect_refused(_metadata, &self->c, &self->job, -EINVAL);
		}
	}
}

TEST_F(channel, neighbours_are_accepted)
{
	job_copy(&self->job, &self->c, 0, PIECE, PIECE);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + PIECE, PIECE));
	job_copy(&self->job, &self->c, 3 * PIECE, 2 * PIECE, PIECE);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem + 3 * PIECE, self->c.mem + 2 * PIECE,
				   PIECE));
}

TEST_F(channel, source_segments_may_repeat)
{
	struct job *j = &self->job;
	size_t u = unit(&self->c);

	if (self->c.info.max_segments < 4)
		SKIP(return, "a list of this channel is too short");
	job_init(j);
	for (int i = 0; i < 4; i++)
		job_add(&self->c, j->src, &j->submit.nr_src, 0, 4 * u);
	j->submit.nr_dst = job_list(&self->c, j->dst, self->c.size / 2, 16 * u);
	expect_runs(_metadata, &self->c, j);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, memcmp(self->c.mem, self->c.mem + self->c.size / 2 + i * 4 * u,
				    4 * u));
}

TEST_HARNESS_MAIN
