// SPDX-License-Identifier: GPL-2.0
/*
 * The blocks of a pool: that there are no more than there are, who waits for
 * them, and that all come back whatever becomes of the jobs. On the pool channel
 * of the in-kernel test module, which has few, and where a job pauses for ever if
 * it has two source segments, and so keeps its blocks and those of all jobs
 * behind it. Run by pool_blocks.sh.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "channel_checks.h"
#include "debugfs.h"
#include "user_memory.h"

/* Source segments, and what hardware does with such a job. */
enum { WORKS = 1, HALTS = 2, FAULTS = 3, STICKS = 4 };

#define SHORT_NS	(patience(50) * NSEC_PER_MSEC)
#define LONG_NS		(20 * NSEC_PER_SEC)

/* Steps of the random test, and files that it has. */
#define STEPS		600
#define FILES		3

static struct ferrodma_completion record;

/* A channel whose memory is cut in places for jobs, each as long as a block. */
FIXTURE(blocks) {
	struct channel c, other;
	struct job job;
	struct bound_device device;
	long long total;
	uint32_t most;	/* segments of a list */
};

FIXTURE_SETUP(blocks)
{
	ASSERT_EQ(0, bound_device_find(&self->device, "pooltest", 0));
	ASSERT_EQ(0, channel_open(&self->c, "pooltest", 0, 0));
	ASSERT_EQ(0, channel_open(&self->other, "pooltest", 0, 0));
	make_pattern(&self->c, SEED);
	make_pattern(&self->other, SEED);
	self->most = self->c.info.max_segments;
	self->total = blocks_in_all("pooltest", 0);
	ASSERT_EQ(2 * self->most, self->total);
	ASSERT_EQ(self->total, blocks_free("pooltest", 0));
}

static bool is_dead(const struct channel *c)
{
	struct ferrodma_info info;

	return channel_info(c->fd, &info) || info.flags & FERRODMA_INFO_DEAD;
}

/* Whatever a test has left when it ended, its end has brought back all blocks. */
FIXTURE_TEARDOWN_PARENT(blocks)
{
	struct channel again;

	if (bound_device_number(&self->device, "pooltest") < 0) {
		EXPECT_EQ(0, device_bind(&self->device));
	} else if (!channel_open(&again, "pooltest", 0, 0)) {
		if (is_dead(&again)) {
			EXPECT_EQ(0, device_unbind(&self->device));
			EXPECT_EQ(0, device_bind(&self->device));
		}
		channel_close(&again);
	}
	EXPECT_EQ(blocks_in_all("pooltest", 0), blocks_free("pooltest", 0));
}

/* Fails the test unless this many blocks are taken. */
#define EXPECT_TAKEN(n_)	EXPECT_EQ(self->total - (n_), blocks_free("pooltest", 0))

/* Cuts the bytes of a block into @n segments, of which the last is the longest. */
static void cut(const struct channel *c, struct ferrodma_seg *list, uint32_t *nr, uint64_t off,
		uint32_t n)
{
	size_t left = c->info.block_size, piece = left / c->info.max_segments;

	for (*nr = 0; *nr < n; left -= piece, off += piece)
		job_add(c, list, nr, off, *nr + 1 < n ? piece : left);
}

/* A copy of place @at in the first half of memory to the same in the second. */
static void job_at(struct job *j, const struct channel *c, uint32_t at, uint32_t nr_src,
		   uint32_t nr_dst)
{
	size_t len = c->info.block_size;

	job_init(j);
	cut(c, j->src, &j->submit.nr_src, at * len, nr_src);
	cut(c, j->dst, &j->submit.nr_dst, c->size / 2 + at * len, nr_dst);
	j->submit.timeout_ns = LONG_NS;
}

/* Queues one; its cookie, or 0. */
static uint64_t queue_at(const struct channel *c, uint32_t at, uint32_t nr_src, uint32_t nr_dst)
{
	struct job j;

	job_at(&j, c, at, nr_src, nr_dst);
	return job_submit(c, &j) ? 0 : j.submit.cookie;
}

