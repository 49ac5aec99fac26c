// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of a pool channel whose source cannot be read, for which SUBMIT fails, or whose
 * destination cannot be written, for which the record has an error.
 */
#include "channel_fixture.h"
#include "pool_checks.h"

ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/* Sources that cannot be read */

/* Fails the test unless SUBMIT refuses jobs with a part of their source at @bad. */
static void expect_bad_source(struct __test_metadata *_metadata, const struct channel *c,
			      uint64_t bad)
{
	size_t len = 16 * unit(c), to = c->size / 2;
	struct job j;

	for (int good = 0; good < 3; good++) {
		job_init(&j);
		for (int i = 0; i < good; i++)
			job_from(&j, c->mem + i * len, len);
		j.src[j.submit.nr_src++] = (struct ferrodma_seg){ bad, len };
		j.submit.nr_dst = job_list(c, j.dst, to, (good + 1) * len);
		expect_not_sent(_metadata, c, &j, -EFAULT);
	}
}

TEST_F(channel, source_that_is_not_there_is_EFAULT_and_nothing_is_sent)
{
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p + page_size(), page_size()));
	expect_bad_source(_metadata, &self->c, UNMAPPED_ADDR);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, KERNEL_ADDR);
	/* The bad part is within a segment. */
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	/* No job has been counted so far. */
	EXPECT_EQ(1, queue_one(&self->c, 0));
}

TEST_F(channel, source_that_may_not_be_read_is_EFAULT_and_nothing_is_sent)
{
	uint8_t *p = page_before_a_hole();

	ASSERT_TRUE(p != NULL);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	EXPECT_EQ(1, queue_one(&self->c, 0));
}

TEST_F(channel, source_behind_the_end_of_its_file_is_EFAULT)
{
	int fd = new_file(1);
	uint8_t *p = map_pages(2, PROT_READ, MAP_SHARED, fd);

	ASSERT_TRUE(p != NULL);
	expect_bad_source(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_source(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
}

/* Destinations that cannot be written */

/*
 * Fails the test unless the record of a job with a part of its destination at @bad says EFAULT,
 * whichever call takes it, and the next job works.
 */
static void expect_bad_destination(struct __test_metadata *_metadata, const struct channel *c,
				   uint64_t bad)
{
	size_t len = 16 * unit(c), to = c->size / 2;
	struct job j;

	for (int i = 0; i < 3 * WAYS; i++) {
		int good = i % 3;

		job_init(&j);
		j.submit.user_data = 1000 + i;
		j.submit.nr_src = job_list(c, j.src, 0, (good + 1) * len);
		for (int k = 0; k < good; k++)
			job_to(&j, c->mem + to + k * len, len);
		j.dst[j.submit.nr_dst++] = (struct ferrodma_seg){ bad, len };
		ASSERT_EQ(0, submit_and_take(c, &j, i / 3, &record));
		EXPECT_EQ(-EFAULT, record.status);
		EXPECT_EQ(1000 + i, record.user_data);
		EXPECT_EQ(j.submit.cookie, record.cookie);
		EXPECT_FALSE(has_record(c));
		expect_all_back(_metadata, c);
		/* No other memory has changed. */
		EXPECT_EQ(-1, pattern_differs(c->mem, to, SEED));

		job_copy(&j, c, 0, to, len);
		ASSERT_EQ(0, submit_and_take(c, &j, i / 3, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, area_differs(c->mem, c->mem + to, len));
		make_pattern(c, SEED);
	}
}

TEST_F(channel, destination_that_is_not_there_is_EFAULT_in_the_record)
{
	uint8_t *p = new_pages(2);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p + page_size(), page_size()));
	expect_bad_destination(_metadata, &self->c, UNMAPPED_ADDR);
	expect_bad_destination(_metadata, &self->c, KERNEL_ADDR);
	expect_bad_destination(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_destination(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
}

TEST_F(channel, destination_that_may_not_be_written_is_EFAULT_in_the_record)
{
	uint8_t *p = new_pages(2), *hole = page_before_a_hole();

	ASSERT_TRUE(p && hole);
	ASSERT_EQ(0, mprotect(p + page_size(), page_size(), PROT_READ));
	expect_bad_destination(_metadata, &self->c, (uintptr_t)p + page_size());
	expect_bad_destination(_metadata, &self->c, (uintptr_t)JUST_BEFORE(p, unit(&self->c)));
	expect_bad_destination(_metadata, &self->c, (uintptr_t)hole + page_size());
}

TEST_F(channel, destination_that_may_only_be_read_stays_as_it_is)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, page_size(), SEED + 1);
	ASSERT_EQ(0, mprotect(p, page_size(), PROT_READ));
	for (enum way by = 0; by < WAYS; by++) {
		job_move(&self->job, p, self->c.mem, block(&self->c));
		ASSERT_EQ(0, submit_and_take(&self->c, &self->job, by, &record));
		EXPECT_EQ(-EFAULT, record.status);
	}
	EXPECT_EQ(-1, pattern_differs(p, page_size(), SEED + 1));
}

TEST_F(channel, fill_of_a_destination_that_is_not_there_is_EFAULT_in_the_record)
{
	for (enum way by = 0; by < WAYS; by++) {
		job_fill(&self->job, &self->c, 0x5a, 0, unit(&self->c));
		self->job.dst[0].addr = UNMAPPED_ADDR;
		ASSERT_EQ(0, submit_and_take(&self->c, &self->job, by, &record));
		EXPECT_EQ(-EFAULT, record.status);
	}
	expect_untouched(_metadata, &self->c);
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, one_bad_destination_is_no_matter_of_the_jobs_beside_it)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	struct ferrodma_completion many[3];

	for (int i = 0; i < 3; i++) {
		job_copy(&self->job, &self->c, i * len, to + i * len, len);
		if (i == 1)
			self->job.dst[0].addr = UNMAPPED_ADDR;
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
	}
	for (int got = 0, n; got < 3; got += n) {
		n = read_records(&self->c, many + got, 3 - got);
		ASSERT_LT(0, n);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(i + 1, many[i].cookie);
		EXPECT_EQ(i == 1 ? -EFAULT : 0, many[i].status);
		EXPECT_EQ(i == 1, area_differs(self->c.mem + i * len,
					       self->c.mem + to + i * len, len) != -1);
	}
}

TEST_HARNESS_MAIN
