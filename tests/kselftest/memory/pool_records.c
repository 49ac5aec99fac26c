// SPDX-License-Identifier: GPL-2.0
/*
 * When the messages of a pool channel are copied: in when the job is submitted, and out when
 * its record is taken, to the memory of the program that takes it.
 */
#include <pthread.h>

#include "channel_fixture.h"
#include "pool_checks.h"

ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

/* When the source is read */

TEST_F(channel, source_may_change_once_SUBMIT_has_returned)
{
	size_t len = self->c.size / 2;

	job_copy(&self->job, &self->c, 0, len, len);
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	memset(self->c.mem, 0xee, len);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	pattern_fill(self->c.mem, len, SEED);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + len, len));
}

TEST_F(channel, source_may_go_away_once_SUBMIT_has_returned)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, block(&self->c), SEED + 1);
	job_move(&self->job, self->c.mem, p, block(&self->c));
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(0, munmap(p, page_size()));
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem, block(&self->c), SEED + 1));
}

/* When the destination is written, and whose it is */

TEST_F(channel, destination_is_written_when_the_record_is_taken)
{
	size_t len = block(&self->c), to = self->c.size / 2;

	for (enum way by = BY_READ; by < WAYS; by++) {
		uint64_t cookie = queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len);

		ASSERT_NE(0, cookie);
		expect_untouched(_metadata, &self->c);
		/* The job has given its blocks back. */
		expect_all_back(_metadata, &self->c);
		memset(self->c.mem + to, 0xee, len);
		ASSERT_EQ(0, take_by(&self->c, by, cookie, &record));
		EXPECT_EQ(0, record.status);
		EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
		make_pattern(&self->c, SEED);
	}
}

TEST_F(channel, jobs_whose_records_are_never_taken_write_nothing)
{
	struct channel other;

	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
	for (int i = 0; i < 8; i++)
		ASSERT_NE(0, queue_and_finish(&other, self->c.mem + self->c.size / 2,
					      self->c.mem, block(&other)));
	channel_close(&other);
	expect_untouched(_metadata, &self->c);
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, destination_that_goes_away_before_the_record_is_taken)
{
	for (enum way by = BY_READ; by < WAYS; by++) {
		uint8_t *p = new_pages(1);
		uint64_t cookie;

		ASSERT_TRUE(p != NULL);
		cookie = queue_and_finish(&self->c, p, self->c.mem, block(&self->c));
		ASSERT_NE(0, cookie);
		ASSERT_EQ(0, munmap(p, page_size()));
		ASSERT_EQ(0, take_by(&self->c, by, cookie, &record));
		EXPECT_EQ(-EFAULT, record.status);
		EXPECT_EQ(cookie, record.cookie);
		expect_works(_metadata, &self->c);
	}
	expect_all_back(_metadata, &self->c);
}

TEST_F(channel, destination_that_is_there_in_time_for_the_record)
{
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, munmap(p, page_size()));
	ASSERT_EQ(1, queue_and_finish(&self->c, p, self->c.mem, block(&self->c)));
	ASSERT_TRUE(mmap(p, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    p);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(p, block(&self->c), SEED));
	EXPECT_EQ(-1, value_differs(p + block(&self->c), page_size() - block(&self->c), 0));
}

static void *taking(void *arg)
{
	return (void *)(intptr_t)read_records(arg, &record, 1);
}

TEST_F(channel, thread_that_takes_the_record_writes_the_memory_of_all)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	pthread_t thread;
	void *got;

	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	expect_untouched(_metadata, &self->c);
	ASSERT_EQ(0, pthread_create(&thread, NULL, taking, &self->c));
	ASSERT_EQ(0, pthread_join(thread, &got));
	EXPECT_EQ(1, (intptr_t)got);
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
}

/* Records that cannot be given at first */

TEST_F(channel, read_to_a_bad_pointer_leaves_record_and_data_for_the_next)
{
	size_t len = block(&self->c), to = self->c.size / 2;

	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)UNMAPPED_ADDR, 1));
	EXPECT_EQ(-EFAULT, read_records(&self->c, (void *)UNMAPPED_ADDR, 1));
	/* The data may have been written already. Undo that. */
	make_pattern(&self->c, SEED);
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(len, record.bytes);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, WAIT_that_cannot_be_answered_leaves_record_and_data_for_the_next)
{
	size_t len = block(&self->c), to = self->c.size / 2;
	struct ferrodma_wait *w = (void *)new_pages(1);

	ASSERT_TRUE(w != NULL);
	*w = (struct ferrodma_wait){ .size = sizeof(*w), .cookie = 1 };
	ASSERT_EQ(0, mprotect(w, page_size(), PROT_READ));
	ASSERT_EQ(1, queue_and_finish(&self->c, self->c.mem + to, self->c.mem, len));
	EXPECT_EQ(-EFAULT, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, w));
	make_pattern(&self->c, SEED);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + to, len, SEED));
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, record_is_given_after_the_data)
{
	struct ferrodma_completion *r = (void *)(self->c.mem + self->c.size / 2);

	ASSERT_GE(block(&self->c), sizeof(*r) / 2);
	/* The record and the data go to the same memory. */
	job_move(&self->job, r, self->c.mem, sizeof(*r) / 2);
	self->job.submit.user_data = 0x123456789abcdef0;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(1, read_records(&self->c, r, 1));
	EXPECT_EQ(1, r->cookie);
	EXPECT_EQ(0x123456789abcdef0, r->user_data);
	EXPECT_EQ(0, r->status);
}

TEST_HARNESS_MAIN