/* Where memory is not as the jobs for places @first to before @end have left it, or -1. */
static ssize_t places_differ(const struct channel *c, uint32_t first, uint32_t end)
{
	size_t len = c->info.block_size, half = c->size / 2;
	uint8_t model[c->size];

	pattern_fill(model, c->size, SEED);
	for (uint32_t i = first; i < end; i++)
		memcpy(model + half + i * len, model + i * len, len);
	return area_differs(c->mem, model, c->size);
}

/*
 * Takes all blocks: with a job that pauses, and as many behind it as there is
 * room for. Returns how many jobs that are.
 */
static uint32_t take_all_blocks(const struct channel *c)
{
	uint32_t n = 0, left = 2 * c->info.max_segments;

	if (!queue_at(c, n++, HALTS, 2))
		return 0;
	for (left -= HALTS + 2; left; left -= WORKS + 1)
		if (!queue_at(c, n++, WORKS, 1))
			return 0;
	return n;
}

/* All blocks taken, then one more */

TEST_F(blocks, all_taken_then_one_more_is_EAGAIN)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, set_nonblock(&self->other));
	for (int wait = 0; wait < 2; wait++) {
		job_at(&self->job, &self->other, 0, WORKS, 1);
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		EXPECT_EQ(-EAGAIN, job_submit(&self->other, &self->job));
	}
	EXPECT_EQ(0, poll_events(&self->other, POLLIN | POLLOUT, 0));
	expect_untouched(_metadata, &self->other);

	/* What has them goes on, and they come back. */
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	EXPECT_EQ(POLLOUT, poll_events(&self->other, POLLOUT, SOON_MS));
	ASSERT_EQ(1, queue_at(&self->other, 0, WORKS, 1));
	ASSERT_TRUE(wait_record(&self->other));
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(1, record.cookie);
	EXPECT_EQ(0, record.status);
	EXPECT_EQ(-1, places_differ(&self->other, 0, 1));
	EXPECT_TAKEN(0);
	for (uint32_t i = 1; i <= jobs; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(i == 1 ? -ECANCELED : 0, record.status);
	}
	EXPECT_EQ(-1, places_differ(&self->c, 1, jobs));
}

TEST_F(blocks, one_file_alone_can_take_all)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->c));
	job_at(&self->job, &self->c, jobs, WORKS, 1);
	EXPECT_EQ(-EAGAIN, job_submit(&self->c, &self->job));
	EXPECT_EQ(0, poll_events(&self->c, POLLIN | POLLOUT, 0));
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	ASSERT_TRUE(wait_record(&self->c));
	EXPECT_EQ(POLLIN | POLLOUT, poll_events(&self->c, POLLIN | POLLOUT, 0));
	EXPECT_EQ(jobs + 1, queue_at(&self->c, jobs, WORKS, 1));
}

TEST_F(blocks, job_that_needs_all_runs)
{
	job_at(&self->job, &self->c, 5, self->most, self->most);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, places_differ(&self->c, 5, 6));
	EXPECT_TAKEN(0);
}

TEST_F(blocks, POLLOUT_comes_when_as_many_are_free_as_were_too_few)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->other));
	ASSERT_EQ(0, queue_at(&self->other, 0, WORKS, 5));
	ASSERT_EQ(EAGAIN, errno);
	for (int back = 2; back <= 6; back += 2) {
		ASSERT_EQ(0, job_cancel(&self->c, jobs));
		ASSERT_EQ(0, take(&self->c, jobs--, NULL));
		EXPECT_TAKEN(self->total - back);
		EXPECT_EQ(back == 6 ? POLLOUT : 0, poll_events(&self->other, POLLOUT, 0));
		if (back < 6)
			EXPECT_EQ(0, queue_at(&self->other, 0, WORKS, 5));
	}
	EXPECT_EQ(1, queue_at(&self->other, 0, WORKS, 5));
	EXPECT_TAKEN(self->total);
}

