// SPDX-License-Identifier: GPL-2.0
/*
 * What jobs do to memory: every byte is where it should be, and no other byte has changed. Each
 * test does to a model with memcpy() what the engine does to memory, and then compares them.
 */
#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

#define LONG_NS		(10 * NSEC_PER_SEC)

#define RANDOM_JOBS	60
#define RANDOM_BYTES	(64 << 10)

/* Does to @model what the job does to the channel's memory. */
static void model_job(uint8_t *model, const struct channel *c, const struct job *j)
{
	uint32_t s = 0;
	uint64_t used = 0;

	for (uint32_t d = 0; d < j->submit.nr_dst; d++) {
		uint8_t *to = model + (j->dst[d].addr - c->base);
		uint64_t len = j->dst[d].len, n;

		if (j->submit.flags & FERRODMA_SUBMIT_FILL) {
			memset(to, j->submit.src, len);
			continue;
		}
		for (; len; len -= n, to += n, used += n) {
			if (used == j->src[s].len) {
				s++;
				used = 0;
			}
			n = j->src[s].len - used < len ? j->src[s].len - used : len;
			memcpy(to, model + (j->src[s].addr - c->base) + used, n);
		}
	}
}

static uint8_t *model_new(const struct channel *c)
{
	uint8_t *model = malloc(c->size);

	if (model)
		memcpy(model, c->mem, c->size);
	return model;
}

/* Runs the job, and compares all of memory with the model. */
static void expect_as_model(struct __test_metadata *_metadata,
			    const struct channel *c, struct job *j)
{
	uint8_t *model = model_new(c);

	ASSERT_TRUE(model != NULL);
	/* A job on all of a large buffer takes long on some machines. */
	j->submit.timeout_ns = LONG_NS;
	expect_runs(_metadata, c, j);
	model_job(model, c, j);
	EXPECT_EQ(-1, area_differs(c->mem, model, c->size));
	free(model);
}

/* Cuts @len bytes at @off into @n segments of random lengths. */
static void cut(const struct channel *c, struct ferrodma_seg *list, uint32_t *nr,
		uint64_t off, uint64_t len, uint32_t n, uint64_t *state)
{
	size_t u = unit(c);
	uint64_t most = c->info.block_size ?: len;

	for (*nr = 0; len && *nr < n;) {
		uint64_t rest = n - *nr - 1;	/* segments that follow */
		uint64_t most_now = len - rest * u < most ? len - rest * u : most;
		uint64_t least = len > rest * most ? len - rest * most : u;
		uint64_t piece = least + random_below(state, (most_now - least) / u + 1) * u;

		job_add(c, list, nr, off, rest ? piece : len);
		off += piece;
		len -= rest ? piece : len;
	}
}

/* Returns how many bytes one job can move from one half of memory to the other. */
static uint64_t half(const struct channel *c)
{
	uint64_t most = c->size / 2;

	if (c->info.max_job_bytes < most)
		most = c->info.max_job_bytes;
	if (c->info.block_size && most_segments(c) * c->info.block_size < most)
		most = most_segments(c) * c->info.block_size;
	return most - most % unit(c);
}

TEST_F(channel, copy_of_one_half_to_the_other)
{
	job_copy(&self->job, &self->c, 0, self->c.size / 2, half(&self->c));
	expect_as_model(_metadata, &self->c, &self->job);
	job_copy(&self->job, &self->c, self->c.size / 2, 0, half(&self->c));
	expect_as_model(_metadata, &self->c, &self->job);
}

TEST_F(channel, copy_of_one_unit)
{
	size_t u = unit(&self->c);

	job_copy(&self->job, &self->c, 3 * u, 8 * u, u);
	expect_as_model(_metadata, &self->c, &self->job);
}

