// SPDX-License-Identifier: GPL-2.0
/* Messages of a pool channel: their lengths, their places in memory, and fills. */
#include "channel_fixture.h"
#include "children.h"
#include "pool_checks.h"

ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/* Lengths */

TEST_F(channel, INFO_says_how_long_a_message_may_be)
{
	const struct ferrodma_info *info = &self->c.info;

	EXPECT_LE(32, info->block_size);
	EXPECT_GE(page_size(), info->block_size);
	EXPECT_EQ(0, info->block_size & (info->block_size - 1));
	EXPECT_EQ((uint64_t)info->block_size * info->max_segments, info->max_job_bytes);
	EXPECT_EQ(0, info->buffer_size);
	/* The pool has enough blocks for the longest job. */
	EXPECT_LE(2 * info->max_segments, blocks_in_all("pool", 0));
}

TEST_F(channel, messages_of_every_length_arrive_and_nothing_else_changes)
{
	size_t most = block(&self->c), u = unit(&self->c), to = self->c.size / 2;
	uint8_t *model = malloc(self->c.size);

	ASSERT_TRUE(model != NULL);
	memcpy(model, self->c.mem, self->c.size);
	for (size_t len = u; len <= most; len += u) {
		size_t from = 3 * (most - len), at = to + 2 * len;

		job_move(&self->job, self->c.mem + at, self->c.mem + from, len);
		expect_runs(_metadata, &self->c, &self->job);
		memcpy(model + at, model + from, len);
		ASSERT_EQ(-1, area_differs(self->c.mem, model, self->c.size))
			TH_LOG("%zu bytes", len);
	}
	expect_all_back(_metadata, &self->c);
	free(model);
}

TEST_F(channel, an_empty_message_is_EINVAL)
{
	struct job *j = &self->job;
	size_t to = self->c.size / 2;

	job_move(j, self->c.mem + to, self->c.mem, 0);
	expect_not_sent(_metadata, &self->c, j, -EINVAL);
	/* Also among other segments, on either side, with equal totals. */
	for (int side = 0; side < 2; side++) {
		job_move(j, self->c.mem + to, self->c.mem, block(&self->c));
		if (side)
			job_to(j, self->c.mem + to + block(&self->c), 0);
		else
			job_from(j, self->c.mem + block(&self->c), 0);
		expect_not_sent(_metadata, &self->c, j, -EINVAL);
	}
}

TEST_F(channel, a_message_longer_than_a_block_is_EMSGSIZE)
{
	size_t most = block(&self->c), more = most + unit(&self->c), to = self->c.size / 2;
	struct job *j = &self->job;

	job_move(j, self->c.mem + to, self->c.mem, more);
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* Too long on one side only. */
	job_move(j, self->c.mem + to, self->c.mem, most);
	job_to(j, self->c.mem + to + most, more - most);
	j->src[0].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	job_move(j, self->c.mem + to, self->c.mem, most);
	job_from(j, self->c.mem + most, more - most);
	j->dst[0].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* Only the last of many segments is too long. */
	job_copy(j, &self->c, 0, to, 4 * most);
	j->src[3].len = more;
	j->dst[3].len = more;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
	/* The length would be valid if it were cut to 32 bits. */
	job_move(j, self->c.mem + to, self->c.mem, most);
	j->src[0].len = (1ULL << 32) + most;
	j->dst[0].len = (1ULL << 32) + most;
	expect_not_sent(_metadata, &self->c, j, -EMSGSIZE);
}