TEST_F(blocks, smaller_job_gets_in_where_a_larger_one_does_not)
{
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	ASSERT_EQ(0, take(&self->c, jobs, NULL));
	ASSERT_EQ(0, set_nonblock(&self->other));
	EXPECT_EQ(0, queue_at(&self->other, 0, WORKS, 2));
	EXPECT_EQ(1, queue_at(&self->other, 1, WORKS, 1));
	EXPECT_TAKEN(self->total);
}

TEST_F(blocks, refused_jobs_take_none)
{
	struct ferrodma_seg list[self->most + 1];
	uint32_t nr = 0;

	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 2));
	ASSERT_EQ(0, set_nonblock(&self->other));
	for (uint32_t i = 0; i <= self->most; i++)
		job_add(&self->other, list, &nr, i, 1);
	job_at(&self->job, &self->other, 1, WORKS, 1);
	self->job.submit.src = self->job.submit.dst = (uintptr_t)list;
	self->job.submit.nr_src = self->job.submit.nr_dst = nr;
	expect_refused(_metadata, &self->other, &self->job, -E2BIG);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.src[2].addr = UNMAPPED_ADDR;
	expect_refused(_metadata, &self->other, &self->job, -EFAULT);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.src[1].len = 0;
	expect_refused(_metadata, &self->other, &self->job, -EINVAL);
	job_at(&self->job, &self->other, 1, 3, 3);
	self->job.dst[2].len++;
	expect_refused(_metadata, &self->other, &self->job, -EINVAL);
	EXPECT_TAKEN(HALTS + 2);
}

TEST_F(blocks, records_that_nobody_takes_keep_none)
{
	uint32_t depth = self->c.info.queue_depth;

	for (uint32_t i = 0; i < depth; i++)
		ASSERT_NE(0, queue_at(&self->c, i % self->most, WORKS, 1 + i % self->most));
	/* Jobs run in order: once the last is over, all are. */
	ASSERT_EQ(0, take(&self->c, depth, NULL));
	EXPECT_TAKEN(0);
	job_at(&self->job, &self->other, 0, self->most, self->most);
	expect_runs(_metadata, &self->other, &self->job);
}

/* Calls that sleep until blocks come back */

struct sleeper {
	const struct channel *c;
	struct job job;
	int result;
	thread_id id;
	atomic_bool done;
	pthread_t thread;
};

static void *submitting(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = job_submit(s->c, &s->job);
	s->done = true;
	return NULL;
}

static void *polling(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = poll_events(s->c, POLLOUT, 4 * SOON_MS);
	s->done = true;
	return NULL;
}

static void *reading(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = read_records(s->c, &s->job.submit.completion, 1);
	s->done = true;
	return NULL;
}

/* Has a thread make the call, and returns when it sleeps there. */
static void start(struct __test_metadata *_metadata, struct sleeper *s, const struct channel *c,
		  void *(*call)(void *))
{
	s->c = c;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, call, s));
	ASSERT_TRUE(wait_until_asleep(&s->id));
	ASSERT_FALSE(s->done);
}

/* Fails the test unless the call ends before long. */
static void expect_ends(struct __test_metadata *_metadata, struct sleeper *s, int result)
{
	for (int ms = 0; ms < SOON_MS && !s->done; ms++)
		sleep_ms(1);
	ASSERT_TRUE(s->done) TH_LOG("the call still sleeps");
	ASSERT_EQ(0, pthread_join(s->thread, NULL));
	EXPECT_EQ(result, s->result);
}

