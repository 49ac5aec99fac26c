/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the messages of a pool channel share: the ways to take a record, and the
 * check that all blocks are free.
 */
#ifndef FERRODMA_POOL_CHECKS_H
#define FERRODMA_POOL_CHECKS_H

#include "channel_checks.h"
#include "debugfs.h"
#include "user_memory.h"

#define JUST_BEFORE(p_, len_)	((p_) + page_size() - (len_))

static inline size_t block(const struct channel *c)
{
	return c->info.block_size;
}

/* Fails the test unless all blocks are free. */
static inline void expect_all_back(struct __test_metadata *_metadata, const struct channel *c)
{
	long long total = blocks_in_all("pool", 0);

	EXPECT_LE(2 * c->info.max_segments, total);
	EXPECT_EQ(total, blocks_free("pool", 0));
}

/*
 * Checks as expect_refused() does, and also that no job was counted and that all blocks are
 * free.
 */
static inline void expect_not_sent(struct __test_metadata *_metadata, const struct channel *c,
				   struct job *j, int error)
{
	char directory[PATH_MAX];
	long long jobs;

	ASSERT_TRUE(state_directory(directory, sizeof(directory), "pool", 0));
	jobs = counter(directory, "jobs");
	expect_refused(_metadata, c, j, error);
	EXPECT_EQ(jobs, counter(directory, "jobs"));
	expect_all_back(_metadata, c);
}

/* The calls that take a record. */
enum way { BY_SUBMIT, BY_READ, BY_WAIT, WAYS };

/* Takes the record of the job, which must be the oldest for BY_READ. */
static inline int take_by(const struct channel *c, enum way by, uint64_t cookie,
			  struct ferrodma_completion *r)
{
	int ret;

	if (by == BY_WAIT)
		return take(c, cookie, r);
	ret = read_records(c, r, 1);
	return ret == 1 ? 0 : ret;
}

/* Submits a job and takes its record; returns the error of either call, or 0. */
static inline int submit_and_take(const struct channel *c, struct job *j, enum way by,
				  struct ferrodma_completion *r)
{
	int ret;

	j->submit.flags &= ~FERRODMA_SUBMIT_WAIT;
	if (by == BY_SUBMIT)
		j->submit.flags |= FERRODMA_SUBMIT_WAIT;
	ret = job_submit(c, j);
	if (ret)
		return ret;
	if (by != BY_SUBMIT)
		return take_by(c, by, j->submit.cookie, r);
	*r = j->submit.completion;
	return 0;
}

/* Queues a copy of @len bytes and waits until its record can be taken. Returns the cookie, or 0. */
static inline uint64_t queue_and_finish(const struct channel *c, const void *to, const void *from,
					size_t len)
{
	struct job j;

	job_move(&j, to, from, len);
	return !job_submit(c, &j) && wait_record(c) ? j.submit.cookie : 0;
}

#endif /* FERRODMA_POOL_CHECKS_H */