TEST_F(channel, copies_at_every_offset_and_length_within_32_units)
{
	size_t u = unit(&self->c), a = address_unit(&self->c);
	uint64_t to = self->c.size / 2;
	uint8_t *model = model_new(&self->c);

	ASSERT_TRUE(model != NULL);
	for (int i = 0; i < 32; i++) {
		job_copy(&self->job, &self->c, i * a, to + (31 - i) * a, (i + 1) * u);
		expect_runs(_metadata, &self->c, &self->job);
		model_job(model, &self->c, &self->job);
		EXPECT_EQ(-1, area_differs(self->c.mem + to, model + to, 64 * u));
	}
	EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	free(model);
}

TEST_F(channel, gather_of_several_pieces)
{
	struct job *j = &self->job;
	size_t u = unit(&self->c);

	if (self->c.info.max_segments < 4)
		SKIP(return, "a list of this channel is too short");
	job_init(j);
	job_add(&self->c, j->src, &j->submit.nr_src, 20 * u, 7 * u);
	job_add(&self->c, j->src, &j->submit.nr_src, 0, 3 * u);
	job_add(&self->c, j->src, &j->submit.nr_src, 30 * u, u);
	job_add(&self->c, j->src, &j->submit.nr_src, 8 * u, 5 * u);
	j->submit.nr_dst = job_list(&self->c, j->dst, self->c.size / 2, 16 * u);
	expect_as_model(_metadata, &self->c, j);
}

TEST_F(channel, scatter_to_several_places)
{
	struct job *j = &self->job;
	size_t u = unit(&self->c);
	uint64_t to = self->c.size / 2;

	if (self->c.info.max_segments < 4)
		SKIP(return, "a list of this channel is too short");
	job_init(j);
	j->submit.nr_src = job_list(&self->c, j->src, 0, 16 * u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to + 20 * u, 7 * u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to, 3 * u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to + 30 * u, u);
	job_add(&self->c, j->dst, &j->submit.nr_dst, to + 8 * u, 5 * u);
	expect_as_model(_metadata, &self->c, j);
}

TEST_F(channel, lists_that_are_cut_differently)
{
	uint32_t n = most_segments(&self->c);
	uint64_t state = SEED, len = half(&self->c);
	struct job *j = &self->job;

	/* Segments of the greatest length could be cut in one way only. Use half of that. */
	if (self->c.info.block_size)
		len = len / 2 / unit(&self->c) * unit(&self->c);
	for (int i = 0; i < 4; i++) {
		uint32_t a = n > 7 && !self->c.info.block_size ? 7 + i : n;

		job_init(j);
		cut(&self->c, j->src, &j->submit.nr_src, 0, len, a, &state);
		cut(&self->c, j->dst, &j->submit.nr_dst, self->c.size / 2, len, n, &state);
		expect_as_model(_metadata, &self->c, j);
		make_pattern(&self->c, SEED + i);
	}
}

TEST_F(channel, max_segments_of_one_unit_on_both_sides)
{
	uint32_t n = self->c.info.max_segments;
	size_t u = unit(&self->c);
	struct ferrodma_seg *src = calloc(n, sizeof(*src)), *dst = calloc(n, sizeof(*dst));
	uint64_t to = self->c.size / 2;
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst);
	if (n * u > to)
		SKIP(return, "max_segments units do not fit half of memory");
	job_init(j);
	j->submit.src = (uintptr_t)src;
	j->submit.dst = (uintptr_t)dst;
	/* Go backwards, so that no two segments can be joined. */
	while (j->submit.nr_src < n)
		job_add(&self->c, src, &j->submit.nr_src,
			(n - 1 - j->submit.nr_src) * u, u);
	while (j->submit.nr_dst < n)
		job_add(&self->c, dst, &j->submit.nr_dst, to + j->submit.nr_dst * u, u);
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(self->c.mem + to + i * u,
				    self->c.mem + (n - 1 - i) * u, u));
	EXPECT_EQ(-1, pattern_differs(self->c.mem, to < WITNESS ? to : WITNESS, SEED));
	free(src);
	free(dst);
}

TEST_F(channel, fill_of_one_segment_with_any_byte)
{
	static const uint8_t values[] = { 0, 1, 0x5a, 0x80, 0xff };
	size_t u = unit(&self->c);

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		job_fill(&self->job, &self->c, values[i], 3 * u, 21 * u);
		expect_as_model(_metadata, &self->c, &self->job);
	}
}