TEST_F(blocks, SUBMIT_sleeps_until_blocks_come_back)
{
	for (int wait = 0; wait < 2; wait++) {
		struct sleeper s = { .result = 1 };
		uint32_t jobs = take_all_blocks(&self->c);

		ASSERT_NE(0, jobs);
		job_at(&s.job, &self->other, wait, WORKS, 1);
		s.job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		start(_metadata, &s, &self->other, submitting);
		EXPECT_TAKEN(self->total);
		ASSERT_EQ(0, job_cancel(&self->c, wait * jobs + 1));
		expect_ends(_metadata, &s, 0);
		EXPECT_EQ(wait + 1, s.job.submit.cookie);
		if (!wait)
			ASSERT_EQ(0, take(&self->other, 1, &s.job.submit.completion));
		EXPECT_EQ(0, s.job.submit.completion.status);
		EXPECT_EQ(-1, places_differ(&self->other, 0, wait + 1));
		for (uint32_t i = 0; i < jobs; i++)
			ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_TAKEN(0);
	}
}

TEST_F(blocks, SUBMIT_sleeps_on_while_too_few_come_back)
{
	struct sleeper s = { .result = 1 };
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	job_at(&s.job, &self->other, 0, WORKS, 4);
	start(_metadata, &s, &self->other, submitting);
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

/* Also one that wants all blocks, which are there only when no other has any. */
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
		start(_metadata, &s[i], &self->other, submitting);
	}
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 0; i < ARRAY_SIZE(s); i++) {
		expect_ends(_metadata, &s[i], 0);
		EXPECT_EQ(0, s[i].job.submit.completion.status);
	}
	EXPECT_EQ(-1, places_differ(&self->other, 0, ARRAY_SIZE(s)));
}

TEST_F(blocks, poll_sleeps_until_blocks_come_back)
{
	struct sleeper s = { .result = 0 };
	uint32_t jobs = take_all_blocks(&self->c);

	ASSERT_NE(0, jobs);
	ASSERT_EQ(0, set_nonblock(&self->other));
	ASSERT_EQ(0, queue_at(&self->other, 0, WORKS, 1));
	start(_metadata, &s, &self->other, polling);
	ASSERT_EQ(0, job_cancel(&self->c, jobs));
	expect_ends(_metadata, &s, POLLOUT);
	EXPECT_EQ(1, queue_at(&self->other, 0, WORKS, 1));
}

