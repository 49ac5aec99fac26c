// SPDX-License-Identifier: GPL-2.0
/*
 * A hundred thousand random jobs, or FERRODMA_EFFORT percent of them. Each must do to memory
 * what memcpy() does to a model of it. Lists are cut at random and lie at random in memory of
 * several kinds; jobs run one by one and queued, from threads on two channels and from
 * processes on one.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "children.h"
#include "sg_checks.h"

/* Half of the jobs are run by threads, half by processes. */
#define ALL_JOBS	100000
#define WORKERS		2

/* Jobs of the first worker, which runs on any CPU and is slow: see stay_on_first_cpu(). */
#define WANDERS		(ALL_JOBS / 2 / 10)
#define STAYS		((ALL_JOBS / 2 - WANDERS) / (WORKERS - 1))

/* Bytes of memory of a worker, and of its parts, which are of different kinds. */
#define ARENA		(1UL << 20)
#define PART		(128UL << 10)

/* The most bytes of a job, and the most segments in one of its lists. */
#define MOST_BYTES	8192
#define MOST_SEGS	64

/* Number of jobs after which all of memory is compared and refilled. */
#define ROUND		2000

/* A time limit that no job reaches, however busy the machine is. */
#define LIMIT_NS	(60 * NSEC_PER_SEC)

/*
 * Jobs in the queue at a time. No job reads or writes what another one writes: each destination
 * is in a slice of its own in one half of memory, and the sources are in the other half.
 */
#define BATCH		32
#define HALF		(ARENA / 2)
#define SLICE		(HALF / BATCH)

/* Bytes around a job's destination that are compared too. */
#define MARGIN		256

/* A worker: its memory, the model of it, and what went wrong. */
struct worker {
	struct channel c;
	uint8_t *mem, *model;
	uint64_t state, seed;
	int id;
	/* Number of its jobs, and whether it stays on one CPU. */
	int jobs;
	bool stays;
	/* The number of which all addresses and lengths are multiples. */
	size_t unit;
	/* Set if the sources are in the upper half. */
	bool flip;
	struct job job[BATCH];
	/* The bounds of each job's destination. */
	size_t low[BATCH], high[BATCH];
	char failure[128];
	pthread_t thread;
};

/* Maps a part of an arena at @p, of the kind @kind. */
static bool map_part(uint8_t *p, int kind)
{
	int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, fd = -1;
	bool mapped;

	if (kind == 1)
		flags = MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS;
	if (kind >= 2) {
		flags = MAP_FIXED | (kind == 2 ? MAP_SHARED : MAP_PRIVATE);
		fd = new_file(PART / page_size());
		if (fd < 0)
			return false;
	}
	mapped = mmap(p, PART, RW, flags, fd, 0) != MAP_FAILED;
	if (fd >= 0)
		close(fd);
	return mapped;
}

/*
 * Maps an arena. Its parts are adjacent, so that segments cross from one kind of memory to the
 * next. The last part is in a transparent huge page, if the kernel has one.
 */
