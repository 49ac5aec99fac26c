// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that wait for blocks of a pool, queued jobs that have blocks, and pages that a call has
 * to wait for. Run by pool_waits.sh.
 */
#include "blocks_fixture.h"

static struct ferrodma_completion record;

/* Calls that sleep until blocks come back */

TEST_F(blocks, SUBMIT_sleeps_until_blocks_come_back)
{
	for (int wait = 0; wait < 2; wait++) {
		struct sleeper s = {};
		uint32_t jobs = take_all_blocks(&self->c);

		ASSERT_NE(0, jobs);
		job_at(&s.job, &self->other, wait, WORKS, 1);
		s.job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		make_sleeping_call(_metadata, &s, &self->other, call_submit);
		EXPECT_TAKEN(self->total);
		ASSERT_EQ(0, job_cancel(&self->c, wait * jobs + 1));
		expect_ends(_metadata, &s, 0);
		EXPECT_EQ(wait + 1, s.job.submit.cookie);
		if (!wait)
			ASSERT_EQ(0, take(&self->other, 1, &s.record));
		EXPECT_EQ(0, s.record.status);
		EXPECT_EQ(-1, places_differ(&self->other, 0, wait + 1));
		for (uint32_t i = 0; i < jobs; i++)
			ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_TAKEN(0);
	}
}

TEST_F(blocks, SUBMIT_sleeps_on_while_too_few_come_back)
{
	struct sleeper s = {};
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	job_at(&s.job, &self->other, 0, WORKS, 4);
	make_sleeping_call(_metadata, &s, &self->other, call_submit);
	for (int back = 2; back <= 4; back += 2) {
		ASSERT_EQ(0, job_cancel(&self->c, jobs));
		ASSERT_EQ(0, take(&self->c, jobs--, NULL));
		EXPECT_TRUE(wait_until_asleep(&s.id));
		EXPECT_FALSE(s.done);
		EXPECT_TAKEN(self->total - back);
	}
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	expect_ends(_metadata, &s, 0);
	ASSERT_EQ(0, take(&self->c, jobs, NULL));
	EXPECT_TAKEN(self->total - 1);
}

/* Some want all blocks, which requires that no other job has any. */
TEST_F(blocks, all_who_sleep_get_their_turn)
{
	const uint32_t segments[][2] = {
		{ WORKS, 1 }, { self->most, self->most }, { WORKS, 5 }, { WORKS, self->most },
		{ self->most, 1 }, { self->most, self->most },
	};
	static struct sleeper s[ARRAY_SIZE(segments)];

	ASSERT_NE(0, take_all_blocks(&self->c));
	for (int i = 0; i < ARRAY_SIZE(s); i++) {
		job_at(&s[i].job, &self->other, i, segments[i][0], segments[i][1]);
		s[i].job.submit.flags = FERRODMA_SUBMIT_WAIT;
		make_sleeping_call(_metadata, &s[i], &self->other, call_submit);
	}
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 0; i < ARRAY_SIZE(s); i++) {
		expect_ends(_metadata, &s[i], 0);
		EXPECT_EQ(0, s[i].record.status);
	}
	EXPECT_EQ(-1, places_differ(&self->other, 0, ARRAY_SIZE(s)));
}

TEST_F(blocks, poll_sleeps_until_blocks_come_back)
{
	struct sleeper s = { .events = POLLOUT };
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->other));
	ASSERT_EQ(0, queue_at(&self->other, 0, WORKS, 1));
	make_sleeping_call(_metadata, &s, &self->other, call_poll);
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	expect_ends(_metadata, &s, POLLOUT);
	EXPECT_EQ(1, queue_at(&self->other, 0, WORKS, 1));
}

TEST_F(blocks, SUBMIT_goes_on_when_another_file_is_closed)
{
	struct sleeper s = {};

	ASSERT_NE(0, take_all_blocks(&self->c));
	job_at(&s.job, &self->other, 0, WORKS, 1);
	make_sleeping_call(_metadata, &s, &self->other, call_submit);
	close(self->c.fd);
	self->c.fd = -1;
	expect_ends(_metadata, &s, 0);
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_TAKEN(0);
	/* The records of the queued jobs are lost, so their data are not written. */
	expect_untouched(_metadata, &self->c);
}

TEST_F(blocks, signal_ends_the_sleep_of_SUBMIT_and_nothing_is_submitted)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	for (int wait = 0; wait < 2; wait++) {
		job_at(&self->job, &self->other, 0, WORKS, 1);
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		alarm_every(20);
		EXPECT_EQ(-EINTR, job_submit(&self->other, &self->job));
		alarm_every(0);
		EXPECT_TAKEN(self->total);
	}
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, jobs, NULL));
	EXPECT_TAKEN(0);
	EXPECT_FALSE(has_record(&self->other));
	expect_untouched(_metadata, &self->other);
	EXPECT_EQ(1, queue_at(&self->other, 0, WORKS, 1));
}