TEST_F(blocks, SUBMIT_goes_on_when_another_file_is_closed)
{
	struct sleeper s = { .result = 1 };

	ASSERT_NE(0, take_all_blocks(&self->c));
	job_at(&s.job, &self->other, 0, WORKS, 1);
	start(_metadata, &s, &self->other, submitting);
	close(self->c.fd);
	self->c.fd = -1;
	expect_ends(_metadata, &s, 0);
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(0, record.status);
	EXPECT_TAKEN(0);
	/* Nobody will ever take the records of what was queued. */
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
		start(_metadata, &s[wait], &self->other, submitting);
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

/* Blocks come back in any order */

/* Makes @order the @n-th permutation of @count numbers. */
static void permute(int *order, int count, int n)
{
	for (int i = 0; i < count; i++)
		order[i] = i;
	for (int i = count; i > 1; n /= i, i--) {
		int k = n % i, t = order[k];

		order[k] = order[i - 1];
		order[i - 1] = t;
	}
}

/* All of the jobs pause, so that the one that runs by then is there to be cancelled, too. */
TEST_F(blocks, jobs_are_cancelled_in_every_order)
{
	enum { JOBS = 5, ORDERS = 5 * 4 * 3 * 2 };
	int order[JOBS];

	for (int n = 0; n < ORDERS; n++) {
		uint64_t cookie[JOBS];
		int taken = 0;

		permute(order, JOBS, n);
		for (int i = 0; i < JOBS; i++) {
			cookie[i] = queue_at(&self->c, i, HALTS, i + 1);
			ASSERT_NE(0, cookie[i]);
			taken += HALTS + i + 1;
			EXPECT_TAKEN(taken);
		}
		for (int i = 0; i < JOBS; i++) {
			ASSERT_EQ(0, job_cancel(&self->c, cookie[order[i]]));
			ASSERT_EQ(0, take(&self->c, cookie[order[i]], &record));
			EXPECT_EQ(-ECANCELED, record.status);
			taken -= HALTS + order[i] + 1;
			EXPECT_TAKEN(taken);
		}
		ASSERT_EQ(0, taken);
		expect_untouched(_metadata, &self->c);
		/* Whichever block comes first now, it is the right one. */
		job_at(&self->job, &self->other, n % self->most, self->most, self->most);
		ASSERT_EQ(0, job_run(&self->other, &self->job));
		ASSERT_EQ(-1, places_differ(&self->other, n % self->most, n % self->most + 1));
		make_pattern(&self->other, SEED);
	}
}

TEST_F(blocks, random_jobs_of_several_files_come_and_go)
{
	struct { int file; uint64_t cookie; int blocks; } live[32];
	uint64_t state = now_ns(), seed = state;
	int n = 0, taken = 0, refused = 0;
	struct channel c[FILES];

	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, channel_open(&c[i], "pooltest", 0, O_NONBLOCK));
	for (int i = 0; i < STEPS; i++) {
		int file = random_below(&state, FILES);
		uint32_t nr_dst = 1 + random_below(&state, self->most);

		if (n && !random_below(&state, 2)) {
			int at = random_below(&state, n);

			/* It may be the one that runs, or any behind it. */
			ASSERT_EQ(0, job_cancel(&c[live[at].file], live[at].cookie));
			ASSERT_TRUE(wait_record(&c[live[at].file]));
			ASSERT_EQ(1, read_records(&c[live[at].file], &record, 1));
			EXPECT_EQ(live[at].cookie, record.cookie);
			EXPECT_EQ(-ECANCELED, record.status);
			taken -= live[at].blocks;
			live[at] = live[--n];
		} else {
			job_at(&self->job, &c[file], 0, HALTS, nr_dst);
			if (taken + HALTS + nr_dst > self->total) {
				ASSERT_EQ(-EAGAIN, job_submit(&c[file], &self->job));
				refused++;
				continue;
			}
			ASSERT_EQ(0, job_submit(&c[file], &self->job));
			live[n].file = file;
			live[n].cookie = self->job.submit.cookie;
			live[n].blocks = HALTS + nr_dst;
			taken += live[n++].blocks;
		}
		ASSERT_EQ(self->total - taken, blocks_free("pooltest", 0))
			TH_LOG("step %d of seed %#llx", i, (unsigned long long)seed);
	}
	EXPECT_LT(0, refused);
	for (int i = 0; i < FILES; i++) {
		channel_close(&c[i]);
		for (int k = 0; k < n; k++)
			taken -= live[k].file == i ? live[k].blocks : 0;
		EXPECT_TAKEN(taken);
	}
}

/* Jobs that fail */

TEST_F(blocks, failed_jobs_give_theirs_back_and_leave_their_destinations)
{
	const struct { uint32_t nr_src; uint64_t limit_ns; int status; } bad[] = {
		{ HALTS, SHORT_NS, -ETIMEDOUT }, { FAULTS, LONG_NS, -EIO },
	};

	for (int i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		bool wait = i % 2;

		if (bad[i / 2].status == -EIO && !(self->c.info.flags & FERRODMA_INFO_FAULT_IRQ))
			continue;
		job_at(&self->job, &self->c, i, bad[i / 2].nr_src, 5);
		self->job.submit.timeout_ns = bad[i / 2].limit_ns;
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		record = self->job.submit.completion;
		if (!wait)
			ASSERT_EQ(0, take(&self->c, i + 1, &record));
		EXPECT_EQ(bad[i / 2].status, record.status);
		/* Something has been moved, but to a block only. */
		EXPECT_EQ(self->job.src[0].len, record.bytes);
		EXPECT_TAKEN(0);
		expect_untouched(_metadata, &self->c);
	}
	EXPECT_FALSE(is_dead(&self->c));
	/* What a failed job has left in a block is in nobody's message. */
	for (uint32_t i = 0; i < self->most; i++)
		EXPECT_NE(0, queue_at(&self->c, i, WORKS, 1));
	for (uint32_t i = 0; i < self->most; i++)
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(-1, places_differ(&self->c, 0, self->most));
}

