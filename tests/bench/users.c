// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the cost of a transfer for programs that wait for each one and for programs
 * that keep the queue full, the cost of another command, and the memory of a bound device:
 *
 *	users (no arguments)
 *	users count <contestant> <bytes> <rounds> <command>...
 *	users bound <contestant> <device> <driver> <bytes of its buffer>
 *	users bound <function> <number>
 */
#include <spawn.h>
#include <sys/wait.h>

#include "bind.h"
#include "counter.h"
#include "marks.h"

enum { INSTRUCTIONS, INTERRUPTS, SWITCHES, ALLOCATIONS, PAGES, METRICS };

/* Jobs that a client may have in the queue. */
#define MOST_JOBS	64

static uint32_t samples[METRICS][METER_ROUNDS];
static uint32_t overhead, recorded;
static int all_rounds;

/* Returns how many rounds of @jobs jobs to measure. */
static int rounds(int metric, uint32_t jobs)
{
	int all = metric == INSTRUCTIONS ? all_rounds : METER_EVENT_ROUNDS;

	return (all + jobs - 1) / jobs;
}

/* Measures as the kernel does (meter.c). Each round has @jobs jobs. */
static void measure(int (*once)(void *), void *arg, uint32_t jobs)
{
	int ret = 0;

	for (int i = 0; i < METER_WARM_UP && !ret; i += jobs)
		ret = once(arg);
	for (int i = 0; i < rounds(INSTRUCTIONS, jobs) && !ret; i++) {
		uint32_t before = instructions();

		ret = once(arg);
		samples[INSTRUCTIONS][i] = instructions() - before;
	}
	recorded = 0;
	for (; recorded < METER_CODE_ROUNDS && !ret; recorded += jobs) {
		mark_begin();
		ret = once(arg);
		mark_end();
	}
	count(true);
	for (int i = 0; i < rounds(INTERRUPTS, jobs) && !ret; i++) {
		struct meter_events before = events(), after;

		ret = once(arg);
		after = events();
		samples[INTERRUPTS][i] = after.interrupts - before.interrupts;
		samples[SWITCHES][i] = after.switches - before.switches;
		samples[ALLOCATIONS][i] = after.allocations - before.allocations;
		samples[PAGES][i] = after.pages - before.pages;
	}
	count(false);
	if (ret)
		errx(1, "a transfer fails: %d", ret);
	for (int i = 0; i < METRICS; i++)
		qsort(samples[i], rounds(i, jobs), sizeof(uint32_t), compare);
}

/* Returns the median for one job. */
static double median(int metric, uint32_t jobs)
{
	return (double)samples[metric][rounds(metric, jobs) / 2] / jobs;
}

