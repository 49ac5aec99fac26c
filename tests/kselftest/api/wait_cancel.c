// SPDX-License-Identifier: GPL-2.0
/*
 * WAIT and CANCEL: their structures, and their errors for jobs that have ended or never
 * existed. in_flight.c has the tests with running jobs.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "channel_fixture.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

static struct ferrodma_completion record;

struct longer_wait {
	struct ferrodma_wait wait;
	uint8_t more[64];
};

struct longer_cancel {
	struct ferrodma_cancel cancel;
	uint8_t more[64];
};

/* Queues a job and waits until it has ended, without taking its record. */
static bool finish_one(const struct channel *c)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, unit(c));
	j.submit.user_data = 42;
	return !job_submit(c, &j) && wait_record(c);
}

/* Fails the test unless the record can still be taken. */
static void expect_record_kept(struct __test_metadata *_metadata, const struct channel *c)
{
	EXPECT_TRUE(has_record(c));
	EXPECT_EQ(0, take(c, 1, &record));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(42, record.user_data);
}

TEST_F(channel, wait_takes_the_record_of_its_cookie)
{
	ASSERT_TRUE(finish_one(&self->c));
	expect_record_kept(_metadata, &self->c);
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, wait_for_a_job_that_never_was_is_ENOENT)
{
	static const uint64_t cookies[] = { 0, 2, 1ULL << 32, UINT64_MAX };

	ASSERT_TRUE(finish_one(&self->c));
	for (int i = 0; i < ARRAY_SIZE(cookies); i++)
		EXPECT_EQ(-ENOENT, take(&self->c, cookies[i], NULL));
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_for_a_taken_record_is_ENOENT)
{
	ASSERT_TRUE(finish_one(&self->c));
	ASSERT_EQ(0, take(&self->c, 1, NULL));
	EXPECT_EQ(-ENOENT, take(&self->c, 1, NULL));
	ASSERT_TRUE(finish_one(&self->c));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-ENOENT, take(&self->c, 2, NULL));
}

TEST_F(channel, wait_for_a_job_that_its_submit_waited_for_is_ENOENT)
{
	job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
	ASSERT_EQ(0, job_run(&self->c, &self->job));
	EXPECT_EQ(-ENOENT, take(&self->c, self->job.submit.cookie, NULL));
	EXPECT_EQ(-ENOENT, job_cancel(&self->c, self->job.submit.cookie));
}

TEST_F(channel, wait_without_limit_or_with_the_longest_takes_a_record)
{
	static const uint64_t limits[] = { 0, 1, 3600 * NSEC_PER_SEC, UINT64_MAX };

	for (int i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_TRUE(finish_one(&self->c));
		EXPECT_EQ(0, take_within(&self->c, i + 1, limits[i], &record));
		EXPECT_EQ(i + 1, record.cookie);
	}
}

TEST_F(channel, nonblocking_wait_takes_a_record)
{
	ASSERT_TRUE(finish_one(&self->c));
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, O_RDWR | O_NONBLOCK));
	expect_record_kept(_metadata, &self->c);
	EXPECT_EQ(-ENOENT, take(&self->c, 1, NULL));
}

TEST_F(channel, wait_refuses_unknown_flags)
{
	ASSERT_TRUE(finish_one(&self->c));
	for (int bit = 0; bit < 32; bit++) {
		struct ferrodma_wait w = {
			.size = sizeof(w), .cookie = 1, .flags = 1U << bit,
		};

		EXPECT_EQ(-EINVAL, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &w));
	}
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_refuses_a_short_structure)
{
	static const uint32_t sizes[] = { 0, 1, 24, sizeof(struct ferrodma_wait) - 1 };

	ASSERT_TRUE(finish_one(&self->c));
	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ferrodma_wait w = { .size = sizes[i], .cookie = 1 };

		EXPECT_EQ(-EINVAL, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &w));
	}
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_accepts_a_longer_structure_with_zeros)
{
	struct longer_wait l = { .wait = { .size = sizeof(l), .cookie = 1 } };

	ASSERT_TRUE(finish_one(&self->c));
	ASSERT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &l));
	EXPECT_EQ(42, l.wait.completion.user_data);
	EXPECT_EQ(-1, value_differs(l.more, sizeof(l.more), 0));
}

TEST_F(channel, wait_refuses_a_longer_structure_with_garbage)
{
	ASSERT_TRUE(finish_one(&self->c));
	for (int i = 0; i < 64; i += 21) {
		struct longer_wait l = { .wait = { .size = sizeof(l), .cookie = 1 } };

		l.more[i] = 1;
		EXPECT_EQ(-E2BIG, fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, &l));
	}
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_refuses_a_size_beyond_the_memory)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	struct ferrodma_wait *w = (void *)(p + page - sizeof(*w));
	int ret;

	ASSERT_TRUE(p != NULL);
	ASSERT_TRUE(finish_one(&self->c));
	*w = (struct ferrodma_wait){ .size = UINT32_MAX, .cookie = 1 };
	ret = fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, w);
	EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT) TH_LOG("%s", strerror(-ret));
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_with_a_bad_pointer_keeps_the_record)
{
	static const struct ferrodma_wait constant = {
		.size = sizeof(constant), .cookie = 1,
	};
	int fd = self->c.fd;

	ASSERT_TRUE(finish_one(&self->c));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_WAIT, NULL));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_WAIT, (void *)UNMAPPED_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_WAIT, (void *)KERNEL_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_WAIT, (void *)&constant));
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, wait_that_cannot_be_answered_leaves_the_order_of_records)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct ferrodma_wait *w;

	w = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(w != MAP_FAILED);
	*w = (struct ferrodma_wait){ .size = sizeof(*w), .cookie = 3 };
	ASSERT_EQ(0, mprotect(w, page, PROT_READ));
	ASSERT_TRUE(queue_some(&self->c, 4));
	for (int ms = 0; ms < SOON_MS; ms++) {
		if (fdma_ioctl(self->c.fd, FERRODMA_IOC_WAIT, w) == -EFAULT)
			break;
		sleep_ms(1);
	}
	for (int i = 1; i <= 4; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
	}
}

