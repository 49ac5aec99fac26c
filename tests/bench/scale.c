// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what a job costs when there are more channels, or more who submit to
 * one. All are on one CPU, so what is shared shows where it is used, and not
 * where it is waited for.
 */
#include <sys/wait.h>

#include "counter.h"

enum { MOST_CHANNELS = 8, MOST_PROCESSES = 16, BATCHES = 21 };

/* In a batch, of all processes and channels; in others there are twice as many. */
#define JOBS	64

/* One way to share out jobs. */
struct setting {
	int processes;
	int channels;
	uint32_t bytes;
	bool waits;	/* in the call that submits the job, and not in another one */
};

/* A process that submits jobs, as the one that measures sees it. */
struct worker {
	pid_t pid;
	int go;		/* a number of rounds is written here, or LAST */
};

enum { LAST = -1 };

static struct worker workers[MOST_PROCESSES];

/* Where a worker says that its rounds are done, by 0 or an error. */
static int done[2];

/* What a worker has of a channel. */
static struct lane {
	struct channel channel;
	struct job job;
} lanes[MOST_CHANNELS];

static uint64_t half(const struct lane *lane)
{
	return lane->channel.size / 2;
}

static void lane_open(struct lane *lane, int number, uint32_t bytes)
{
	int ret = channel_open(&lane->channel, "coherent", number, 0);

	if (ret)
		errx(1, "coherent%d: %s", number, strerror(-ret));
	if (half(lane) < bytes)
		errx(1, "coherent%d has no room for %u bytes", number, bytes);
	pattern_fill(lane->channel.mem, bytes, number);
	job_copy(&lane->job, &lane->channel, 0, half(lane), bytes);
}

/* A job on each channel, all of them under way before the first is waited for. */
static int job_on_each(int channels)
{
	struct ferrodma_completion record;
	int ret = 0;

	for (int i = 0; i < channels && !ret; i++)
		ret = job_submit(&lanes[i].channel, &lanes[i].job);
	for (int i = 0; i < channels && !ret; i++) {
		ret = take_within(&lanes[i].channel, lanes[i].job.submit.cookie, 0, &record);
		ret = ret ?: record.status;
	}
	return ret;
}

static void work(const struct setting *s, int go)
{
	int rounds, ret = 0;

	for (int i = 0; i < s->channels; i++)
		lane_open(&lanes[i], i, s->bytes);
	while (read(go, &rounds, sizeof(rounds)) == sizeof(rounds) && rounds != LAST) {
		for (int i = 0; i < rounds && !ret; i++)
			ret = s->waits ? job_run(&lanes[0].channel, &lanes[0].job) :
					 job_on_each(s->channels);
		if (write(done[1], &ret, sizeof(ret)) != sizeof(ret))
			err(1, "write");
	}
	for (int i = 0; i < s->channels; i++)
		if (pattern_differs(lanes[i].channel.mem + half(&lanes[i]), s->bytes, i) >= 0)
			errx(1, "coherent%d: the bytes have not arrived", i);
	exit(0);
}

static void tell(const struct worker *worker, int rounds)
{
	if (write(worker->go, &rounds, sizeof(rounds)) != sizeof(rounds))
		err(1, "write");
}

/* Has each worker do @rounds; returns the instructions of all that is done meanwhile. */
static uint32_t batch(const struct setting *s, int rounds)
{
	uint32_t before = instructions();
	int ret;

	for (int i = 0; i < s->processes; i++)
		tell(&workers[i], rounds);
	for (int i = 0; i < s->processes; i++) {
		if (read(done[0], &ret, sizeof(ret)) != sizeof(ret))
			err(1, "read");
		if (ret)
			errx(1, "a job fails: %s", strerror(-ret));
	}
	return instructions() - before;
}

/* The usual one of some batches: they are short, and few meet the timer. */
static uint32_t usual(const struct setting *s, int rounds)
{
	uint32_t samples[BATCHES];

	for (int i = 0; i < BATCHES; i++)
		samples[i] = batch(s, rounds);
	qsort(samples, BATCHES, sizeof(*samples), compare);
	return samples[BATCHES / 2];
}

/* A worker ends before it is told to. It has said why. */
static void worker_lost(int sig)
{
	(void)sig;
	_exit(1);
}

static void start(struct worker *worker, const struct setting *s)
{
	int go[2];

	if (pipe(go))
		err(1, "pipe");
	worker->go = go[1];
	worker->pid = fork();
	if (worker->pid < 0)
		err(1, "fork");
	if (!worker->pid)
		work(s, go[0]);
	close(go[0]);
}

static void stop(const struct worker *worker)
{
	int status;

	tell(worker, LAST);
	close(worker->go);
	if (waitpid(worker->pid, &status, 0) != worker->pid || status)
		errx(1, "a process fails: %d", status);
}

/* What a batch takes besides its jobs is as much in one of twice as many. */
static void measure(const struct setting *s)
{
	int rounds = JOBS / s->processes / s->channels;
	struct meter_events before, between, after;
	uint32_t jobs;

	signal(SIGCHLD, worker_lost);
	for (int i = 0; i < s->processes; i++)
		start(&workers[i], s);
	batch(s, rounds);
	jobs = usual(s, 2 * rounds) - usual(s, rounds);
	count(true);
	before = events();
	batch(s, 2 * rounds);
	between = events();
	batch(s, rounds);
	after = events();
	count(false);
	signal(SIGCHLD, SIG_DFL);
	for (int i = 0; i < s->processes; i++)
		stop(&workers[i]);

#define PER_JOB(event) \
	(((int)(between.event - before.event) - (int)(after.event - between.event)) / (double)JOBS)
	printf("scale: %s processes=%d channels=%d bytes=%u instructions=%u",
	       s->waits ? "processes" : "channels", s->processes, s->channels, s->bytes,
	       (jobs + JOBS / 2) / JOBS);
	printf(" interrupts=%.2f switches=%.2f allocations=%.2f pages=%.2f\n",
	       PER_JOB(interrupts), PER_JOB(switches), PER_JOB(allocations), PER_JOB(pages));
	fflush(stdout);
}

int main(void)
{
	/* What is polled for, and what interrupts. */
	static const uint32_t sizes[] = { 4 << 10, 8 << 10 };
	const struct sched_param priority = { .sched_priority = 1 };

	/* One after the other, in the order of being woken: fair shares differ from run to run. */
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		err(1, "sched_setscheduler");
	meter_open();
	if (pipe(done))
		err(1, "pipe");
	/* What the kernel still has to do after it has booted, it does meanwhile. */
	sleep_ms(2000);
	for (int i = 0; i < 2; i++) {
		for (int n = 1; n <= MOST_CHANNELS; n *= 2)
			measure(&(struct setting){ 1, n, sizes[i], false });
		for (int n = 1; n <= MOST_PROCESSES; n *= 4)
			measure(&(struct setting){ n, 1, sizes[i], true });
	}
	return 0;
}