TEST_F(blocks, unbind_ends_the_sleep_of_SUBMIT_with_ENODEV)
{
	static struct sleeper s[2];
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	for (int wait = 0; wait < 2; wait++) {
		job_at(&s[wait].job, &self->other, 0, WORKS, 1);
		s[wait].job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		make_sleeping_call(_metadata, &s[wait], &self->other, call_submit);
	}
	ASSERT_EQ(0, device_unbind(&self->device));
	for (int wait = 0; wait < 2; wait++)
		expect_ends(_metadata, &s[wait], -ENODEV);
	EXPECT_EQ(-ENODEV, read_records(&self->other, &record, 1));
	expect_untouched(_metadata, &self->other);
	for (uint32_t i = 1; i <= jobs; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(-ENODEV, record.status);
	}
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
	expect_untouched(_metadata, &self->c);
}

/* Jobs that wait */

TEST_F(blocks, source_may_change_and_go_while_the_job_waits)
{
	size_t len = self->c.info.block_size;
	uint8_t *p = new_pages(1);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, len, SEED + 1);
	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 1));
	ASSERT_EQ(2, queue_at(&self->c, 1, WORKS, 4));
	job_at(&self->job, &self->c, 2, WORKS, 1);
	self->job.src[0].addr = (uintptr_t)p;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	memset(self->c.mem, 0xee, 2 * len);
	ASSERT_EQ(0, munmap(p, page_size()));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 1; i <= 3; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + self->c.size / 2 + 2 * len, len, SEED + 1));
	pattern_fill(self->c.mem, 2 * len, SEED);
	EXPECT_EQ(0, memcmp(self->c.mem + self->c.size / 2 + len, self->c.mem + len, len));
}

/* While the job waits, when it is cancelled, and when it is done. */
TEST_F(blocks, destination_is_left_alone_until_the_record_is_taken)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	expect_untouched(_metadata, &self->c);
	ASSERT_EQ(0, job_cancel(&self->c, 2));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, jobs, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, places_differ(&self->c, jobs - 1, jobs));
	/* Take the records from the last to the first; the first two are of cancelled jobs. */
	for (uint32_t i = jobs - 1; i; i--) {
		ASSERT_EQ(0, take(&self->c, i, &record));
		EXPECT_EQ(i < 3 ? -ECANCELED : 0, record.status);
		EXPECT_EQ(-1, places_differ(&self->c, i < 3 ? 2 : i - 1, jobs));
	}
}

/* Pages that a call has to wait for */

/* Has a SUBMIT wait for the page of its source; returns the page, or NULL without userfaultfd. */
static uint8_t *submit_slow_source(struct __test_metadata *_metadata, struct sleeper *s,
				   const struct channel *c, int *uffd)
{
	uint8_t *slow = pages_on_demand(1, uffd);

	if (!slow)
		return NULL;
	job_at(&s->job, c, 0, WORKS, 1);
	s->job.src[0].addr = (uintptr_t)slow;
	make_call(_metadata, s, c, call_submit);
	ASSERT_TRUE(wait_demand(*uffd));
	return slow;
}

TEST_F(blocks, slow_source_holds_no_block_and_nobody_else)
{
	struct sleeper s = {};
	int uffd;
	uint8_t *slow = submit_slow_source(_metadata, &s, &self->c, &uffd);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	EXPECT_TAKEN(0);
	job_at(&self->job, &self->other, 0, self->most, self->most);
	expect_runs(_metadata, &self->other, &self->job);
	ASSERT_EQ(1, queue_at(&self->c, 1, WORKS, 1));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(0, supply(uffd, slow, self->c.mem));
	expect_ends(_metadata, &s, 0);
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, places_differ(&self->c, 0, 2));
}

TEST_F(blocks, slow_source_does_not_hold_up_unbind)
{
	struct sleeper s = {};
	int uffd;
	uint8_t *slow = submit_slow_source(_metadata, &s, &self->c, &uffd);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(0, supply(uffd, slow, self->c.mem));
	expect_ends(_metadata, &s, -ENODEV);
}

TEST_F(blocks, slow_destination_holds_no_block_and_nobody_else)
{
	struct sleeper s = {};
	int uffd;
	uint8_t *slow = pages_on_demand(1, &uffd), *zeros = new_pages(1);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_at(&self->job, &self->c, 0, WORKS, 1);
	self->job.dst[0].addr = (uintptr_t)slow;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_TRUE(wait_record(&self->c));
	make_call(_metadata, &s, &self->c, call_read);
	ASSERT_TRUE(wait_demand(uffd));
	EXPECT_TAKEN(0);
	/* Other threads can take other records of the file. */
	for (int i = 2; i <= 3; i++) {
		ASSERT_EQ(i, queue_at(&self->c, i, WORKS, 1));
		ASSERT_TRUE(wait_record(&self->c));
	}
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(2, record.cookie);
	ASSERT_EQ(0, take(&self->c, 3, NULL));
	EXPECT_EQ(-1, places_differ(&self->c, 2, 4));
	EXPECT_FALSE(s.done);
	/* The record and its data outlive the device. */
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(0, supply(uffd, slow, zeros));
	expect_ends(_metadata, &s, 1);
	EXPECT_EQ(1, s.record.cookie);
	EXPECT_EQ(0, s.record.status);
	EXPECT_EQ(-1, pattern_differs(slow, self->c.info.block_size, SEED));
}

TEST_HARNESS_MAIN