struct waiter {
	struct channel *c;
	uint64_t jobs, taken;
	atomic_int *bad;
	pthread_t thread;
};

static void *waiting(void *arg)
{
	struct waiter *w = arg;

	for (uint64_t cookie = 1; cookie <= w->jobs; cookie++) {
		int ret = take(w->c, cookie, NULL);

		w->taken += !ret;
		*w->bad += ret && ret != -ENOENT;
	}
	return NULL;
}

TEST_F(channel, only_one_of_two_waits_takes_a_record)
{
	uint64_t jobs = self->c.info.queue_depth;
	atomic_int bad = 0;
	struct waiter w[2];

	for (uint64_t i = 0; i < jobs; i++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
	}
	for (int i = 0; i < 2; i++) {
		w[i] = (struct waiter){ .c = &self->c, .jobs = jobs, .bad = &bad };
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, waiting, &w[i]));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
	EXPECT_EQ(0, bad);
	EXPECT_EQ(jobs, w[0].taken + w[1].taken);
}

TEST_F(channel, cancel_of_a_job_that_has_ended_is_EALREADY)
{
	ASSERT_TRUE(finish_one(&self->c));
	EXPECT_EQ(-EALREADY, job_cancel(&self->c, 1));
	EXPECT_EQ(-EALREADY, job_cancel(&self->c, 1));
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, cancel_of_a_job_that_never_was_is_ENOENT)
{
	static const uint64_t cookies[] = { 0, 1, 2, UINT64_MAX };

	for (int i = 0; i < ARRAY_SIZE(cookies); i++)
		EXPECT_EQ(-ENOENT, job_cancel(&self->c, cookies[i]));
}

TEST_F(channel, cancel_of_a_job_whose_record_was_taken_is_ENOENT)
{
	ASSERT_TRUE(finish_one(&self->c));
	ASSERT_EQ(0, take(&self->c, 1, NULL));
	EXPECT_EQ(-ENOENT, job_cancel(&self->c, 1));
}

TEST_F(channel, cancel_needs_a_file_that_is_open_for_writing)
{
	struct channel reader = self->c;

	reader.fd = channel_open_fd(variant->function, variant->number, O_RDONLY);
	ASSERT_LE(0, reader.fd);
	EXPECT_EQ(-EBADF, job_cancel(&reader, 1));
	close(reader.fd);
}

TEST_F(channel, cancel_refuses_unknown_flags)
{
	ASSERT_TRUE(finish_one(&self->c));
	for (int bit = 0; bit < 32; bit++) {
		struct ferrodma_cancel a = {
			.size = sizeof(a), .cookie = 1, .flags = 1U << bit,
		};

		EXPECT_EQ(-EINVAL, fdma_ioctl(self->c.fd, FERRODMA_IOC_CANCEL, &a));
	}
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, cancel_refuses_a_short_structure)
{
	static const uint32_t sizes[] = { 0, 1, 8, sizeof(struct ferrodma_cancel) - 1 };

	ASSERT_TRUE(finish_one(&self->c));
	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct ferrodma_cancel a = { .size = sizes[i], .cookie = 1 };

		EXPECT_EQ(-EINVAL, fdma_ioctl(self->c.fd, FERRODMA_IOC_CANCEL, &a));
	}
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, cancel_looks_at_the_bytes_of_a_longer_structure)
{
	struct longer_cancel l = { .cancel = { .size = sizeof(l), .cookie = 1 } };

	ASSERT_TRUE(finish_one(&self->c));
	EXPECT_EQ(-EALREADY, fdma_ioctl(self->c.fd, FERRODMA_IOC_CANCEL, &l));
	for (int i = 0; i < 64; i += 21) {
		memset(l.more, 0, sizeof(l.more));
		l.more[i] = 1;
		EXPECT_EQ(-E2BIG, fdma_ioctl(self->c.fd, FERRODMA_IOC_CANCEL, &l));
	}
	l.cancel.size = UINT32_MAX;
	EXPECT_GT(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_CANCEL, &l));
	expect_record_kept(_metadata, &self->c);
}

TEST_F(channel, cancel_refuses_a_bad_pointer)
{
	int fd = self->c.fd;

	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_CANCEL, NULL));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_CANCEL, (void *)UNMAPPED_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_CANCEL, (void *)KERNEL_ADDR));
}

TEST_HARNESS_MAIN
