// SPDX-License-Identifier: GPL-2.0
/*
 * A million small messages through one pool, or FERRODMA_EFFORT percent of them, from several
 * processes at once, in jobs of few and of many messages, waiting and queued. Every byte that a
 * message should change is checked, and every byte around it.
 */
#include "channel_fixture.h"
#include "children.h"
#include "debugfs.h"

ON_CHANNEL(pool, 0);

#define MESSAGES	1000000
#define PROCESSES	4

/* Jobs that a process queues at a time, and the most messages in a queued job and in any job. */
#define QUEUED		6
#define FEW		32
#define MOST		256

/* Bytes beside each message that must not change. */
#define MARGIN		8

/* A job, and what its messages must have written when its record is taken. */
struct flight {
	struct job job;
	bool in_use;
	uint32_t messages;
	uint64_t bytes;
	size_t area;
	uint8_t *src, *dst, *expected;
};

/* A process; @failure says what went wrong, and is empty if nothing did. */
struct sender {
	struct channel c;
	uint64_t state;
	uint32_t checked, waited, queued;
	struct flight flights[QUEUED + 1];	/* the last is for jobs that wait */
	char failure[96];
};

static bool sender_init(struct sender *s, const char *function, int number, int id)
{
	size_t slot;

	memset(s, 0, sizeof(*s));
	s->state = (id + 1) * 1000003;
	if (channel_open(&s->c, function, number, 0))
		return false;
	slot = s->c.info.block_size + MARGIN;
	for (int i = 0; i <= QUEUED; i++) {
		struct flight *f = &s->flights[i];

		f->src = malloc(MOST * slot);
		f->dst = malloc(MOST * slot);
		f->expected = malloc(MOST * slot);
		if (!f->src || !f->dst || !f->expected)
			return false;
	}
	return true;
}

/*
 * Makes a job of @n messages of all lengths, each from a slot to another. In every other job
 * the lengths of the destinations are shifted by one message, so that the lists are cut
 * differently.
 */
static void make_job(struct sender *s, struct flight *f, uint32_t n)
{
	size_t most = s->c.info.block_size, slot = most + MARGIN, step = unit(&s->c);
	uint32_t first = random_below(&s->state, n), shift = random_below(&s->state, 2);
	uint64_t random = random_below(&s->state, UINT64_MAX);
	static uint8_t stream[MOST * 4096];
	uint32_t len[MOST];
	size_t at = 0;

	f->messages = n;
	f->area = n * slot;
	pattern_fill(f->src, f->area, random);
	memset(f->dst, random, f->area);
	memcpy(f->expected, f->dst, f->area);
	job_init(&f->job);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = pattern_word(random, i);
		uint8_t *p = f->src + i * slot + r % MARGIN;

		len[i] = step * (1 + (r >> 8) % (most / step));
		f->job.src[i] = (struct ferrodma_seg){ (uintptr_t)p, len[i] };
		memcpy(stream + at, p, len[i]);
		at += len[i];
	}
	f->bytes = at;
	at = 0;
	for (uint32_t i = 0; i < n; i++) {
		size_t to = (first + n - i) % n * slot + (random >> i % 32) % MARGIN;
		uint32_t l = len[(i + shift) % n];

		f->job.dst[i] = (struct ferrodma_seg){ (uintptr_t)f->dst + to, l };
		memcpy(f->expected + to, stream + at, l);
		at += l;
	}
	f->job.submit.nr_src = n;
	f->job.submit.nr_dst = n;
	f->job.submit.user_data = f - s->flights;
	f->in_use = true;
}

static bool fail(struct sender *s, const char *what, long long detail)
{
	snprintf(s->failure, sizeof(s->failure), "%s: %lld", what, detail);
	return false;
}

/* Checks that a job has written all that it should, and nothing else. */
static bool check(struct sender *s, const struct ferrodma_completion *r)
{
	struct flight *f = &s->flights[r->user_data % (QUEUED + 1)];
	ssize_t at;

	if (!f->in_use || r->cookie != f->job.submit.cookie)
		return fail(s, "a record of no job", r->cookie);
	if (r->status)
		return fail(s, "a job has failed", r->status);
	if (r->bytes != f->bytes)
		return fail(s, "not all bytes", r->bytes);
	at = area_differs(f->dst, f->expected, f->area);
	if (at >= 0)
		return fail(s, "wrong byte", at);
	f->in_use = false;
	s->checked += f->messages;
	return true;
}