static uint8_t *new_arena(void)
{
	size_t huge = 2UL << 20;
	uint8_t *room = mmap(NULL, 3 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *p;

	if (room == MAP_FAILED)
		return NULL;
	/* The arena ends with the beginning of a huge page. */
	p = (uint8_t *)(((uintptr_t)room + ARENA + huge - 1) & ~(huge - 1));
	if (mmap(p, huge, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return NULL;
	madvise(p, huge, MADV_HUGEPAGE);
	p[0] = 1;
	p -= ARENA - PART;
	for (size_t i = 0; i < ARENA / PART - 1; i++)
		if (!map_part(p + i * PART, i % 4))
			return NULL;
	return p;
}

/* Returns a random number of bytes, in whole units; small numbers are more likely. */
static size_t random_size(struct worker *w)
{
	static const size_t most[] = { 16, 64, 64, 256, 256, 1024, 4096, MOST_BYTES };
	size_t bytes = most[random_below(&w->state, ARRAY_SIZE(most))];

	return 1 + random_below(&w->state, bytes / w->unit);
}

/* Returns a random number of segments for @len units, mostly one to eight. */
static uint32_t random_count(uint64_t *state, size_t len)
{
	uint64_t most = random_below(state, 32) ? 1 + random_below(state, 8) : MOST_SEGS;
	uint32_t n = 1 + random_below(state, most);

	return n < len ? n : len;
}

/* Cuts @len units into @n lengths, none of them zero. */
static void random_cut(struct worker *w, struct ferrodma_seg *seg, uint32_t n, size_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t rest = n - i - 1, most = len - rest;

		/* At most twice the mean, so that units are left for the last ones. */
		if (rest && most > 2 * (len / (rest + 1)) + 1)
			most = 2 * (len / (rest + 1)) + 1;
		most = rest ? 1 + random_below(&w->state, most) : len;
		seg[i].len = most * w->unit;
		len -= most;
	}
}

/*
 * Makes the @i-th job of a batch, or a job alone. Its destination has gaps and a random order;
 * its source is anywhere else, and may include the same bytes twice.
 */
static void random_job(struct worker *w, int i, bool alone)
{
	uint64_t *state = &w->state;
	size_t u = w->unit, len = random_size(w), gap, at, window = len * u;
	size_t src = alone ? 0 : w->flip * HALF, src_len = alone ? ARENA : HALF;
	size_t dst = alone ? 0 : HALF - src + i * SLICE, dst_len = alone ? ARENA : SLICE;
	struct job *j = &w->job[i];

	job_init(j);
	j->submit.nr_src = random_count(state, len);
	j->submit.nr_dst = random_count(state, len);
	random_cut(w, j->src, j->submit.nr_src, len);
	random_cut(w, j->dst, j->submit.nr_dst, len);

	gap = random_below(state, 3) ? random_below(state, 100 / u) * u : 0;
	window += gap * j->submit.nr_dst;
	at = dst + random_below(state, (dst_len - window) / u + 1) * u;
	w->low[i] = at;
	w->high[i] = at + window;
	for (uint32_t k = 0; k < j->submit.nr_dst; k++) {
		j->dst[k].addr = (uintptr_t)w->mem + at;
		at += j->dst[k].len + gap;
	}
	for (uint32_t k = j->submit.nr_dst - 1; k; k--) {
		uint32_t other = random_below(state, k + 1);
		struct ferrodma_seg t = j->dst[k];

		j->dst[k] = j->dst[other];
		j->dst[other] = t;
	}
	for (uint32_t k = 0; k < j->submit.nr_src; k++) {
		do {
			at = src + random_below(state, (src_len - j->src[k].len) / u + 1) * u;
		} while (at < w->high[i] && at + j->src[k].len > w->low[i]);
		j->src[k].addr = (uintptr_t)w->mem + at;
	}
	j->submit.timeout_ns = LIMIT_NS;
	j->submit.user_data = random_below(state, UINT64_MAX);
}

/* Does to the model what the job does to memory. */
static void model_job(struct worker *w, const struct job *j)
{
	uint32_t s = 0;
	uint64_t used = 0;

	for (uint32_t d = 0; d < j->submit.nr_dst; d++) {
		uint8_t *to = w->model + (j->dst[d].addr - (uintptr_t)w->mem);
		uint64_t len = j->dst[d].len, n;

		for (; len; len -= n, to += n, used += n) {
			if (used == j->src[s].len) {
				s++;
				used = 0;
			}
			n = j->src[s].len - used < len ? j->src[s].len - used : len;
			memcpy(to, w->model + (j->src[s].addr - (uintptr_t)w->mem) + used, n);
		}
	}
}

static bool fail(struct worker *w, int job, const char *what, long long value)
{
	snprintf(w->failure, sizeof(w->failure), "job %d of seed %#llx: %s %lld", job,
		 (unsigned long long)w->seed, what, value);
	return false;
}

/* Returns whether the record is that of the job, and says success. */
static bool check_record(struct worker *w, int job, int i, const struct ferrodma_completion *r)
{
	uint64_t len = 0;

	for (uint32_t k = 0; k < w->job[i].submit.nr_dst; k++)
		len += w->job[i].dst[k].len;
	if (r->status)
		return fail(w, job, "status", r->status);
	if (r->bytes != len)
		return fail(w, job, "bytes", r->bytes);
	if (r->user_data != w->job[i].submit.user_data || r->cookie != w->job[i].submit.cookie)
		return fail(w, job, "record of cookie", r->cookie);
	return true;
}

/* Returns whether memory is as the model says, in and around the destination of job @i. */
static bool check_bytes(struct worker *w, int job, int i)
{
	size_t low = w->low[i] < MARGIN ? 0 : w->low[i] - MARGIN;
	size_t high = w->high[i] + MARGIN < ARENA ? w->high[i] + MARGIN : ARENA;
	ssize_t at = area_differs(w->mem + low, w->model + low, high - low);

	return at < 0 || fail(w, job, "wrong byte at", low + at);
}

/* Runs one job that waits, or @n jobs that are queued together. */
static bool run_jobs(struct worker *w, int job, int n)
{
	struct ferrodma_completion record[BATCH];
	int ret;

	w->flip = random_below(&w->state, 2);
	for (int i = 0; i < n; i++) {
		random_job(w, i, n == 1);
		if (n == 1)
			w->job[i].submit.flags = FERRODMA_SUBMIT_WAIT;
		ret = job_submit(&w->c, &w->job[i]);
		if (ret)
			return fail(w, job + i, "submit", ret);
		model_job(w, &w->job[i]);
	}
	if (n == 1)
		return check_record(w, job, 0, &w->job[0].submit.completion) &&
		       check_bytes(w, job, 0);
	/* When the last has ended, all have, and one call takes their records. */
	ret = take_within(&w->c, w->job[n - 1].submit.cookie, 0, &record[n - 1]);
	if (ret)
		return fail(w, job + n - 1, "wait", ret);
	ret = read_records(&w->c, record, n - 1);
	if (ret != n - 1)
		return fail(w, job, "read", ret);
	for (int i = 0; i < n; i++)
		if (!check_record(w, job + i, i, &record[i]) || !check_bytes(w, job + i, i))
			return false;
	return true;
}

/* Fills memory and the model with new contents. */
static void refill(struct worker *w)
{
	pattern_fill(w->model, ARENA, w->state);
	memcpy(w->mem, w->model, ARENA);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t most = w->c.info.queue_depth < BATCH ? w->c.info.queue_depth : BATCH;
	int next = 0;

	if (w->stays)
		stay_on_first_cpu();
	for (int job = 0; job < w->jobs;) {
		int n = random_below(&w->state, 8) ? 1 + random_below(&w->state, most) : 1;

		if (n > w->jobs - job)
			n = w->jobs - job;
		if (job >= next) {
			ssize_t at = job ? area_differs(w->mem, w->model, ARENA) : -1;

			if (at >= 0) {
				fail(w, job, "before it, wrong byte at", at);
				break;
			}
			refill(w);
			next = job + ROUND;
		}
		if (!run_jobs(w, job, n))
			return NULL;
		job += n;
	}
	if (!w->failure[0] && area_differs(w->mem, w->model, ARENA) >= 0)
		fail(w, w->jobs, "in the end, wrong byte at",
		     area_differs(w->mem, w->model, ARENA));
	return NULL;
}

/* Makes a worker on a channel; returns NULL if it has no memory or no channel. */
static struct worker *new_worker(int id, int number, uint64_t seed)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->id = id;
	w->stays = id % WORKERS;
	w->jobs = effort(w->stays ? STAYS : WANDERS);
	w->seed = seed + ((uint64_t)id << 56);
	w->state = w->seed;
	w->mem = new_arena();
	w->model = malloc(ARENA);
	if (!w->mem || !w->model || channel_open(&w->c, "sg", number, 0))
		return NULL;
	w->unit = unit(&w->c);
	if (w->unit < address_unit(&w->c))
		w->unit = address_unit(&w->c);
	return w;
}

FIXTURE(random) {
	uint64_t seed;
	long held;
};

FIXTURE_SETUP(random)
{
	self->seed = now_ns();
	self->held = pins_held();
}

FIXTURE_TEARDOWN(random)
{
	EXPECT_EQ(self->held, pins_held());
}

/* The number of jobs is fixed; their time depends on the machine. */
#define LONG_TIME	patience(300)

TEST_F_TIMEOUT(random, jobs_of_threads_do_what_memcpy_does, LONG_TIME)
{
	int channels = access("/dev/ferrodma-sg1", F_OK) ? 1 : 2;
	struct worker *w[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		w[i] = new_worker(i, i % channels, self->seed);
		ASSERT_TRUE(w[i] != NULL);
		ASSERT_EQ(0, pthread_create(&w[i]->thread, NULL, work, w[i]));
	}
	for (int i = 0; i < WORKERS; i++) {
		ASSERT_EQ(0, pthread_join(w[i]->thread, NULL));
		EXPECT_STREQ("", w[i]->failure);
	}
	EXPECT_EQ(0, pinned_kb());
}

TEST_F_TIMEOUT(random, jobs_of_processes_do_what_memcpy_does, LONG_TIME)
{
	pid_t pid[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			struct worker *w = new_worker(WORKERS + i, 0, self->seed);

			if (!w)
				_exit(2);
			work(w);
			if (w->failure[0])
				TH_LOG("process %d: %s", i, w->failure);
			_exit(w->failure[0] || pinned_kb());
		}
	}
	for (int i = 0; i < WORKERS; i++)
		expect_child_ends(_metadata, pid[i]);
}

TEST_HARNESS_MAIN