TEST_F(channel, lists_that_are_cut_differently_hold_the_same_bytes)
{
	static const uint8_t cuts[][3] = {
		{ 1, 64, 7 }, { 64, 1, 5 }, { 33, 31, 8 }, { 2, 3, 64 },
	};
	uint8_t *from = self->c.mem, *to = self->c.mem + self->c.size / 2;
	size_t u = unit(&self->c);
	struct job *j = &self->job;

	for (int i = 0; i < ARRAY_SIZE(cuts); i++) {
		size_t left, n, len = 4 * block(&self->c);

		make_pattern(&self->c, SEED + i);
		job_init(j);
		for (left = len; left; left -= n) {
			n = (cuts[i][j->submit.nr_src % 3] + u - 1) / u * u;
			n = n < left ? n : left;
			job_from(j, from + len - left, n < block(&self->c) ? n : block(&self->c));
			n = j->src[j->submit.nr_src - 1].len;
		}
		for (left = len; left; left -= n) {
			n = (cuts[(i + 1) % 4][j->submit.nr_dst % 3] + u - 1) / u * u;
			n = n < left ? n : left;
			job_to(j, to + len - left, n < block(&self->c) ? n : block(&self->c));
			n = j->dst[j->submit.nr_dst - 1].len;
		}
		expect_runs(_metadata, &self->c, j);
		EXPECT_EQ(-1, pattern_differs(to, len, SEED + i));
	}
}

/* The lists of a job with any number of segments. */
struct long_job {
	struct job job;
	struct ferrodma_seg *src, *dst;
};

/* Makes a copy between @n places of @len bytes each, in opposite orders. */
static bool long_job(struct long_job *l, const struct channel *c, uint32_t n, size_t len)
{
	l->src = calloc(n, sizeof(*l->src));
	l->dst = calloc(n, sizeof(*l->dst));
	if (!l->src || !l->dst)
		return false;
	job_init(&l->job);
	l->job.submit.src = (uintptr_t)l->src;
	l->job.submit.dst = (uintptr_t)l->dst;
	for (uint32_t i = 0; i < n; i++) {
		job_add(c, l->src, &l->job.submit.nr_src, i * len, len);
		job_add(c, l->dst, &l->job.submit.nr_dst, c->size / 2 + (n - 1 - i) * len, len);
	}
	return true;
}

TEST_F(channel, most_segments_of_the_greatest_length_and_one_more)
{
	uint32_t n = self->c.info.max_segments;
	size_t len = block(&self->c), to = self->c.size / 2;
	struct long_job l;

	ASSERT_TRUE(long_job(&l, &self->c, n, len));
	expect_runs(_metadata, &self->c, &l.job);
	EXPECT_EQ(self->c.info.max_job_bytes, l.job.submit.completion.bytes);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(self->c.mem + to + i * len,
				    self->c.mem + (n - 1 - i) * len, len));
	expect_all_back(_metadata, &self->c);

	make_pattern(&self->c, SEED);
	ASSERT_TRUE(long_job(&l, &self->c, n + 1, unit(&self->c)));
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
	/* One segment too many on one side only. */
	l.job.submit.nr_src = n;
	l.src[n - 1].len += unit(&self->c);
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
	ASSERT_TRUE(long_job(&l, &self->c, n + 1, unit(&self->c)));
	l.job.submit.nr_dst = n;
	l.dst[n - 1].len += unit(&self->c);
	expect_not_sent(_metadata, &self->c, &l.job, -E2BIG);
}

/* Places */

TEST_F(channel, messages_across_the_end_of_a_page)
{
	size_t len = block(&self->c), page = page_size();
	uint8_t *from = new_pages(2), *to = new_pages(2);

	ASSERT_TRUE(from && to);
	for (size_t i = 0; i <= len; i++) {
		pattern_fill(JUST_BEFORE(from, i), len, SEED + i);
		memset(to, 0xee, 2 * page);
		job_move(&self->job, JUST_BEFORE(to, len - i), JUST_BEFORE(from, i), len);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
		ASSERT_EQ(-1, pattern_differs(JUST_BEFORE(to, len - i), len, SEED + i));
		ASSERT_EQ(-1, value_differs(to, page - len + i, 0xee));
		ASSERT_EQ(-1, value_differs(JUST_BEFORE(to, len - i) + len, page - i, 0xee));
	}
}

TEST_F(channel, memory_that_nobody_has_touched)
{
	size_t len = block(&self->c);
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	memset(self->c.mem, 0xee, len);
	job_move(&self->job, self->c.mem, p, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(self->c.mem, len, 0));
	make_pattern(&self->c, SEED);
	job_move(&self->job, p + page_size(), self->c.mem, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(p + page_size(), len, SEED));
}

