// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to a queued job of an sg channel when its program changes its mappings, forks,
 * or ends. Run by sg_held.sh.
 */
#include <sys/wait.h>

#include "children.h"
#include "held_fixture.h"

/* Queues a copy of all of src to dst. */
static void queue_it(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self)
{
	ASSERT_EQ(1, queue_copy(&self->c, self->dst, self->src, self->len));
	ASSERT_FALSE(has_record(&self->c));
}

/* Lets the channel go on, and takes the record of the copy. */
static void go_on(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self)
{
	ASSERT_FALSE(has_record(&self->c));
	end_pause(_metadata, self);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(self->len, record.bytes);
	expect_unpinned(_metadata, self->held);
}

/* Makes the destination shared memory; returns a second mapping of it. */
static uint8_t *share_destination(FIXTURE_DATA(held) *self)
{
	int fd = new_file(PAGES);
	uint8_t *other;

	if (fd < 0)
		return NULL;
	self->dst = map_pages(PAGES, RW, MAP_SHARED, fd);
	other = map_pages(PAGES, RW, MAP_SHARED, fd);
	close(fd);
	if (!self->dst || !other)
		return NULL;
	pattern_fill(other, self->len, SEED + 2);
	return other;
}

/* Mappings that change while the job waits; the job keeps the pages that it has pinned */

TEST_F(held, source_that_is_unmapped)
{
	queue_it(_metadata, self);
	ASSERT_EQ(0, munmap(self->src, self->len));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
}

TEST_F(held, source_in_whose_place_is_something_else)
{
	queue_it(_metadata, self);
	ASSERT_TRUE(mmap(self->src, self->len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == self->src);
	memset(self->src, 0xee, self->len);
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
	EXPECT_EQ(-1, value_differs(self->src, self->len, 0xee));
}

TEST_F(held, source_that_is_moved)
{
	uint8_t *room = new_pages(PAGES);

	ASSERT_TRUE(room != NULL);
	queue_it(_metadata, self);
	ASSERT_TRUE(mremap(self->src, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   room) == room);
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
	EXPECT_EQ(-1, pattern_differs(room, self->len, SEED + 1));
}

TEST_F(held, source_that_is_given_back)
{
	queue_it(_metadata, self);
	ASSERT_EQ(0, madvise(self->src, self->len, MADV_DONTNEED));
	ASSERT_EQ(-1, value_differs(self->src, self->len, 0));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
	EXPECT_EQ(-1, value_differs(self->src, self->len, 0));
}

TEST_F(held, source_that_can_no_longer_be_touched)
{
	queue_it(_metadata, self);
	ASSERT_EQ(0, mprotect(self->src, self->len, PROT_NONE));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
}

/* The job may copy the old or the new contents of a word. */
TEST_F(held, source_that_is_written)
{
	queue_it(_metadata, self);
	memset(self->src, 0xee, self->len);
	go_on(_metadata, self);
	for (size_t i = 0; i < self->len; i += sizeof(uint64_t)) {
		uint64_t word = pattern_word(SEED + 1, i / sizeof(word));

		if (value_differs(self->dst + i, sizeof(word), 0xee) != -1)
			ASSERT_EQ(0, memcmp(self->dst + i, &word, sizeof(word)));
	}
}

TEST_F(held, destination_that_is_unmapped)
{
	uint8_t *other = share_destination(self);

	ASSERT_TRUE(other != NULL);
	queue_it(_metadata, self);
	ASSERT_EQ(0, munmap(self->dst, self->len));
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 2));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 1));
}

TEST_F(held, destination_in_whose_place_is_something_else)
{
	uint8_t *other = share_destination(self);

	ASSERT_TRUE(other != NULL);
	queue_it(_metadata, self);
	ASSERT_TRUE(mmap(self->dst, self->len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == self->dst);
	memset(self->dst, 0xee, self->len);
	go_on(_metadata, self);
	EXPECT_EQ(-1, value_differs(self->dst, self->len, 0xee));
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 1));
}

TEST_F(held, private_destination_whose_pages_are_used_elsewhere_by_then)
{
	uint8_t *p;

	queue_it(_metadata, self);
	ASSERT_EQ(0, munmap(self->dst, self->len));
	/* If the pages were free, this would get them. */
	p = new_pages(256);
	ASSERT_TRUE(p != NULL);
	memset(p, 0xee, 256 * page_size());
	go_on(_metadata, self);
	EXPECT_EQ(-1, value_differs(p, 256 * page_size(), 0xee));
}

TEST_F(held, destination_that_is_moved)
{
	uint8_t *room = new_pages(PAGES);

	ASSERT_TRUE(room != NULL);
	queue_it(_metadata, self);
	ASSERT_TRUE(mremap(self->dst, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   room) == room);
	EXPECT_EQ(-1, pattern_differs(room, self->len, SEED + 2));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(room, self->len, SEED + 1));
}