/* The engine must not go back to the job that has failed: its blocks are others' by now. */
TEST_F(blocks, job_behind_a_bus_error_is_the_only_one_that_is_started)
{
	if (!(self->c.info.flags & FERRODMA_INFO_FAULT_IRQ))
		SKIP(return, "the engine does not report bus errors");
	for (int i = 0; i < 3; i++) {
		job_at(&self->job, &self->c, 0, FAULTS, 5);
		EXPECT_EQ(-EIO, job_run(&self->c, &self->job));
		job_at(&self->job, &self->c, 1, HALTS, 5);
		self->job.submit.timeout_ns = SHORT_NS;
		EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
		EXPECT_EQ(self->job.src[0].len, self->job.submit.completion.bytes);
		expect_works(_metadata, &self->other);
	}
}

TEST_F(blocks, failed_job_of_a_bad_destination_keeps_its_own_error)
{
	job_at(&self->job, &self->c, 0, HALTS, 1);
	self->job.submit.timeout_ns = SHORT_NS;
	self->job.dst[0].addr = UNMAPPED_ADDR;
	EXPECT_EQ(-ETIMEDOUT, job_run(&self->c, &self->job));
	EXPECT_TAKEN(0);
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

/* While it waits, when it is cancelled, and when it is done. */
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
	/* From the last to the first, of which two have nothing to give. */
	for (uint32_t i = jobs - 1; i; i--) {
		ASSERT_EQ(0, take(&self->c, i, &record));
		EXPECT_EQ(i < 3 ? -ECANCELED : 0, record.status);
		EXPECT_EQ(-1, places_differ(&self->c, i < 3 ? 2 : i - 1, jobs));
	}
}

/* Memory that takes its time */

TEST_F(blocks, slow_source_holds_no_block_and_nobody_else)
{
	struct sleeper s = { .result = 1 };
	int uffd;
	uint8_t *slow = pages_on_demand(1, &uffd);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_at(&s.job, &self->c, 0, WORKS, 1);
	s.job.src[0].addr = (uintptr_t)slow;
	s.c = &self->c;
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	ASSERT_TRUE(wait_demand(uffd));
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
	struct sleeper s = { .result = 1 };
	int uffd;
	uint8_t *slow = pages_on_demand(1, &uffd);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_at(&s.job, &self->c, 0, WORKS, 1);
	s.job.src[0].addr = (uintptr_t)slow;
	s.c = &self->c;
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, submitting, &s));
	ASSERT_TRUE(wait_demand(uffd));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(0, supply(uffd, slow, self->c.mem));
	expect_ends(_metadata, &s, -ENODEV);
}

TEST_F(blocks, slow_destination_holds_no_block_and_nobody_else)
{
	struct sleeper s = { .result = 0 };
	int uffd;
	uint8_t *slow = pages_on_demand(1, &uffd), *zeros = new_pages(1);

	if (!slow)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	job_at(&self->job, &self->c, 0, WORKS, 1);
	self->job.dst[0].addr = (uintptr_t)slow;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_TRUE(wait_record(&self->c));
	s.c = &self->c;
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, reading, &s));
	ASSERT_TRUE(wait_demand(uffd));
	EXPECT_TAKEN(0);
	/* Other records of the file can be taken. */
	for (int i = 2; i <= 3; i++) {
		ASSERT_EQ(i, queue_at(&self->c, i, WORKS, 1));
		ASSERT_TRUE(wait_record(&self->c));
	}
	ASSERT_EQ(1, read_records(&self->c, &record, 1));
	EXPECT_EQ(2, record.cookie);
	ASSERT_EQ(0, take(&self->c, 3, NULL));
	EXPECT_EQ(-1, places_differ(&self->c, 2, 4));
	EXPECT_FALSE(s.done);
	/* The record outlives the device, and its data with it. */
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_FALSE(s.done);
	ASSERT_EQ(0, supply(uffd, slow, zeros));
	expect_ends(_metadata, &s, 1);
	EXPECT_EQ(1, s.job.submit.completion.cookie);
	EXPECT_EQ(0, s.job.submit.completion.status);
	EXPECT_EQ(-1, pattern_differs(slow, self->c.info.block_size, SEED));
}

