// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent use: threads on one file, processes on one channel, and several channels. Each
 * worker has its own part of memory, of which it checks every byte after every job.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "channel_fixture.h"
#include "children.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

#define WORKERS		8
#define ROUNDS		40
#define PRODUCERS	3
#define CONSUMERS	3
#define QUEUED_JOBS	150

/* A worker: its part of a channel's memory, and its result. */
struct worker {
	const struct channel *c;
	uint64_t off, len;
	int id, rounds;
	char failure[96];	/* empty on success */
	pthread_t thread;
};

/* Copies random pieces of one half of the part to the other, and checks them. */
static void work(struct worker *w)
{
	const struct channel *c = w->c;
	size_t u = unit(c), half = w->len / 2 / u * u;
	uint8_t *src = c->mem + w->off, *dst = src + half;
	uint64_t state = (w->id + 1) * 1000003;
	struct job j;

	if (half > c->info.max_job_bytes)
		half = c->info.max_job_bytes / u * u;
	for (int i = 0; i < w->rounds && !w->failure[0]; i++) {
		uint64_t seed = random_below(&state, UINT64_MAX);
		uint64_t n = (1 + random_below(&state, half / u)) * u;
		uint64_t at = random_below(&state, (half - n) / u + 1) * u;
		int ret;

		pattern_fill(src, n, seed);
		memset(dst, w->id, half);
		job_copy(&j, c, w->off, w->off + (dst - src) + at, n);
		j.submit.user_data = seed;
		/* The hardware may be slow and the machine busy. */
		j.submit.timeout_ns = 10 * NSEC_PER_SEC;
		ret = job_run(c, &j);
		if (ret)
			snprintf(w->failure, sizeof(w->failure), "job: %s", strerror(-ret));
		else if (j.submit.completion.user_data != seed)
			snprintf(w->failure, sizeof(w->failure), "record of another job");
		else if (pattern_differs(dst + at, n, seed) != -1)
			snprintf(w->failure, sizeof(w->failure), "wrong byte at %zd of %llu",
				 pattern_differs(dst + at, n, seed), (unsigned long long)n);
		else if (value_differs(dst, at, w->id) != -1 ||
			 value_differs(dst + at + n, half - at - n, w->id) != -1)
			snprintf(w->failure, sizeof(w->failure), "byte beside the job changed");
	}
}

static void *work_in_thread(void *arg)
{
	work(arg);
	return NULL;
}

/* Gives worker @i of @n its part of memory. */
static void place(struct worker *w, const struct channel *c, int i, int n, int rounds)
{
	*w = (struct worker){ .c = c, .id = i, .rounds = rounds };
	w->len = (c->size < WITNESS ? c->size : WITNESS) / n;
	w->len -= w->len % (2 * unit(c));
	w->off = i * w->len;
}

TEST_F(channel, threads_on_one_file_get_their_own_bytes)
{
	struct worker w[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		place(&w[i], &self->c, i, WORKERS, ROUNDS);
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work_in_thread, &w[i]));
	}
	for (int i = 0; i < WORKERS; i++) {
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
		EXPECT_STREQ("", w[i].failure);
	}
	EXPECT_FALSE(has_record(&self->c));
}