TEST_F(held, destination_that_is_given_back)
{
	queue_it(_metadata, self);
	ASSERT_EQ(0, madvise(self->dst, self->len, MADV_DONTNEED));
	ASSERT_EQ(-1, value_differs(self->dst, self->len, 0));
	go_on(_metadata, self);
	EXPECT_EQ(-1, value_differs(self->dst, self->len, 0));
}

TEST_F(held, destination_that_is_write_protected)
{
	queue_it(_metadata, self);
	ASSERT_EQ(0, mprotect(self->dst, self->len, PROT_READ));
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
}

TEST_F(held, destination_in_a_file_that_is_cut_off)
{
	int fd = new_file(PAGES);

	ASSERT_LE(0, fd);
	self->dst = map_pages(PAGES, RW, MAP_SHARED, fd);
	ASSERT_TRUE(self->dst != NULL);
	pattern_fill(self->dst, self->len, SEED + 2);
	queue_it(_metadata, self);
	ASSERT_EQ(0, ftruncate(fd, 0));
	ASSERT_EQ(0, ftruncate(fd, self->len));
	ASSERT_EQ(-1, value_differs(self->dst, self->len, 0));
	go_on(_metadata, self);
	EXPECT_EQ(-1, value_differs(self->dst, self->len, 0));
}

/* Forks */

TEST_F(held, fork_leaves_the_destination_to_the_parent)
{
	int go[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	queue_it(_metadata, self);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		bool old = pattern_differs(self->dst, self->len, SEED + 2) == -1;

		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(!old || pattern_differs(self->dst, self->len, SEED + 2) != -1);
	}
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
	ASSERT_EQ(1, write(go[1], "g", 1));
	expect_child_ends(_metadata, pid);
}

TEST_F(held, child_that_writes_the_source_changes_its_own_only)
{
	pid_t pid;

	queue_it(_metadata, self);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->src, 0xee, self->len);
		memset(self->dst, 0xee, self->len);
		_exit(0);
	}
	expect_child_ends(_metadata, pid);
	go_on(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
	EXPECT_EQ(-1, pattern_differs(self->src, self->len, SEED + 1));
}

/* Lets the channel go on. The record of the job is for no other program. */
static void go_on_without_owner(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self)
{
	end_pause(_metadata, self);
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(-EPERM, take(&self->c, 1, &record));
}

/* The pages are charged to the program that queued the job while it lives. */
TEST_F(held, job_of_a_child_that_has_ended_writes_shared_memory)
{
	uint8_t *other = share_destination(self);
	int status;
	pid_t pid;

	ASSERT_TRUE(other != NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(queue_copy(&self->c, self->dst, self->src, self->len) != 1 ||
		      pinned_kb() != 2 * (long)(self->len >> 10));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(self->kb, pinned_kb());
	go_on_without_owner(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 1));
}

TEST_F(held, job_of_a_child_that_runs_another_program_writes_shared_memory)
{
	uint8_t *other = share_destination(self);
	int status;
	pid_t pid;

	ASSERT_TRUE(other != NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (queue_copy(&self->c, self->dst, self->src, self->len) != 1)
			_exit(1);
		execl("/bin/sh", "sh", "-c", "exit 42", NULL);
		_exit(2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(42, WEXITSTATUS(status));
	go_on_without_owner(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 1));
}

/* Charges, and when they end */

TEST_F(held, queued_jobs_are_charged_each_page_of_each_segment)
{
	long kb = page_size() >> 10;

	ASSERT_EQ(1, queue_copy(&self->c, self->dst, self->src, self->len));
	EXPECT_EQ(self->kb + 2 * PAGES * kb, pinned_kb());
	/* The source is on one page, the destination on two. */
	ASSERT_EQ(2, queue_copy(&self->c, self->dst + page_size() - unit(&self->c), self->src,
				2 * unit(&self->c)));
	EXPECT_EQ(self->kb + (2 * PAGES + 3) * kb, pinned_kb());
	EXPECT_EQ(self->held + pinned_kb() / kb, pins_held());
	end_pause(_metadata, self);
	ASSERT_EQ(0, take(&self->c, 2, NULL));
	expect_unpinned(_metadata, self->held);
}

TEST_F(held, cancelled_job_is_unpinned_when_its_record_is_there)
{
	queue_it(_metadata, self);
	ASSERT_LT(self->kb, pinned_kb());
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(self->kb, pinned_kb());
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ECANCELED, record.status);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 2));
	end_pause(_metadata, self);
	expect_unpinned(_metadata, self->held);
}

