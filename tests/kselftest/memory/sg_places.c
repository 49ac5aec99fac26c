// SPDX-License-Identifier: GPL-2.0
/* Offsets in a page at which the memory of a job of an sg channel may begin and end. */
#include "channel_fixture.h"
#include "sg_checks.h"

ON_CHANNEL(sg, 0);
/* With a second thread, the mappings are locked while pages are pinned. */
ON_CHANNEL_WITH_THREADS(sg, 0);

/*
 * A number that has no common factor with the size of a page; steps of it visit all offsets in
 * a mixed order.
 */
#define STRIDE	1237

/*
 * Copies @len bytes from @from in the source to @to in the destination, and compares the
 * destination, three pages, with the model.
 */
static void expect_places(struct __test_metadata *_metadata, const struct channel *c,
			  uint8_t *mem, uint8_t *model, size_t to, size_t from, size_t len)
{
	uint8_t *src = mem, *dst = mem + 3 * page_size();
	struct job j;

	job_move(&j, dst + to, src + from, len);
	ASSERT_EQ(0, job_run(c, &j));
	memcpy(model + to, src + from, len);
	ASSERT_EQ(-1, area_differs(dst, model, 3 * page_size()))
		TH_LOG("%zu bytes from %zu to %zu", len, from, to);
}

TEST_F(channel, every_offset_in_a_page_is_right_in_source_and_destination)
{
	size_t page = page_size(), a = address_unit(&self->c), n = page / a;
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	for (size_t i = 0; i < n; i++)
		expect_places(_metadata, &self->c, mem, model, i * STRIDE % n * a, i * a,
			      (1 + i % 71) * unit(&self->c));
}

TEST_F(channel, every_distance_from_the_end_of_a_page_is_right)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c);
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	/* Move both ends of both sides across the end of a page. */
	for (size_t i = 0; i < 20; i++) {
		for (size_t k = 0; k < 20; k++) {
			expect_places(_metadata, &self->c, mem, model, page - 10 * a + i * a,
				      page - 10 * a + k * a, 10 * u);
			expect_places(_metadata, &self->c, mem, model, page - 10 * a + k * a,
				      page - 10 * a + i * a, page);
		}
	}
}

TEST_F(channel, lengths_around_whole_pages_are_right)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c), len;
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	for (size_t pages = 1; pages <= 2; pages++) {
		for (len = pages * page - 3 * u; len <= pages * page + 3 * u; len += u) {
			for (size_t at = 0; at < 5; at++) {
				expect_places(_metadata, &self->c, mem, model, at * a,
					      (4 - at) * a, len);
				expect_places(_metadata, &self->c, mem, model,
					      3 * page - len - at * a, at * a, len);
			}
		}
	}
}

TEST_F(channel, one_page_may_be_in_every_segment)
{
	uint32_t n = most_segments(&self->c);
	size_t page = page_size(), piece = page / n;
	uint8_t *src = new_pages(1), *dst = new_pages(1);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst && piece);
	pattern_fill(src, page, SEED);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		job_from(j, src + i * STRIDE % n * piece, piece);
		job_to(j, dst + (i * 61 + 7) % n * piece, piece);
	}
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(dst + (i * 61 + 7) % n * piece,
				    src + i * STRIDE % n * piece, piece));
	EXPECT_EQ(-1, value_differs(dst + n * piece, page - n * piece, 0));
	EXPECT_EQ(-1, pattern_differs(src, page, SEED));
}

TEST_F(channel, source_and_destination_may_be_in_one_page)
{
	size_t page = page_size(), quarter = page / 4;
	uint8_t *p = new_pages(1), *model = malloc(page);

	ASSERT_TRUE(p && model);
	pattern_fill(p, page, SEED);
	memcpy(model, p, page);
	job_move(&self->job, p + 2 * quarter, p + quarter, quarter);
	expect_runs(_metadata, &self->c, &self->job);
	memcpy(model + 2 * quarter, model + quarter, quarter);
	EXPECT_EQ(-1, area_differs(p, model, page));
}

TEST_F(channel, one_segment_may_be_in_mappings_of_several_kinds)
{
	size_t page = page_size();
	uint8_t *p = new_pages(5);
	int fd = new_file(1);

	ASSERT_TRUE(p != NULL);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(mmap(p + page, page, RW, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	ASSERT_TRUE(mmap(p + 3 * page, page, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) != MAP_FAILED);
	expect_usable(_metadata, &self->c, p, 5 * page);
}

TEST_F(channel, fill_of_every_part_of_a_page)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c);
	uint8_t *p = new_pages(3), *model = calloc(3, page);
	struct job *j = &self->job;

	ASSERT_TRUE(p && model);
	for (size_t i = 0; i < 128; i++) {
		size_t at = i * STRIDE % (2 * page / a) * a, len = (1 + i * 37 % (page / u)) * u;

		job_init(j);
		j->submit.flags = FERRODMA_SUBMIT_FILL;
		j->submit.src = i;
		job_to(j, p + at, len);
		ASSERT_EQ(0, job_run(&self->c, j));
		memset(model + at, i, len);
		ASSERT_EQ(-1, area_differs(p, model, 3 * page));
	}
}

TEST_HARNESS_MAIN
