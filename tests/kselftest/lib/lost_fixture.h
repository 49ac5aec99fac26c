/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A channel whose interrupt never comes, so that its jobs stay in flight until their time limit.
 */
#ifndef FERRODMA_LOST_FIXTURE_H
#define FERRODMA_LOST_FIXTURE_H

#include "bind.h"
#include "channel_checks.h"
#include "lost.h"

/* Time limits of jobs: one that passes during a test, and one that never should. */
#define SHORT_NS	(patience(50) * NSEC_PER_MSEC)
#define LONG_NS		(20 * NSEC_PER_SEC)

/* Time by which a busy machine may exceed a time limit. */
#define SLACK_NS	(patience(2) * NSEC_PER_SEC)

FIXTURE(lost) {
	struct channel c;
	struct job job;
	struct bound_device device;
	char function[16];
	int number;
};

FIXTURE_SETUP(lost)
{
	int ret;

	ASSERT_TRUE(lost_channel(self->function, &self->number));
	ASSERT_EQ(0, bound_device_find(&self->device, self->function, self->number));
	ret = channel_open(&self->c, self->function, self->number, 0);
	if (ret == -EIO || (!ret && is_dead(&self->c))) {
		/* The previous test may have killed the channel. Start afresh. */
		channel_close(&self->c);
		ASSERT_EQ(0, device_unbind(&self->device));
		ASSERT_EQ(0, device_bind(&self->device));
		ret = channel_open(&self->c, self->function, self->number, 0);
	}
	ASSERT_EQ(0, ret);
	make_pattern(&self->c, SEED);
}

FIXTURE_TEARDOWN_PARENT(lost)
{
	if (self->function[0] && bound_device_number(&self->device, self->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

/* Ends a test early if the channel has died of the lost interrupt, which it may. */
#define RETURN_IF_DEAD() do {					\
	if (is_dead(&self->c))					\
		SKIP(return, "the channel says that it is dead");	\
} while (0)

/* Queues a copy of one unit that stays in flight; returns its cookie, or 0. */
static inline uint64_t queue_job(const struct channel *c, uint64_t limit_ns)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, unit(c));
	j.submit.timeout_ns = limit_ns;
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/* Fails the test unless the next job of the channel times out like the first. */
static inline void expect_goes_on(struct __test_metadata *_metadata, const struct channel *c)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, unit(c));
	j.submit.timeout_ns = SHORT_NS;
	EXPECT_EQ(is_dead(c) ? -EIO : -ETIMEDOUT, job_run(c, &j));
}

#endif /* FERRODMA_LOST_FIXTURE_H */
