/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of ferrodma share: a channel with memory for its jobs, calls that return 0 or
 * a negative errno, and patterns whose every byte follows from a seed and a position.
 *
 * Nothing here depends on an engine or a board. The INFO ioctl tells how coherent, sg and pool
 * channels differ (what an address is, how long a segment may be); struct channel and the
 * job_*() calls hide the differences from the tests.
 */
#ifndef FERRODMA_TEST_H
#define FERRODMA_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ferrodma.h"

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL

/* The longest time that a test waits for what should happen at once. */
#define SOON_MS		5000

/* The most segments in a list of the jobs that the job_*() calls make. */
#define JOB_SEGS	256

/* An address that no program has mapped, and one in the kernel's half. */
#define UNMAPPED_ADDR	0x1000ULL
#define KERNEL_ADDR	0xffff800000000000ULL

/**
 * struct channel - one open file, and memory that its jobs can name
 * @fd: the file
 * @info: what INFO said when it was opened
 * @mem: the memory; the device's buffer, or the test's own pages
 * @size: bytes at @mem
 * @base: the address that a job gives to @mem[0]
 */
struct channel {
	int fd;
	struct ferrodma_info info;
	uint8_t *mem;
	size_t size;
	uint64_t base;
};

/**
 * struct job - a SUBMIT call and the lists it points to; not to be moved
 */
struct job {
	struct ferrodma_submit submit;
	struct ferrodma_seg src[JOB_SEGS];
	struct ferrodma_seg dst[JOB_SEGS];
};

static inline int fdma_ioctl(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? -errno : 0;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Returns a positive number from the environment, or @standard if there is none. */
static inline int env_number(const char *name, int standard)
{
	const char *text = getenv(name);
	int number = text ? atoi(text) : 0;

	return number > 0 ? number : standard;
}

/*
 * Returns how often to do what a test does @count times to meet rare cases: FERRODMA_EFFORT
 * percent of that.
 */
static inline int effort(int count)
{
	int some = (long long)count * env_number("FERRODMA_EFFORT", 100) / 100;

	return some ? some : 1;
}

/*
 * Returns how long to wait for what takes at most @time on a machine of usual speed:
 * FERRODMA_SLOWNESS times as long.
 */
static inline int patience(int time)
{
	return time * env_number("FERRODMA_SLOWNESS", 1);
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * NSEC_PER_MSEC };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Patterns: splitmix64 of the position, so that any part can be made or checked alone. */

static inline uint64_t pattern_word(uint64_t seed, uint64_t index)
{
	uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Returns the next number of a reproducible sequence, below @limit. */
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return pattern_word(0, (*state)++) % limit;
}

static inline void pattern_fill(uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = pattern_word(seed, i / sizeof(word));
		memcpy(p + i, &word, len - i < sizeof(word) ? len - i : sizeof(word));
	}
}

/* Returns where @p first differs from the pattern, or -1. */
static inline ssize_t pattern_differs(const uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		size_t n = len - i < sizeof(word) ? len - i : sizeof(word);

		word = pattern_word(seed, i / sizeof(word));
		if (!memcmp(p + i, &word, n))
			continue;
		for (size_t j = 0; j < n; j++)
			if (p[i + j] != ((uint8_t *)&word)[j])
				return i + j;
	}
	return -1;
}

/* Returns where two areas first differ, or -1. */
static inline ssize_t area_differs(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (!memcmp(a, b, len))
		return -1;
	for (size_t i = 0; i < len; i++)
		if (a[i] != b[i])
			return i;
	return -1;
}

/* Returns where an area first holds another byte than @value, or -1. */
static inline ssize_t value_differs(const uint8_t *p, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != value)
			return i;
	return -1;
}

/* Channels */

/* Returns @ns, but at most the longest time limit that the channel takes. */
static inline uint64_t limit_within(const struct channel *c, uint64_t ns)
{
	return ns < c->info.max_timeout_ns ? ns : c->info.max_timeout_ns;
}