static void report(const char *who, uint32_t bytes, uint32_t segments,
		   int (*once)(void *), void *arg, uint32_t jobs)
{
	int last;

	all_rounds = bytes * segments < METER_LONG ? METER_ROUNDS : METER_LONG_ROUNDS;
	last = rounds(INSTRUCTIONS, jobs) - 1;
	mark_flush();
	measure(once, arg, jobs);
	mark_flush();
	for (int i = 0; i <= last; i++)
		samples[INSTRUCTIONS][i] -= overhead;
	printf(METER_RESULT("%.3g"), who, bytes, segments,
	       (uint32_t)median(INSTRUCTIONS, jobs), samples[INSTRUCTIONS][0] / jobs,
	       samples[INSTRUCTIONS][last] / jobs, recorded, median(INTERRUPTS, jobs),
	       median(SWITCHES, jobs), median(ALLOCATIONS, jobs), median(PAGES, jobs));
	fflush(stdout);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int empty_ioctl(void *arg)
{
	(void)arg;
	return ioctl(meter, METER_NOTHING);
}

/* A channel and its jobs, which are all alike. */
struct work {
	struct channel channel;
	struct job job;
	struct ferrodma_completion records[MOST_JOBS];
};

static int wait_for_each(void *arg)
{
	struct work *work = arg;

	return job_run(&work->channel, &work->job);
}

/* Fills the queue, then takes all records. */
static int fill_queue(void *arg)
{
	struct work *work = arg;
	int taken = 0, ret;

	for (int i = 0; i < MOST_JOBS; i++) {
		ret = job_submit(&work->channel, &work->job);
		if (ret)
			return ret;
	}
	while (taken < MOST_JOBS) {
		ret = read_records(&work->channel, work->records, MOST_JOBS);
		if (ret < 0)
			return ret;
		for (int i = 0; i < ret; i++)
			if (work->records[i].status)
				return work->records[i].status;
		taken += ret;
	}
	return 0;
}

/* Each piece of program memory has a page of its own. */
static void bench_channel(const char *function, int number, uint32_t bytes,
			  uint32_t segments, bool queued)
{
	static struct work work;
	struct channel *c = &work.channel;
	uint64_t stride, half;
	char who[32];
	int ret = channel_open(c, function, number, 0);

	if (ret)
		errx(1, "%s%d: %s", function, number, strerror(-ret));
	if (!c->info.buffer_size) {
		munmap(c->mem, c->size);
		c->size = 4 << 20;
		c->mem = mmap(NULL, c->size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (c->mem == MAP_FAILED)
			err(1, "mmap");
		c->base = (uintptr_t)c->mem;
	}
	half = c->size / 2;
	stride = segments > 1 && !c->info.buffer_size ? 4096 : bytes;

	job_init(&work.job);
	for (uint32_t i = 0; i < segments; i++) {
		memset(c->mem + i * stride, i + 1, bytes);
		job_add(c, work.job.src, &work.job.submit.nr_src, i * stride, bytes);
		job_add(c, work.job.dst, &work.job.submit.nr_dst, half + i * stride, bytes);
	}

	snprintf(who, sizeof(who), "%s-%s", function, queued ? "queued" : "waiting");
	report(who, bytes, segments, queued ? fill_queue : wait_for_each, &work,
	       queued ? MOST_JOBS : 1);
	for (uint32_t i = 0; i < segments; i++)
		if (memcmp(c->mem + i * stride, c->mem + half + i * stride, bytes))
			errx(1, "%s: the bytes have not arrived", who);
	channel_close(c);
}

/*
 * Counts the memory that the driver allocates for an open file, up to the end of a job of one
 * segment.
 */
static void count_memory(const char *function, int number)
{
	struct meter_events e;
	struct channel c;
	struct job job;
	int ret;

	count(true);
	ret = channel_open(&c, function, number, 0);
	if (!ret) {
		job_copy(&job, &c, 0, c.size / 2, 64);
		ret = job_run(&c, &job);
	}
	e = events();
	count(false);
	if (ret)
		errx(1, "%s%d: %s", function, number, strerror(-ret));
	printf("memory: %s allocations=%u bytes=%u\n", function, e.allocations, e.bytes);
	fflush(stdout);
	channel_close(&c);
}

static void run(char **command)
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		errx(1, "%s fails", command[0]);
}

/* Runs a command that does some rounds twice, once for its instructions and once for its events. */
static int count_command(const char *who, const char *bytes, const char *rounds, char **command)
{
	uint32_t before = instructions(), all;
	struct meter_events e;

	run(command);
	all = instructions() - before;
	count(true);
	run(command);
	e = events();
	count(false);
	printf("count: %s bytes=%s rounds=%s instructions=%u", who, bytes, rounds, all);
	printf(" interrupts=%u switches=%u allocations=%u pages=%u\n", e.interrupts, e.switches,
	       e.allocations, e.pages);
	return 0;
}

/* Waits much longer than a grace period, so that memory freed by RCU is free. */
static void settle(void)
{
	sleep_ms(500);
}

/*
 * Measures the memory that the device of @b holds when it is bound, in addition to a buffer of
 * @buffer bytes.
 */
static int count_bound(const char *who, const struct bound_device *b, uint64_t buffer)
{
	struct meter_memory held = { .bytes = UINT64_MAX }, now;

	/*
	 * After the first unbind the kernel keeps some memory. Of the later values the least
	 * counts: now and then an index in the kernel that has the device's name grows.
	 */
	for (int i = 0; i < 6; i++) {
		int ret = device_unbind(b);

		settle();
		if (!ret && i && ioctl(meter, METER_HOLD))
			err(1, "METER_HOLD");
		ret = ret ?: device_bind(b);
		if (ret)
			errx(1, "%s: %s", b->device, strerror(-ret));
		settle();
		if (i && ioctl(meter, METER_HELD, &now))
			err(1, "METER_HELD");
		if (i && now.bytes < held.bytes)
			held = now;
	}
	if (held.bytes <= buffer)
		errx(1, "%s has %llu bytes, less than its buffer", who,
		     (unsigned long long)held.bytes);
	printf("bound: %s objects=%u pages=%u buffer=%llu bytes=%llu\n", who, held.objects,
	       held.pages, (unsigned long long)buffer,
	       (unsigned long long)(held.bytes - buffer));
	return 0;
}

static int count_channel(const char *function, int number)
{
	struct ferrodma_info info;
	struct bound_device b;
	int fd = channel_open_fd(function, number, O_RDWR);
	int ret = fd < 0 ? fd : channel_info(fd, &info);

	ret = ret ?: bound_device_find(&b, function, number);
	if (ret)
		errx(1, "%s%d: %s", function, number, strerror(-ret));
	close(fd);
	return count_bound(function, &b, info.buffer_size);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 64, 4 << 10, 64 << 10, 1 << 20 }, lists[] = { 16, 256 };
	/* Prefers the device with the large buffer, if there are two. */
	int large = !access("/dev/ferrodma-coherent1", F_OK);

	meter_open();
	if (argc > 5 && !strcmp(argv[1], "count"))
		return count_command(argv[2], argv[3], argv[4], argv + 5);
	if (argc == 4 && !strcmp(argv[1], "bound"))
		return count_channel(argv[2], atoi(argv[3]));
	if (argc == 6 && !strcmp(argv[1], "bound")) {
		struct bound_device b;

		snprintf(b.device, sizeof(b.device), "%s", argv[3]);
		snprintf(b.driver, sizeof(b.driver), "%s", argv[4]);
		return count_bound(argv[2], &b, atoi(argv[5]));
	}
	if (argc > 1)
		errx(1, "see the head of users.c");

	count_memory("coherent", large);
	count_memory("sg", 0);
	count_memory("pool", 0);
	all_rounds = METER_ROUNDS;
	measure(nothing, NULL, 1);
	overhead = samples[INSTRUCTIONS][0];
	report("ioctl", 0, 0, empty_ioctl, NULL, 1);
	for (int i = 0; i < 4; i++)
		bench_channel("coherent", large, sizes[i], 1, false);
	for (int i = 0; i < 2; i++)
		bench_channel("coherent", large, 64, lists[i], false);
	for (int i = 0; i < 4; i++)
		bench_channel("sg", 0, sizes[i], 1, false);
	for (int i = 0; i < 2; i++)
		bench_channel("sg", 0, 64, lists[i], false);
	bench_channel("pool", 0, 64, 1, false);
	for (int i = 0; i < 2; i++)
		bench_channel("pool", 0, 64, lists[i], false);
	bench_channel("coherent", large, 64, 1, true);
	bench_channel("sg", 0, 64, 1, true);
	bench_channel("pool", 0, 64, 1, true);
	return 0;
}