TEST_F(channel, fill_of_several_segments)
{
	static const uint16_t len[] = { 1, 2, 3, 4, 5, 16, 17, 31, 64 };
	struct job *j = &self->job;
	size_t u = unit(&self->c);

	job_fill(j, &self->c, 0x96, 0, u);
	for (int i = 0; i < ARRAY_SIZE(len) && j->submit.nr_dst < most_segments(&self->c); i++)
		if (!self->c.info.block_size || len[i] * u <= self->c.info.block_size)
			job_add(&self->c, j->dst, &j->submit.nr_dst,
				(100 * (i + 1) + i) * u, len[i] * u);
	expect_as_model(_metadata, &self->c, j);
}

TEST_F(channel, fill_of_the_longest_job)
{
	uint64_t len = self->c.size;

	if (self->c.info.max_job_bytes < len)
		len = self->c.info.max_job_bytes;
	if (self->c.info.block_size && most_segments(&self->c) * self->c.info.block_size < len)
		len = most_segments(&self->c) * self->c.info.block_size;
	job_fill(&self->job, &self->c, 0x3c, 0, len);
	expect_as_model(_metadata, &self->c, &self->job);
}

/* Makes a random job: a fill or a copy, of random places cut at random. */
static void random_job(struct job *j, const struct channel *c, uint64_t size,
		       uint64_t *state)
{
	size_t u = unit(c);
	uint32_t n = most_segments(c) < 16 ? most_segments(c) : 16;
	uint64_t most = size / 2 / u, len, src, dst;

	if (c->info.block_size)
		most = n * (c->info.block_size / u) < most ?
		       n * (c->info.block_size / u) : most;
	len = 1 + random_below(state, most);
	src = random_below(state, size / 2 / u - len + 1);
	dst = random_below(state, size / 2 / u - len + 1) + size / 2 / u;
	if (random_below(state, 2)) {
		uint64_t t = src;

		src = dst;
		dst = t;
	}
	n = len < n ? len : n;
	job_init(j);
	if (!random_below(state, 4)) {
		j->submit.flags = FERRODMA_SUBMIT_FILL;
		j->submit.src = random_below(state, 256);
	} else {
		cut(c, j->src, &j->submit.nr_src, src * u, len * u, n, state);
	}
	if (!c->info.block_size)
		n = 1 + random_below(state, n);
	cut(c, j->dst, &j->submit.nr_dst, dst * u, len * u, n, state);
}

TEST_F(channel, random_jobs_do_what_memcpy_does)
{
	uint64_t state = now_ns(), seed = state;
	uint8_t *model = model_new(&self->c);
	uint64_t size = self->c.size < RANDOM_BYTES ? self->c.size : RANDOM_BYTES;

	ASSERT_TRUE(model != NULL);
	for (int i = 0; i < RANDOM_JOBS; i++) {
		random_job(&self->job, &self->c, size, &state);
		model_job(model, &self->c, &self->job);
		ASSERT_EQ(0, job_run(&self->c, &self->job))
			TH_LOG("job %d of seed %#llx", i, (unsigned long long)seed);
		ASSERT_EQ(-1, area_differs(self->c.mem, model, size))
			TH_LOG("job %d of seed %#llx", i, (unsigned long long)seed);
	}
	EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	free(model);
}

TEST_F(channel, a_written_byte_is_what_the_engine_reads)
{
	size_t u = unit(&self->c);
	uint64_t to = self->c.size / 2;

	/* From the second round on, a stale cache or bounce buffer shows. */
	for (int i = 0; i < 64; i++) {
		memset(self->c.mem, i, u);
		memset(self->c.mem + to, 0xff, u);
		job_copy(&self->job, &self->c, 0, to, u);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
		ASSERT_EQ(-1, value_differs(self->c.mem + to, u, i));
	}
}

TEST_HARNESS_MAIN