static inline int channel_open_fd(const char *function, int number, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/ferrodma-%s%d", function, number);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline int channel_info(int fd, struct ferrodma_info *info)
{
	*info = (struct ferrodma_info){ .size = sizeof(*info) };
	return fdma_ioctl(fd, FERRODMA_IOC_INFO, info);
}

/* Opens a channel for reading and writing, with @flags, and finds memory for its jobs. */
static inline int channel_open(struct channel *c, const char *function, int number,
			       int flags)
{
	int ret;

	memset(c, 0, sizeof(*c));
	c->fd = channel_open_fd(function, number, O_RDWR | flags);
	if (c->fd < 0)
		return c->fd;
	ret = channel_info(c->fd, &c->info);
	if (ret)
		goto close;
	if (c->info.buffer_size) {
		c->size = c->info.buffer_size;
		c->mem = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      c->fd, 0);
	} else {
		/* Each half has room for a job, even if its segments must be short. */
		c->size = 64 << 10;
		if (c->info.block_size && c->size / 2 > c->info.max_job_bytes)
			c->size = 2 * c->info.max_job_bytes;
		c->mem = mmap(NULL, c->size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		c->base = (uintptr_t)c->mem;
	}
	if (c->mem != MAP_FAILED)
		return 0;
	ret = -errno;
close:
	close(c->fd);
	c->fd = -1;
	return ret;
}

static inline void channel_close(struct channel *c)
{
	if (c->mem)
		munmap(c->mem, c->size);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->mem = NULL;
}

/*
 * Returns whether an error of the engine ends a job at once. This is known from the engine, and not
 * taken from INFO's flags, so that a missing flag skips no test.
 */
static inline bool reports_bus_errors(const struct channel *c)
{
	return c->info.engine == FERRODMA_ENGINE_ZDMA;
}

/* Jobs */

/* Makes a list of @len bytes at @off; returns its number of segments. */
static inline uint32_t job_list(const struct channel *c, struct ferrodma_seg *seg,
				uint64_t off, uint64_t len)
{
	uint64_t most = c->info.block_size ?: len;
	uint32_t n = 0;

	do {
		seg[n].addr = c->base + off;
		seg[n].len = len < most ? len : most;
		off += seg[n].len;
		len -= seg[n].len;
		n++;
	} while (len && n < JOB_SEGS);
	return n;
}

static inline void job_init(struct job *j)
{
	memset(&j->submit, 0, sizeof(j->submit));
	j->submit.size = sizeof(j->submit);
	j->submit.src = (uintptr_t)j->src;
	j->submit.dst = (uintptr_t)j->dst;
}

static inline void job_copy(struct job *j, const struct channel *c, uint64_t src,
			    uint64_t dst, uint64_t len)
{
	job_init(j);
	j->submit.nr_src = job_list(c, j->src, src, len);
	j->submit.nr_dst = job_list(c, j->dst, dst, len);
}

static inline void job_fill(struct job *j, const struct channel *c, uint64_t value,
			    uint64_t dst, uint64_t len)
{
	job_init(j);
	j->submit.flags = FERRODMA_SUBMIT_FILL;
	j->submit.src = value;
	j->submit.nr_dst = job_list(c, j->dst, dst, len);
}

/* Adds a segment to one of the lists of a job. */
static inline void job_add(const struct channel *c, struct ferrodma_seg *list,
			   uint32_t *nr, uint64_t off, uint64_t len)
{
	list[*nr].addr = c->base + off;
	list[*nr].len = len;
	++*nr;
}

static inline int job_submit(const struct channel *c, struct job *j)
{
	return fdma_ioctl(c->fd, FERRODMA_IOC_SUBMIT, &j->submit);
}

/* Submits and waits; returns the error of the call, else the record's status. */
static inline int job_run(const struct channel *c, struct job *j)
{
	int ret;

	j->submit.flags |= FERRODMA_SUBMIT_WAIT;
	ret = job_submit(c, j);
	return ret ?: j->submit.completion.status;
}

/* Waits for the job with this cookie and takes its record; 0 means no time limit. */
static inline int take_within(const struct channel *c, uint64_t cookie,
			      uint64_t timeout_ns, struct ferrodma_completion *record)
{
	struct ferrodma_wait w = {
		.size = sizeof(w), .cookie = cookie, .timeout_ns = timeout_ns,
	};
	int ret = fdma_ioctl(c->fd, FERRODMA_IOC_WAIT, &w);

	if (!ret && record)
		*record = w.completion;
	return ret;
}

static inline int take(const struct channel *c, uint64_t cookie,
		       struct ferrodma_completion *record)
{
	return take_within(c, cookie, SOON_MS * NSEC_PER_MSEC, record);
}

static inline int job_cancel(const struct channel *c, uint64_t cookie)
{
	struct ferrodma_cancel arg = { .size = sizeof(arg), .cookie = cookie };

	return fdma_ioctl(c->fd, FERRODMA_IOC_CANCEL, &arg);
}

/* Reads up to @n records; returns their number, or a negative errno. */
static inline int read_records(const struct channel *c,
			       struct ferrodma_completion *record, int n)
{
	ssize_t ret = read(c->fd, record, n * sizeof(*record));

	if (ret < 0)
		return -errno;
	return ret % sizeof(*record) ? -EBADMSG : (int)(ret / sizeof(*record));
}

/* Polls for @events for up to @ms; returns what poll() reports. */
static inline int poll_events(const struct channel *c, short events, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = events };

	return poll(&p, 1, ms) < 0 ? -errno : p.revents;
}

static inline bool has_record(const struct channel *c)
{
	return poll_events(c, POLLIN, 0) & POLLIN;
}

static inline bool wait_record(const struct channel *c)
{
	return poll_events(c, POLLIN, SOON_MS) & POLLIN;
}

static inline void alarm_handler(int sig)
{
	(void)sig;
}

/*
 * Sends this program a signal every @ms, until it is called with 0. One signal is not enough: it
 * may come before the call that it is meant to interrupt.
 */
static inline void alarm_every(unsigned int ms)
{
	struct sigaction sa = { .sa_handler = alarm_handler };
	struct itimerval it = {
		.it_value.tv_usec = ms * 1000, .it_interval.tv_usec = ms * 1000,
	};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/*
 * Keeps this thread on the CPU that takes the interrupts, if possible. For tests of many jobs:
 * on an emulator, waking another CPU can take long when the host is busy. Therefore only one
 * worker runs on other CPUs too, and does a small part of the jobs.
 */
static inline void stay_on_first_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

#endif /* FERRODMA_TEST_H */
