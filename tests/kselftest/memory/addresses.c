// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses with a tag in the byte that arm64 ignores, and destinations that overlap
 * each other.
 */
#include <sys/prctl.h>

#include "channel_fixture.h"

#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL	55
#define PR_TAGGED_ADDR_ENABLE	(1UL << 0)
#endif

#define TAG	(0x2aULL << 56)

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

#define SKIP_WITHOUT_TAGS() do {						\
	if (self->c.info.buffer_size)						\
		SKIP(return, "addresses are offsets");				\
	if (prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0))	\
		SKIP(return, "the kernel takes no tagged addresses");		\
} while (0)

TEST_F(channel, job_between_tagged_addresses_runs)
{
	SKIP_WITHOUT_TAGS();
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	self->job.src[0].addr |= TAG;
	self->job.dst[0].addr |= TAG;
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + self->c.size / 2, 64));
}

TEST_F(channel, tag_does_not_hide_that_a_source_is_a_destination)
{
	static const uint64_t shift[] = { 0, 32, 60 };

	SKIP_WITHOUT_TAGS();
	for (int i = 0; i < ARRAY_SIZE(shift); i++)
		for (int side = 0; side < 2; side++) {
			job_copy(&self->job, &self->c, 0, shift[i], 64);
			if (side)
				self->job.src[0].addr |= TAG;
			else
				self->job.dst[0].addr |= TAG;
			expect_refused(_metadata, &self->c, &self->job, -EINVAL);
		}
}

/* Lists of several segments are compared by other code. */
TEST_F(channel, tag_does_not_hide_an_overlap_of_lists)
{
	struct job *j = &self->job;

	SKIP_WITHOUT_TAGS();
	job_init(j);
	for (int i = 0; i < 3; i++) {
		job_add(&self->c, j->src, &j->submit.nr_src, i * 128, 32);
		job_add(&self->c, j->dst, &j->submit.nr_dst, i * 128 + 64, 32);
	}
	expect_runs(_metadata, &self->c, j);
	make_pattern(&self->c, SEED);
	j->dst[2].addr = (j->src[1].addr + 16) | TAG;
	expect_refused(_metadata, &self->c, j, -EINVAL);
}

TEST_F(channel, destinations_that_overlap_hold_either_and_nothing_else_changes)
{
	size_t to = self->c.size / 2, u = unit(&self->c);
	struct job *j = &self->job;
	uint8_t *dst = self->c.mem + to, before[64], behind[64];

	memcpy(before, dst - 64, 64);
	memcpy(behind, dst + 24 * u, 64);
	job_init(j);
	job_add(&self->c, j->src, &j->submit.nr_src, 0, 16 * u);
	job_add(&self->c, j->src, &j->submit.nr_src, 256, 16 * u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to, 16 * u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to + 8 * u, 16 * u);
	ASSERT_EQ(0, job_run(&self->c, j));
	EXPECT_EQ(32 * u, j->submit.completion.bytes);
	EXPECT_EQ(0, memcmp(dst, self->c.mem, 8 * u));
	EXPECT_EQ(0, memcmp(dst + 16 * u, self->c.mem + 256 + 8 * u, 8 * u));
	for (size_t i = 8 * u; i < 16 * u; i++)
		EXPECT_TRUE(dst[i] == self->c.mem[i] || dst[i] == self->c.mem[256 + i - 8 * u]);
	EXPECT_EQ(0, memcmp(before, dst - 64, 64));
	EXPECT_EQ(0, memcmp(behind, dst + 24 * u, 64));
}

TEST_HARNESS_MAIN
