// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the cost of a job as the number of channels, or of submitters on one channel, grows. All
 * run on one CPU, so this shows the cost of using shared data, and not that of waiting for it.
 */
#include <sys/wait.h>

#include "counter.h"

enum { MOST_CHANNELS = 8, MOST_PROCESSES = 16, BATCHES = 21 };

/* Jobs in a batch, of all processes and channels together. Other batches have twice as many. */
#define JOBS	64

/* A distribution of jobs to processes and channels. */
struct setting {
	int processes;
	int channels;
	uint32_t bytes;
	bool waits;	/* for the job in SUBMIT, not in another call */
};

/* A process that submits jobs, as the measuring process sees it. */
struct worker {
	pid_t pid;
	int go;		/* written to: a number of rounds, or LAST */
};

enum { LAST = -1 };

static struct worker workers[MOST_PROCESSES];

/* A pipe to which a worker writes 0 or an error when its rounds are done. */
static int done[2];

/* A worker's state of a channel. */
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
		errx(1, "coherent%d: half of the buffer is less than %u bytes", number, bytes);
	pattern_fill(lane->channel.mem, bytes, number);
	job_copy(&lane->job, &lane->channel, 0, half(lane), bytes);
}

/* Submits a job on each channel before it waits for the first. */
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

/*
 * Makes each worker do @rounds. Returns the number of instructions that all tasks execute
 * meanwhile.
 */
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

/* Returns the median of some batches: they are short, and few include a timer interrupt. */
static uint32_t usual(const struct setting *s, int rounds)
{
	uint32_t samples[BATCHES];

	for (int i = 0; i < BATCHES; i++)
		samples[i] = batch(s, rounds);
	qsort(samples, BATCHES, sizeof(*samples), compare);
	return samples[BATCHES / 2];
}

/* Ends the program when a worker ends too early. The worker has printed the reason. */
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

/* The cost of a batch itself does not depend on its jobs: a batch of twice as many has the same. */
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
	/* A size that is polled for, and one that interrupts. */
	static const uint32_t sizes[] = { 4 << 10, 8 << 10 };
	const struct sched_param priority = { .sched_priority = 1 };

	/*
	 * Tasks run one after the other, in the order in which they are woken: fair scheduling
	 * would differ from run to run.
	 */
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		err(1, "sched_setscheduler");
	meter_open();
	if (pipe(done))
		err(1, "pipe");
	/* Lets the kernel finish its work after booting. */
	sleep_ms(2000);
	for (int i = 0; i < 2; i++) {
		for (int n = 1; n <= MOST_CHANNELS; n *= 2)
			measure(&(struct setting){ 1, n, sizes[i], false });
		for (int n = 1; n <= MOST_PROCESSES; n *= 4)
			measure(&(struct setting){ n, 1, sizes[i], true });
	}
	return 0;
}