/* Users that go away with blocks */

/* Fails the test unless it is 1: what a child says when it sleeps next, if all went well. */
#define EXPECT_REPORT(fd_) do {				\
	char byte_;					\
							\
	ASSERT_EQ(1, read(fd_, &byte_, 1));		\
} while (0)

/* Takes all blocks, reports, and sleeps in the call that it was told to make. */
static void sleep_with_blocks(int which, int report)
{
	struct channel own;
	struct job j;

	if (channel_open(&own, "pooltest", 0, 0))
		_exit(1);
	if (which == 0) {
		job_at(&j, &own, 0, HALTS, own.info.max_segments);
		j.submit.flags = FERRODMA_SUBMIT_WAIT;
		write(report, "w", 1);
		job_submit(&own, &j);
	} else if (take_all_blocks(&own)) {
		write(report, "b", 1);
		if (which == 1)
			read_records(&own, &record, 1);
		else
			queue_at(&own, 0, WORKS, 1);
	}
	_exit(2);	/* it should have been killed */
}

TEST_F(blocks, SIGKILL_brings_back_those_of_sleeping_calls)
{
	for (int which = 0; which < 3; which++) {
		int report[2], status;
		thread_id pid;

		ASSERT_EQ(0, pipe(report));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			sleep_with_blocks(which, report[1]);
		close(report[1]);
		EXPECT_REPORT(report[0]);
		ASSERT_TRUE(wait_until_asleep(&pid));
		EXPECT_TAKEN(which ? self->total : HALTS + self->most);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		EXPECT_TAKEN(0);
		close(report[0]);
	}
	expect_works(_metadata, &self->c);
}

TEST_F(blocks, exit_brings_back_all)
{
	int status;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct channel own;

			_exit(channel_open(&own, "pooltest", 0, 0) || !take_all_blocks(&own));
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_TAKEN(0);
	}
}

TEST_F(blocks, close_brings_back_all)
{
	struct channel own;

	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, channel_open(&own, "pooltest", 0, 0));
		ASSERT_NE(0, take_all_blocks(&own));
		EXPECT_TAKEN(self->total);
		channel_close(&own);
		EXPECT_TAKEN(0);
	}
	/* One file's end is no matter of the jobs of another. */
	ASSERT_EQ(0, channel_open(&own, "pooltest", 0, 0));
	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 5));
	ASSERT_EQ(1, queue_at(&own, 0, WORKS, 7));
	ASSERT_EQ(2, queue_at(&self->c, 1, WORKS, 3));
	channel_close(&own);
	EXPECT_TAKEN(HALTS + 5 + WORKS + 3);
}