TEST_F(channel, processes_on_one_channel_get_their_own_bytes)
{
	pid_t pid[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			struct channel own;
			struct worker w;

			if (channel_open(&own, variant->function, variant->number, 0))
				_exit(1);
			place(&w, &own, i, WORKERS, ROUNDS);
			work(&w);
			if (w.failure[0])
				TH_LOG("process %d: %s", i, w.failure);
			_exit(!!w.failure[0]);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		expect_child_ends(_metadata, pid[i]);
}

/* Producers queue jobs and consumers read records; each record is read by exactly one consumer. */
struct crowd {
	struct channel *c;
	atomic_uint submitted, taken, failed;
	atomic_uchar seen[PRODUCERS * QUEUED_JOBS + 1];
};

static void *produce(void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < QUEUED_JOBS;) {
		if (queue_one(crowd->c, i)) {
			crowd->submitted++;
			i++;
		} else if (errno == EAGAIN) {
			poll_events(crowd->c, POLLOUT, 20);
		} else {
			crowd->failed++;
			i++;
		}
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct ferrodma_completion record[4];
	struct crowd *crowd = arg;
	int n;

	while (crowd->taken + crowd->failed < PRODUCERS * QUEUED_JOBS) {
		if (!(poll_events(crowd->c, POLLIN, 20) & POLLIN))
			continue;
		n = read_records(crowd->c, record, ARRAY_SIZE(record));
		if (n < 0 && n != -EAGAIN)
			crowd->failed++;
		for (int i = 0; i < n; i++) {
			if (record[i].status || !record[i].cookie ||
			    record[i].cookie >= ARRAY_SIZE(crowd->seen) ||
			    crowd->seen[record[i].cookie]++)
				crowd->failed++;
			crowd->taken++;
		}
	}
	return NULL;
}

TEST_F(channel, each_record_comes_to_one_reader)
{
	pthread_t producer[PRODUCERS], consumer[CONSUMERS];
	static struct crowd crowd;

	/* Another thread may take the record or the room that poll() has reported. */
	ASSERT_EQ(0, set_nonblock(&self->c));
	crowd.c = &self->c;
	for (int i = 0; i < CONSUMERS; i++)
		ASSERT_EQ(0, pthread_create(&consumer[i], NULL, consume, &crowd));
	for (int i = 0; i < PRODUCERS; i++)
		ASSERT_EQ(0, pthread_create(&producer[i], NULL, produce, &crowd));
	for (int i = 0; i < PRODUCERS; i++)
		ASSERT_EQ(0, pthread_join(producer[i], NULL));
	for (int i = 0; i < CONSUMERS; i++)
		ASSERT_EQ(0, pthread_join(consumer[i], NULL));
	EXPECT_EQ(0, crowd.failed);
	EXPECT_EQ(PRODUCERS * QUEUED_JOBS, crowd.submitted);
	EXPECT_EQ(PRODUCERS * QUEUED_JOBS, crowd.taken);
	for (int i = 1; i < ARRAY_SIZE(crowd.seen); i++)
		EXPECT_EQ(1, crowd.seen[i]);
}

static void *open_and_close(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < w->rounds; i++) {
		struct channel own = *w->c;
		char path[32];

		/* Open the same node again. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", w->c->fd);
		own.fd = open(path, O_RDWR | O_CLOEXEC);
		if (own.fd < 0 || !queue_some(&own, 3))
			snprintf(w->failure, sizeof(w->failure), "open: %s", strerror(errno));
		close(own.fd);
	}
	return NULL;
}

TEST_F(channel, files_come_and_go_beside_working_threads)
{
	static const int part[] = { 0, 2, 1, 3 };
	struct worker w[4];

	/* queue_one() uses the start of each half, which is in the first two parts here. */
	for (int i = 0; i < 4; i++) {
		place(&w[i], &self->c, part[i], 4, 2 * ROUNDS);
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL,
					    i < 2 ? open_and_close : work_in_thread, &w[i]));
	}
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
		EXPECT_STREQ("", w[i].failure);
	}
}

TEST_F(channel, several_channels_work_at_once)
{
	struct channel c[8];
	struct worker w[8];
	int n = 0;

	for (int number = 0; n < ARRAY_SIZE(c) && number < 2 * ARRAY_SIZE(c); number++)
		if (!channel_open(&c[n], variant->function, number, 0))
			n++;
	if (n < 2) {
		for (int i = 0; i < n; i++)
			channel_close(&c[i]);
		SKIP(return, "this machine has one channel of this function");
	}
	for (int i = 0; i < n; i++) {
		place(&w[i], &c[i], 0, 1, ROUNDS);
		w[i].id = i;
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work_in_thread, &w[i]));
	}
	for (int i = 0; i < n; i++) {
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
		EXPECT_STREQ("", w[i].failure);
		channel_close(&c[i]);
	}
}

TEST_HARNESS_MAIN