TEST_F(held, timed_out_job_is_unpinned_when_its_record_is_there)
{
	end_pause(_metadata, self);
	ASSERT_EQ(1, queue_pause(&self->c, SHORT_NS));
	ASSERT_TRUE(wait_record(&self->c));
	expect_unpinned(_metadata, self->held);
	ASSERT_EQ(0, take(&self->c, 1, &record));
	EXPECT_EQ(-ETIMEDOUT, record.status);
}

TEST_F(held, signal_that_ends_a_waiting_submit_leaves_its_memory_pinned)
{
	job_move(&self->job, self->dst, self->src, self->len);
	self->job.submit.flags = FERRODMA_SUBMIT_WAIT;
	alarm_every(20);
	EXPECT_EQ(-EINTR, job_submit(&self->c, &self->job));
	alarm_every(0);
	EXPECT_EQ(self->kb + 2 * (long)(self->len >> 10), pinned_kb());
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 2));
	go_on(_metadata, self);
	expect_unpinned(_metadata, self->held);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 1));
}

TEST_F(held, submit_that_finds_the_queue_full_pins_nothing)
{
	long kb;

	for (uint32_t i = 0; i < self->c.info.queue_depth; i++)
		ASSERT_NE(0, queue_copy(&self->c, self->dst, self->src, unit(&self->c)));
	kb = pinned_kb();
	ASSERT_EQ(0, set_nonblock(&self->c));
	EXPECT_EQ(0, queue_copy(&self->c, self->dst, self->src, self->len));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(kb, pinned_kb());
}

TEST_F(held, close_unpins_queued_jobs_before_it_returns)
{
	for (int i = 0; i < 10; i++)
		ASSERT_NE(0, queue_copy(&self->c, self->dst, self->src, self->len));
	ASSERT_EQ(0, close(self->c.fd));
	self->c.fd = -1;
	EXPECT_EQ(self->kb, pinned_kb());
	end_pause(_metadata, self);
	expect_unpinned(_metadata, self->held);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 2));
}

TEST_F(held, close_unpins_the_job_that_hardware_has_before_it_returns)
{
	for (int i = 0; i < 10; i++)
		ASSERT_NE(0, queue_copy(&self->blocker, self->dst, self->src, self->len));
	ASSERT_EQ(0, close(self->blocker.fd));
	self->blocker.fd = -1;
	expect_unpinned(_metadata, self->held);
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 2));
	expect_works(_metadata, &self->c);
}

TEST_F(held, unbind_unpins_all_jobs_before_it_returns)
{
	for (int i = 0; i < 10; i++)
		ASSERT_NE(0, queue_copy(&self->c, self->dst, self->src, self->len));
	ASSERT_EQ(0, device_unbind(&self->device));
	expect_unpinned(_metadata, self->held);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(-ENODEV, record.status);
	}
	EXPECT_EQ(-1, pattern_differs(self->dst, self->len, SEED + 2));
}

/* Fails the test unless the end of a program unpins the pages of the jobs that it has queued. */
static void expect_end_unpins(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self,
			      bool killed, bool paused)
{
	uint8_t *other = share_destination(self);
	int report[2], status;
	char byte;
	pid_t pid;

	ASSERT_TRUE(other != NULL);
	ASSERT_EQ(0, pipe(report));
	if (paused)
		end_pause(_metadata, self);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct channel own;

		if (channel_open(&own, FUNCTION, 0, 0) ||
		    (paused && !queue_pause(&own, LONG_NS)))
			_exit(1);
		for (int i = 0; i < 10; i++)
			if (!queue_copy(&own, self->dst, self->src, self->len))
				_exit(2);
		write(report[1], "q", 1);
		while (killed)
			pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(report[0], &byte, 1));
	if (killed) {
		EXPECT_LE(self->held + 20 * PAGES, pins_held());
		ASSERT_EQ(0, kill(pid, SIGKILL));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(killed ? SIGKILL : 0, WIFSIGNALED(status) ? WTERMSIG(status) : status);
	/* Only the paused job of this program is left. */
	if (!paused)
		end_pause(_metadata, self);
	expect_unpinned(_metadata, self->held);
	EXPECT_EQ(-1, pattern_differs(other, self->len, SEED + 2));
	expect_works(_metadata, &self->c);
}

TEST_F(held, SIGKILL_with_jobs_queued_unpins)
{
	expect_end_unpins(_metadata, self, true, false);
}

TEST_F(held, exit_with_jobs_queued_unpins)
{
	expect_end_unpins(_metadata, self, false, false);
}

TEST_F(held, SIGKILL_with_a_job_in_hardware_unpins)
{
	expect_end_unpins(_metadata, self, true, true);
}

TEST_F(held, exit_with_a_job_in_hardware_unpins)
{
	expect_end_unpins(_metadata, self, false, true);
}

TEST_HARNESS_MAIN