/* Takes one or more records, by any of the calls. */
static bool land(struct sender *s)
{
	struct ferrodma_completion r[QUEUED];
	int n = random_below(&s->state, QUEUED);

	if (s->flights[n].in_use && random_below(&s->state, 2)) {
		int ret = take(&s->c, s->flights[n].job.submit.cookie, r);

		return ret ? fail(s, "WAIT", ret) : check(s, r);
	}
	n = read_records(&s->c, r, 1 + n);
	if (n < 0)
		return fail(s, "read", n);
	for (int i = 0; i < n; i++)
		if (!check(s, &r[i]))
			return false;
	return true;
}

/* Sends @n messages in one job that waits. */
static bool send_waiting(struct sender *s, uint32_t n)
{
	struct flight *f = &s->flights[QUEUED];
	int ret;

	make_job(s, f, n);
	s->waited++;
	ret = job_run(&s->c, &f->job);
	return ret ? fail(s, "SUBMIT_WAIT", ret) : check(s, &f->job.submit.completion);
}

/* Queues @n messages in one job, if the queue has room. */
static bool send_queued(struct sender *s, uint32_t n)
{
	struct flight *f = s->flights;
	int ret;

	while (f < s->flights + QUEUED && f->in_use)
		f++;
	if (f == s->flights + QUEUED)
		return land(s) && send_queued(s, n);
	make_job(s, f, n);
	s->queued++;
	ret = job_submit(&s->c, &f->job);
	return ret ? fail(s, "SUBMIT", ret) : true;
}

/*
 * Sends @messages and checks that they arrive: most of them in long jobs, and some in many
 * short ones.
 */
static bool send_all(struct sender *s, uint32_t messages)
{
	uint32_t most = s->c.info.max_segments < MOST ? s->c.info.max_segments : MOST, n;

	while (messages) {
		int jobs = random_below(&s->state, 8) ? 0 : 2 * QUEUED;

		for (; jobs && messages; jobs--, messages -= n) {
			n = 1 + random_below(&s->state, FEW);
			n = n < messages ? n : messages;
			if (!send_queued(s, n))
				return false;
		}
		n = most - random_below(&s->state, most / 2);
		n = n < messages ? n : messages;
		if (n && !send_waiting(s, n))
			return false;
		messages -= n;
	}
	for (int i = 0; i < QUEUED; i++)
		while (s->flights[i].in_use)
			if (!land(s))
				return false;
	return true;
}

/* Results of the processes. */
struct told {
	uint32_t checked, waited, queued;
	char failure[96];
};

TEST_F_TIMEOUT(channel, a_million_messages_from_several_processes, patience(110))
{
	/* The first process runs on any CPU, which is slow: see stay_on_first_cpu(). */
	uint32_t wanders = effort(MESSAGES / 10);
	uint32_t stays = effort((MESSAGES - MESSAGES / 10) / (PROCESSES - 1));
	struct told *told = mmap(NULL, PROCESSES * sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t checked = 0, jobs = 0;
	uint64_t begin = now_ns();
	pid_t pid[PROCESSES];

	ASSERT_TRUE(told != MAP_FAILED);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			static struct sender s;

			if (!sender_init(&s, variant->function, variant->number, i))
				_exit(1);
			if (i)
				stay_on_first_cpu();
			send_all(&s, i ? stays : wanders);
			told[i].checked = s.checked;
			told[i].waited = s.waited;
			told[i].queued = s.queued;
			memcpy(told[i].failure, s.failure, sizeof(s.failure));
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		expect_child_ends(_metadata, pid[i]);
		EXPECT_STREQ("", told[i].failure);
		EXPECT_LT(0, told[i].waited);
		EXPECT_LT(0, told[i].queued);
		checked += told[i].checked;
		jobs += told[i].waited + told[i].queued;
	}
	EXPECT_EQ(wanders + (PROCESSES - 1) * stays, checked);
	EXPECT_LT(0, blocks_in_all(variant->function, variant->number));
	EXPECT_EQ(blocks_in_all(variant->function, variant->number),
		  blocks_free(variant->function, variant->number));
	TH_LOG("%u messages in %u jobs of %d processes, %llu ms", checked, jobs, PROCESSES,
	       (unsigned long long)((now_ns() - begin) / NSEC_PER_MSEC));
}

TEST_HARNESS_MAIN
