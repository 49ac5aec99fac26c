/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests expect of a channel, as checks of the kselftest harness: that a job runs, that
 * SUBMIT refuses it without side effects, that memory has not changed.
 */
#ifndef FERRODMA_CHANNEL_CHECKS_H
#define FERRODMA_CHANNEL_CHECKS_H

#include "kselftest_harness.h"
#include "ferrodma_test.h"

/* The time limit of tests that set no other, in seconds. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	patience(30)

#define SEED	0x5eedULL

/* Bytes at the start of memory that hold the pattern, and as many at the end if there is room. */
#define WITNESS	(64UL << 10)

static inline void make_pattern(const struct channel *c, uint64_t seed)
{
	pattern_fill(c->mem, c->size < WITNESS ? c->size : WITNESS, seed);
	if (c->size >= 2 * WITNESS)
		pattern_fill(c->mem + c->size - WITNESS, WITNESS, ~seed);
}

/* Returns where memory differs from what make_pattern() wrote, or -1. */
static inline ssize_t pattern_lost(const struct channel *c, uint64_t seed)
{
	ssize_t at = pattern_differs(c->mem, c->size < WITNESS ? c->size : WITNESS, seed);

	if (at >= 0 || c->size < 2 * WITNESS)
		return at;
	at = pattern_differs(c->mem + c->size - WITNESS, WITNESS, ~seed);
	return at < 0 ? at : (ssize_t)(c->size - WITNESS) + at;
}

/* Returns the number of bytes of which all lengths in a job are multiples. */
static inline size_t unit(const struct channel *c)
{
	return c->info.alignment ?: 1;
}

/* Returns the number of which all addresses in a job are multiples. */
static inline size_t address_unit(const struct channel *c)
{
	return c->info.address_alignment ?: 1;
}

/* Returns the most segments to test with: no more than the lists of struct job hold. */
static inline uint32_t most_segments(const struct channel *c)
{
	return c->info.max_segments < JOB_SEGS ? c->info.max_segments : JOB_SEGS;
}

/* Fails the test unless memory holds what the fixture wrote. */
static inline void expect_untouched(struct __test_metadata *_metadata,
				    const struct channel *c)
{
	EXPECT_EQ(-1, pattern_lost(c, SEED));
}

/*
 * Fails the test unless SUBMIT refuses the job with @error, both waiting and queued, and
 * without side effects: memory has not changed, and there is no record.
 */
static inline void expect_refused(struct __test_metadata *_metadata,
				  const struct channel *c, struct job *j, int error)
{
	EXPECT_EQ(error, job_submit(c, j));
	j->submit.flags ^= FERRODMA_SUBMIT_WAIT;
	EXPECT_EQ(error, job_submit(c, j));
	j->submit.flags ^= FERRODMA_SUBMIT_WAIT;
	EXPECT_FALSE(has_record(c));
	expect_untouched(_metadata, c);
}

/* Fails the test unless the job runs and succeeds. */
static inline void expect_runs(struct __test_metadata *_metadata,
			       const struct channel *c, struct job *j)
{
	uint64_t len = 0;

	for (uint32_t i = 0; i < j->submit.nr_dst; i++)
		len += ((struct ferrodma_seg *)(uintptr_t)j->submit.dst)[i].len;
	EXPECT_EQ(0, job_run(c, j));
	EXPECT_EQ(len, j->submit.completion.bytes);
	EXPECT_EQ(j->submit.cookie, j->submit.completion.cookie);
}

/* Queues a copy of one unit; returns the cookie, or 0. */
static inline uint64_t queue_one(const struct channel *c, uint64_t user_data)
{
	struct job j;

	job_copy(&j, c, 0, c->size / 2, unit(c));
	j.submit.user_data = user_data;
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

static inline bool queue_some(const struct channel *c, int n)
{
	while (n && queue_one(c, n))
		n--;
	return !n;
}

static inline int set_nonblock(const struct channel *c)
{
	return fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
}

static inline int set_block(const struct channel *c)
{
	return fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
}

/* Fails the test unless the channel runs a copy and all its bytes are right. */
static inline void expect_works(struct __test_metadata *_metadata, const struct channel *c)
{
	struct job j;

	make_pattern(c, SEED);
	job_copy(&j, c, 0, c->size / 2, 64);
	expect_runs(_metadata, c, &j);
	EXPECT_EQ(-1, area_differs(c->mem, c->mem + c->size / 2, 64));
}

/* Returns whether INFO fails or says that the channel is dead. */
static inline bool is_dead(const struct channel *c)
{
	struct ferrodma_info info;

	return channel_info(c->fd, &info) || info.flags & FERRODMA_INFO_DEAD;
}

/*
 * Waits until the thread or process sleeps in a call; returns whether it does in time. With
 * this a test goes on as soon as possible, however slow the machine is.
 */
static inline bool wait_until_asleep(const _Atomic pid_t *id)
{
	char path[64], state;
	int asleep = 0;

	for (int ms = 0; ms < SOON_MS && asleep < 3; ms++) {
		FILE *f;

		sleep_ms(1);
		snprintf(path, sizeof(path), "/proc/%d/stat", *id);
		f = *id ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		/*
		 * A thread that sleeps only for a moment, on its way to the call, does not
		 * count.
		 */
		asleep = fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'S' ?
			 asleep + 1 : 0;
		fclose(f);
	}
	return asleep == 3;
}

/* Maps two pages, of which the second is not accessible; returns NULL on failure. */
static inline uint8_t *page_before_a_hole(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE))
		return NULL;
	return p;
}

#endif /* FERRODMA_CHANNEL_CHECKS_H */
