// SPDX-License-Identifier: GPL-2.0
/*
 * Records read through io_uring.
 */
#include "channel_checks.h"
#include "ring.h"

/* Number of jobs, and of buffers for their records. */
#define SOME	4

FIXTURE(ring) {
	struct channel c;
	struct ring r;
	struct ferrodma_completion record[SOME];
	struct io_uring_cqe cqe;
};

FIXTURE_VARIANT(ring) {
	const char *function;
};

FIXTURE_VARIANT_ADD(ring, coherent) { .function = "coherent" };
FIXTURE_VARIANT_ADD(ring, sg) { .function = "sg" };
FIXTURE_VARIANT_ADD(ring, pool) { .function = "pool" };

FIXTURE_SETUP(ring)
{
	int ret = ring_open(&self->r, 2 * SOME);

	if (ret == -ENOSYS || ret == -EPERM)
		SKIP(return, "io_uring is disabled here: %s", strerror(-ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, 0, 0));
}

FIXTURE_TEARDOWN(ring)
{
	/* A pending request holds the file of the channel. */
	ring_close(&self->r);
	channel_close(&self->c);
}

/* Queues a read of one record to record[@i]. */
static struct io_uring_sqe *queue_read(FIXTURE_DATA(ring) *self, int i)
{
	struct io_uring_sqe *sqe = ring_queue(&self->r, IORING_OP_READ, self->c.fd, i);

	sqe->addr = (uintptr_t)&self->record[i];
	sqe->len = sizeof(self->record[i]);
	/* Use no file position. */
	sqe->off = -1;
	return sqe;
}

/* Fails the test unless the next completion reports a whole record. */
static void expect_read(struct __test_metadata *_metadata, FIXTURE_DATA(ring) *self)
{
	ASSERT_EQ(0, ring_take(&self->r, &self->cqe));
	EXPECT_EQ(sizeof(*self->record), self->cqe.res);
}

/* Provides all of record[] to the kernel as buffers of group 0. */
static int provide_buffers(FIXTURE_DATA(ring) *self)
{
	struct io_uring_sqe *sqe = ring_queue(&self->r, IORING_OP_PROVIDE_BUFFERS, SOME, 0);
	int ret;

	sqe->addr = (uintptr_t)self->record;
	sqe->len = sizeof(*self->record);
	ret = ring_submit(&self->r) ?: ring_take(&self->r, &self->cqe);
	return ret ?: self->cqe.res;
}

static int start_multishot(FIXTURE_DATA(ring) *self)
{
	struct io_uring_sqe *sqe = ring_queue(&self->r, IORING_OP_READ_MULTISHOT, self->c.fd, 0);

	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->off = -1;
	return ring_submit(&self->r);
}

/* Fails the test unless the multishot read delivers the record of job @cookie and goes on. */
static void expect_shot(struct __test_metadata *_metadata, FIXTURE_DATA(ring) *self,
			uint64_t cookie)
{
	unsigned int buffer;

	expect_read(_metadata, self);
	ASSERT_TRUE(self->cqe.flags & IORING_CQE_F_BUFFER);
	EXPECT_TRUE(self->cqe.flags & IORING_CQE_F_MORE);
	buffer = self->cqe.flags >> IORING_CQE_BUFFER_SHIFT;
	ASSERT_GT(SOME, buffer);
	EXPECT_EQ(cookie, self->record[buffer].cookie);
}

TEST_F(ring, read_takes_the_record_that_is_there)
{
	ASSERT_EQ(1, queue_one(&self->c, 77));
	ASSERT_TRUE(wait_record(&self->c));
	queue_read(self, 0);
	ASSERT_EQ(0, ring_submit(&self->r));
	expect_read(_metadata, self);
	EXPECT_EQ(77, self->record[0].user_data);
}

TEST_F(ring, reads_wait_for_a_record_each)
{
	bool seen[SOME + 1] = { false };

	for (int i = 0; i < SOME; i++)
		queue_read(self, i);
	ASSERT_EQ(0, ring_submit(&self->r));
	ASSERT_FALSE(ring_peek(&self->r, &self->cqe));
	ASSERT_TRUE(queue_some(&self->c, SOME));
	for (int i = 0; i < SOME; i++) {
		expect_read(_metadata, self);
		ASSERT_GE(SOME, self->record[self->cqe.user_data].cookie);
		seen[self->record[self->cqe.user_data].cookie] = true;
	}
	for (int i = 1; i <= SOME; i++)
		EXPECT_TRUE(seen[i]);
}

TEST_F(ring, read_in_a_worker_waits_for_a_record)
{
	queue_read(self, 0)->flags = IOSQE_ASYNC;
	ASSERT_EQ(0, ring_submit(&self->r));
	ASSERT_EQ(1, queue_one(&self->c, 77));
	expect_read(_metadata, self);
	EXPECT_EQ(77, self->record[0].user_data);
}

TEST_F(ring, read_with_RWF_NOWAIT_does_not_wait)
{
	queue_read(self, 0)->rw_flags = RWF_NOWAIT;
	ASSERT_EQ(0, ring_submit(&self->r));
	ASSERT_EQ(0, ring_take(&self->r, &self->cqe));
	EXPECT_EQ(-EAGAIN, self->cqe.res);
}

TEST_F(ring, read_to_a_bad_pointer_keeps_the_record)
{
	ASSERT_EQ(1, queue_one(&self->c, 77));
	ASSERT_TRUE(wait_record(&self->c));
	queue_read(self, 0)->addr = UNMAPPED_ADDR;
	ASSERT_EQ(0, ring_submit(&self->r));
	ASSERT_EQ(0, ring_take(&self->r, &self->cqe));
	EXPECT_EQ(-EFAULT, self->cqe.res);
	ASSERT_EQ(1, read_records(&self->c, self->record, 1));
	EXPECT_EQ(77, self->record[0].user_data);
}

TEST_F(ring, multishot_read_gives_each_record_as_it_comes)
{
	ASSERT_EQ(0, provide_buffers(self));
	ASSERT_EQ(0, start_multishot(self));
	ASSERT_FALSE(ring_peek(&self->r, &self->cqe));
	for (int i = 1; i <= SOME; i++) {
		ASSERT_EQ(i, queue_one(&self->c, 0));
		expect_shot(_metadata, self, i);
	}
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(ring, multishot_read_gives_the_records_that_are_there)
{
	ASSERT_EQ(0, provide_buffers(self));
	/* Jobs run in order: when the last has ended, all have. */
	ASSERT_TRUE(queue_some(&self->c, SOME));
	ASSERT_EQ(0, take(&self->c, SOME, NULL));
	ASSERT_EQ(0, start_multishot(self));
	for (int i = 1; i < SOME; i++)
		expect_shot(_metadata, self, i);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_HARNESS_MAIN
