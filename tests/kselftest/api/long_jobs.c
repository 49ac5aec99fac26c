// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs that need more descriptors than the channel keeps, mixed with short jobs: their records
 * come in order, and no job counts as mapped once its record is taken.
 */
#include "channel_checks.h"
#include "debugfs.h"

/* A fill in two halves takes a descriptor for each page; the channel keeps 512 ready. */
#define LONG_BYTES	(4UL << 20)

static struct ferrodma_completion record;

FIXTURE(long_jobs) {
	struct channel c;
	struct job job;
	struct bound_device device;
	char state[PATH_MAX];
};

FIXTURE_SETUP(long_jobs)
{
	int n;

	for (n = 0; n < 16; n++) {
		if (channel_open(&self->c, "coherent", n, 0))
			continue;
		if (self->c.size >= LONG_BYTES)
			break;
		channel_close(&self->c);
	}
	if (n == 16)
		SKIP(return, "no coherent channel has a buffer of 4 MiB");
	ASSERT_EQ(0, bound_device_find(&self->device, "coherent", n));
	ASSERT_TRUE(state_directory(self->state, sizeof(self->state), "coherent", n));
}

FIXTURE_TEARDOWN(long_jobs)
{
	channel_close(&self->c);
}

/* Submits a fill of the first @len bytes, in two halves. */
static int submit_fill(const struct channel *c, struct job *j, uint8_t value, size_t len)
{
	job_init(j);
	j->submit.flags = FERRODMA_SUBMIT_FILL;
	j->submit.src = value;
	job_add(c, j->dst, &j->submit.nr_dst, 0, len / 2);
	job_add(c, j->dst, &j->submit.nr_dst, len / 2, len / 2);
	return job_submit(c, j);
}

TEST_F(long_jobs, nothing_is_mapped_when_the_record_is_taken)
{
	ASSERT_EQ(0, submit_fill(&self->c, &self->job, 0x55, LONG_BYTES));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(LONG_BYTES, record.bytes);
	EXPECT_EQ(-1, value_differs(self->c.mem, LONG_BYTES, 0x55));
	EXPECT_EQ(0, counter(self->state, "jobs_out"));
	EXPECT_EQ(0, counter(self->state, "still_mapped"));
}

TEST_F(long_jobs, jobs_that_are_not_taken_are_out)
{
	ASSERT_EQ(0, submit_fill(&self->c, &self->job, 0x55, LONG_BYTES));
	ASSERT_EQ(0, submit_fill(&self->c, &self->job, 0x66, 64));
	EXPECT_EQ(2, counter(self->state, "jobs_out"));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(2, counter(self->state, "jobs_out"));
}

TEST_F(long_jobs, records_stay_in_order_beside_short_jobs)
{
	for (int i = 0; i < 9; i++) {
		size_t len = i % 3 ? 64 : LONG_BYTES;

		ASSERT_EQ(0, submit_fill(&self->c, &self->job, i, len));
	}
	for (int i = 0; i < 9; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i + 1, record.cookie);
		EXPECT_EQ(0, record.status);
	}
}

TEST_F(long_jobs, device_is_unbound_when_one_was_done)
{
	ASSERT_EQ(0, submit_fill(&self->c, &self->job, 0x55, LONG_BYTES));
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	/* Otherwise unbind would wait for ever, with the lock of the device. */
	ASSERT_EQ(0, counter(self->state, "still_mapped"));
	channel_close(&self->c);
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(0, device_bind(&self->device));
}

TEST_HARNESS_MAIN