TEST_F(channel, source_that_may_only_be_read)
{
	static const char constant[] = "Constants are good enough to be sent.";
	size_t len = sizeof(constant) - sizeof(constant) % unit(&self->c);
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	job_move(&self->job, self->c.mem, constant, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(0, memcmp(self->c.mem, constant, len));
	pattern_fill(p, page_size(), SEED + 1);
	ASSERT_EQ(0, mprotect(p, page_size(), PROT_READ));
	job_move(&self->job, self->c.mem, JUST_BEFORE(p, block(&self->c)), block(&self->c));
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(0, memcmp(self->c.mem, JUST_BEFORE(p, block(&self->c)), block(&self->c)));
}

/* Tests a shared mapping of a file, which changes the file, and a private one, which does not. */
TEST_F(channel, memory_of_a_file)
{
	size_t len = block(&self->c);
	int fd = new_file(1);
	uint8_t *shared, *private, contents[len], zeros[len];

	ASSERT_LE(0, fd);
	shared = map_pages(1, RW, MAP_SHARED, fd);
	private = map_pages(1, RW, MAP_PRIVATE, fd);
	ASSERT_TRUE(shared && private);
	memset(zeros, 0, len);

	job_move(&self->job, shared + 100, self->c.mem, len);
	expect_runs(_metadata, &self->c, &self->job);
	ASSERT_EQ(len, pread(fd, contents, len, 100));
	EXPECT_EQ(-1, pattern_differs(contents, len, SEED));
	/* Until it is written, a private mapping shows the file. */
	job_move(&self->job, self->c.mem + self->c.size / 2, private + 100, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + self->c.size / 2, len, SEED));

	job_move(&self->job, private + 100, zeros, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(private + 100, len, 0));
	ASSERT_EQ(len, pread(fd, contents, len, 100));
	EXPECT_EQ(-1, pattern_differs(contents, len, SEED));

	pattern_fill(contents, len, SEED + 1);
	ASSERT_EQ(len, pwrite(fd, contents, len, 200));
	job_move(&self->job, self->c.mem, shared + 200, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(self->c.mem, len, SEED + 1));
}

TEST_F(channel, shared_memory_is_written_for_all)
{
	size_t len = block(&self->c);
	uint8_t *p = map_pages(1, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	pid_t pid = fork();

	ASSERT_TRUE(p != NULL);
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(1, queue_and_finish(&self->c, p, self->c.mem, len));
		_exit(read_records(&self->c, &record, 1) != 1 || record.status);
	}
	expect_child_ends(_metadata, pid);
	EXPECT_EQ(-1, pattern_differs(p, len, SEED));
	EXPECT_EQ(-1, value_differs(p + len, page_size() - len, 0));
}

/* Fills */

TEST_F(channel, fill_of_several_messages)
{
	size_t most = block(&self->c), step = most + 8, u = unit(&self->c);
	uint32_t n = most_segments(&self->c);
	uint8_t *model = malloc(self->c.size);
	struct job *j = &self->job;

	ASSERT_TRUE(model != NULL);
	memcpy(model, self->c.mem, self->c.size);
	for (enum way by = 0; by < WAYS; by++) {
		job_fill(j, &self->c, 0xa1 + by, 0, u);
		j->submit.nr_dst = 0;
		for (uint32_t i = 0; i < n && (i + 1) * step < self->c.size; i++) {
			size_t len = u * (1 + (i * 37 + by) % (most / u));

			job_to(j, self->c.mem + i * step + by, len);
			memset(model + i * step + by, 0xa1 + by, len);
		}
		ASSERT_EQ(0, submit_and_take(&self->c, j, by, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	}
	job_fill(j, &self->c, 0x11, 0, u);
	j->dst[0].len = most + u;
	EXPECT_EQ(-EMSGSIZE, job_run(&self->c, j));
	EXPECT_EQ(-1, area_differs(self->c.mem, model, self->c.size));
	expect_all_back(_metadata, &self->c);
	free(model);
}

TEST_HARNESS_MAIN
