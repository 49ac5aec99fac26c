// SPDX-License-Identifier: GPL-2.0
/* Records that are read into several buffers, and reads that must not wait. */
#include <pthread.h>
#include <sys/uio.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record[4];

/* Returns the buffer of @len bytes at @from in @record. */
static struct iovec part(size_t from, size_t len)
{
	return (struct iovec){ (char *)record + from, len };
}

/*
 * Leaves @n records in the file. Queues one job more and takes its record, so that all have
 * ended.
 */
static bool leave_records(const struct channel *c, int n)
{
	return queue_some(c, n + 1) && !take(c, n + 1, NULL);
}

TEST_F(channel, readv_returns_the_record_that_is_there)
{
	struct iovec v[] = { part(0, sizeof(*record)), part(sizeof(*record), sizeof(*record)) };

	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(sizeof(*record), readv(self->c.fd, v, 2));
	EXPECT_EQ(1, record[0].cookie);
}

/* A thread that queues a job once the reader sleeps. */
struct sleeper {
	const struct channel *c;
	_Atomic pid_t reader;
	bool slept;
};

static void *queue_one_when_asleep(void *arg)
{
	struct sleeper *s = arg;

	s->slept = wait_until_asleep(&s->reader);
	queue_one(s->c, 0);
	return NULL;
}

TEST_F(channel, readv_waits_for_the_first_record)
{
	struct iovec v[] = { part(0, sizeof(*record)), part(sizeof(*record), sizeof(*record)) };
	struct sleeper s = { .c = &self->c, .reader = gettid() };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, queue_one_when_asleep, &s));
	EXPECT_EQ(sizeof(*record), readv(self->c.fd, v, 2));
	EXPECT_EQ(1, record[0].cookie);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(s.slept);
}

TEST_F(channel, readv_returns_as_many_records_as_fit)
{
	/* Room for two and a half records. */
	struct iovec v[] = { part(0, sizeof(*record)), part(sizeof(*record), sizeof(*record)),
			     part(2 * sizeof(*record), sizeof(*record) / 2) };

	memset(record, 0xee, sizeof(record));
	ASSERT_TRUE(leave_records(&self->c, 3));
	EXPECT_EQ(2 * sizeof(*record), readv(self->c.fd, v, 3));
	EXPECT_EQ(1, record[0].cookie);
	EXPECT_EQ(2, record[1].cookie);
	EXPECT_EQ(-1, value_differs((uint8_t *)&record[2], sizeof(*record), 0xee));
	EXPECT_EQ(1, read_records(&self->c, record, 4));
	EXPECT_EQ(3, record[0].cookie);
}

TEST_F(channel, empty_buffers_do_not_disturb_readv)
{
	struct iovec v[] = { part(0, 0), part(0, sizeof(*record)), part(0, 0),
			     part(sizeof(*record), sizeof(*record)) };

	ASSERT_TRUE(leave_records(&self->c, 2));
	EXPECT_EQ(2 * sizeof(*record), readv(self->c.fd, v, 4));
	EXPECT_EQ(1, record[0].cookie);
	EXPECT_EQ(2, record[1].cookie);
}

TEST_F(channel, record_may_lie_in_several_buffers)
{
	struct iovec halves[] = { part(0, sizeof(*record) / 2),
				  part(sizeof(*record) / 2, sizeof(*record) / 2) };
	struct iovec pieces[] = { part(0, 1), part(1, 10), part(11, 2 * sizeof(*record) - 11) };

	ASSERT_TRUE(leave_records(&self->c, 3));
	ASSERT_EQ(sizeof(*record), readv(self->c.fd, halves, 2));
	EXPECT_EQ(1, record[0].cookie);
	EXPECT_EQ(unit(&self->c), record[0].bytes);
	ASSERT_EQ(2 * sizeof(*record), readv(self->c.fd, pieces, 3));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(i + 2, record[i].cookie);
		EXPECT_EQ(unit(&self->c), record[i].bytes);
	}
}

TEST_F(channel, readv_without_room_for_one_record_is_EINVAL)
{
	struct iovec v[] = { part(0, sizeof(*record) / 2),
			     part(sizeof(*record) / 2, sizeof(*record) / 2 - 1) };

	for (int queued = 0; queued < 2; queued++) {
		errno = 0;
		EXPECT_EQ(-1, readv(self->c.fd, v, 2));
		EXPECT_EQ(EINVAL, errno);
		if (!queued) {
			ASSERT_EQ(1, queue_one(&self->c, 0));
			ASSERT_TRUE(wait_record(&self->c));
		}
	}
	EXPECT_EQ(1, read_records(&self->c, record, 1));
}

TEST_F(channel, readv_that_meets_a_bad_second_buffer_keeps_the_second_record)
{
	struct iovec v[] = { part(0, sizeof(*record)),
			     { (void *)UNMAPPED_ADDR, sizeof(*record) } };

	ASSERT_TRUE(leave_records(&self->c, 2));
	EXPECT_EQ(sizeof(*record), readv(self->c.fd, v, 2));
	EXPECT_EQ(1, record[0].cookie);
	ASSERT_EQ(1, read_records(&self->c, record, 4));
	EXPECT_EQ(2, record[0].cookie);
}

TEST_F(channel, readv_that_meets_a_bad_page_within_a_record_keeps_it)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	struct iovec v[] = { part(0, 24), { p + page - 8, 8 + sizeof(*record) } };

	ASSERT_TRUE(p != NULL);
	ASSERT_TRUE(leave_records(&self->c, 2));
	for (int i = 0; i < 2; i++) {
		errno = 0;
		EXPECT_EQ(-1, readv(self->c.fd, v, 2));
		EXPECT_EQ(EFAULT, errno);
	}
	ASSERT_EQ(2, read_records(&self->c, record, 4));
	EXPECT_EQ(1, record[0].cookie);
	EXPECT_EQ(2, record[1].cookie);
	munmap(p, 2 * page);
}

TEST_F(channel, nonblocking_readv_without_a_record_is_EAGAIN)
{
	struct iovec v[] = { part(0, sizeof(*record)), part(sizeof(*record), sizeof(*record)) };

	ASSERT_EQ(0, set_nonblock(&self->c));
	EXPECT_EQ(-1, readv(self->c.fd, v, 2));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(sizeof(*record), readv(self->c.fd, v, 2));
	EXPECT_EQ(1, record[0].cookie);
}

TEST_F(channel, read_with_RWF_NOWAIT_does_not_wait)
{
	struct iovec v = part(0, 2 * sizeof(*record));

	EXPECT_EQ(-1, preadv2(self->c.fd, &v, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, queue_one(&self->c, 0));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(sizeof(*record), preadv2(self->c.fd, &v, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(1, record[0].cookie);
	EXPECT_EQ(-1, preadv2(self->c.fd, &v, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(channel, preadv_is_ESPIPE)
{
	struct iovec v = part(0, sizeof(*record));

	ASSERT_EQ(1, queue_one(&self->c, 0));
	EXPECT_EQ(-1, preadv(self->c.fd, &v, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(1, read_records(&self->c, record, 1));
}

TEST_HARNESS_MAIN