TEST_F(blocks, unbind_brings_back_all)
{
	struct sleeper s = { .result = 1 };

	/* Of jobs that wait for their records, and of one whose submitter does. */
	job_at(&s.job, &self->other, 0, HALTS, 5);
	s.job.submit.flags = FERRODMA_SUBMIT_WAIT;
	start(_metadata, &s, &self->other, submitting);
	ASSERT_EQ(1, queue_at(&self->c, 0, WORKS, self->most));
	ASSERT_EQ(2, queue_at(&self->c, 1, HALTS, 2));
	EXPECT_TAKEN(HALTS + 5 + WORKS + self->most + HALTS + 2);
	ASSERT_EQ(0, device_unbind(&self->device));
	expect_ends(_metadata, &s, 0);
	EXPECT_EQ(-ENODEV, s.job.submit.completion.status);
	ASSERT_EQ(0, device_bind(&self->device));
	EXPECT_TAKEN(0);
	/* What is closed now had blocks of the device that is gone. */
	for (int i = 1; i <= 2; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(-ENODEV, record.status);
	}
	channel_close(&self->c);
	channel_close(&self->other);
	EXPECT_TAKEN(0);
	ASSERT_EQ(0, channel_open(&self->c, "pooltest", 0, 0));
	expect_works(_metadata, &self->c);
}

TEST_F(blocks, rmmod_is_refused_and_takes_none)
{
	ASSERT_NE(0, take_all_blocks(&self->c));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma_test"));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma"));
	EXPECT_TAKEN(self->total);
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	ASSERT_EQ(0, take(&self->c, 2, &record));
	EXPECT_EQ(0, record.status);
	/* With the file of a device that is gone, too; the script sees it go in the end. */
	ASSERT_EQ(1, queue_at(&self->other, 0, HALTS, 5));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-EWOULDBLOCK, module_remove("ferrodma_test"));
}

/* Hardware that does not stop: the last tests, since what it may still use is lost */

TEST_F(blocks, dead_channel_keeps_those_of_one_job_only)
{
	ASSERT_EQ(1, queue_at(&self->c, 0, HALTS, 2));
	job_at(&self->job, &self->c, 1, STICKS, 3);
	self->job.submit.timeout_ns = SHORT_NS;
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	ASSERT_EQ(3, queue_at(&self->c, 2, WORKS, 6));
	ASSERT_EQ(1, queue_at(&self->other, 0, HALTS, 5));
	ASSERT_EQ(0, job_cancel(&self->c, 1));
	for (int i = 1; i <= 3; i++) {
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_EQ(i == 1 ? -ECANCELED : -EIO, record.status);
	}
	ASSERT_EQ(1, read_records(&self->other, &record, 1));
	EXPECT_EQ(-EIO, record.status);
	EXPECT_TRUE(is_dead(&self->c));
	EXPECT_TAKEN(STICKS + 3);
	job_at(&self->job, &self->other, 0, WORKS, 1);
	EXPECT_EQ(-EIO, job_submit(&self->other, &self->job));
	EXPECT_EQ(POLLERR, poll_events(&self->other, POLLIN | POLLOUT, 0));
	expect_untouched(_metadata, &self->c);
	expect_untouched(_metadata, &self->other);
	/* All others are as good as new when it is bound again. */
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, device_bind(&self->device));
	EXPECT_TAKEN(0);
}

/* Some want few blocks, which come back, and some more than ever will. */
TEST_F(blocks, SUBMIT_that_sleeps_ends_when_the_channel_dies)
{
	static struct sleeper s[4];

	ASSERT_EQ(1, queue_at(&self->c, 0, STICKS, self->most));
	ASSERT_EQ(2, queue_at(&self->c, 1, WORKS, self->total - STICKS - self->most - WORKS));
	EXPECT_TAKEN(self->total);
	for (int i = 0; i < ARRAY_SIZE(s); i++) {
		job_at(&s[i].job, &self->other, i, i / 2 ? self->most : WORKS,
		       i / 2 ? self->most : 1);
		s[i].job.submit.flags = i % 2 ? FERRODMA_SUBMIT_WAIT : 0;
		start(_metadata, &s[i], &self->other, submitting);
	}
	ASSERT_EQ(-EIO, job_cancel(&self->c, 1));
	for (int i = 0; i < ARRAY_SIZE(s); i++)
		expect_ends(_metadata, &s[i], -EIO);
}

TEST_HARNESS_MAIN
