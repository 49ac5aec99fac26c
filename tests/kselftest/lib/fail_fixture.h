/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls in which an allocation fails. The kernel is told to fail the n-th allocation of a call,
 * for n = 1, 2, ... until the call makes no n-th allocation. Each time the call must either
 * succeed or return a documented error and leave memory and the channel as they were. The
 * channel must go on working.
 *
 * Documentation/fault-injection/fault-injection.rst, "/proc/self/fail-nth".
 */
#ifndef FERRODMA_FAIL_FIXTURE_H
#define FERRODMA_FAIL_FIXTURE_H

#include "bind.h"
#include "channel_checks.h"
#include "debugfs.h"
#include "pins.h"
#include "user_memory.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"

/* A number of allocations that no call reaches. */
#define MOST		5000

/* The time limit of a test: the longest unbinds and binds a few hundred times. */
#define LONG_TIME	1200

FIXTURE(fail) {
	const char *function;
	int number;
	struct channel c;
	struct job job;
	struct bound_device device;
	int nth;
	/* Set if copies from and to user space fail too. */
	bool copies;
	long pins;
	long long blocks;
	uint8_t *before, *after;
	/* Numbers of calls in which an allocation failed, by how they ended. */
	int survived, refused;
};

FIXTURE_VARIANT(fail) {
	const char *function;
	int number;
};

#define FAIL_ON(function_, number_) \
	FIXTURE_VARIANT_ADD(fail, function_##number_) { \
		.function = #function_, .number = number_, \
	}

FAIL_ON(coherent, 0);
FAIL_ON(sg, 0);
FAIL_ON(pool, 0);

static inline bool set_knob(const char *fault, const char *knob, const char *value)
{
	char path[128];
	int fd;
	bool done;

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", fault, knob);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, value, strlen(value)) > 0;
	close(fd);
	return done;
}

/*
 * Lets allocations that may sleep fail as well, which they do not by default. Only tasks that
 * ask for it see failures, so this needs no undoing. Turns off the stack trace of each failure.
 */
static inline bool let_all_fail(bool *copies)
{
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	*copies = set_knob("fail_usercopy", "verbose", "0");
	return set_knob("failslab", "ignore-gfp-wait", "N") &&
	       set_knob("failslab", "verbose", "0") &&
	       set_knob("fail_page_alloc", "ignore-gfp-wait", "N") &&
	       set_knob("fail_page_alloc", "ignore-gfp-highmem", "N") &&
	       set_knob("fail_page_alloc", "min-order", "0") &&
	       set_knob("fail_page_alloc", "verbose", "0");
}

/*
 * Returns the address of the kernel function @name; if that is NULL, of the first function
 * behind the address @after.
 */
static inline unsigned long address_of(const char *name, unsigned long after)
{
	unsigned long address, found = 0;
	FILE *f = fopen("/proc/kallsyms", "re");
	char symbol[512];

	while (f && fscanf(f, "%lx %*c %511s%*[^\n]", &address, symbol) == 2)
		if (name ? !strcmp(symbol, name) : address > after && (!found || address < found))
			found = address;
	if (f)
		fclose(f);
	return found;
}

/* Excludes the allocations of DMA_API_DEBUG, which turns itself off if one of them fails. */
static inline bool let_dma_debug_be(void)
{
	unsigned long start = address_of("add_dma_entry", 0);
	char from[32], to[32];

	if (!start)
		return true;
	snprintf(from, sizeof(from), "%#lx", start);
	snprintf(to, sizeof(to), "%#lx", address_of(NULL, start));
	return set_knob("failslab", "reject-start", from) && set_knob("failslab", "reject-end", to);
}

static inline void arm(int nth, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	/* Disarming is itself a copy from user space, which may be the one that fails. */
	while (pwrite(nth, text, len, 0) != len)
		;
}

/* Disarms the failure; returns whether an allocation has failed. */
static inline bool has_failed(int nth)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	arm(nth, 0);
	return failed;
}

static inline long long blocks_now(const FIXTURE_DATA(fail) *self)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "/ferrodma/%s", self->device.device);
	return counter(path, "blocks_free");
}

/* Returns whether a call may return this because an allocation or a copy has failed. */
static inline bool is_clean(const FIXTURE_DATA(fail) *self, int ret)
{
	return !ret || ret == -ENOMEM || (ret == -EFAULT && self->copies);
}

FIXTURE_SETUP(fail)
{
	self->function = variant->function;
	self->number = variant->number;
	self->c.fd = -1;
	self->nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
	ASSERT_TRUE(let_all_fail(&self->copies));
	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, variant->number));
	ASSERT_EQ(0, channel_open(&self->c, variant->function, variant->number, 0));
	self->before = malloc(self->c.size);
	self->after = malloc(self->c.size);
	ASSERT_TRUE(self->before && self->after);
	self->pins = pins_held();
	self->blocks = blocks_now(self);
}

/* Checks that the test has left no page pinned, and binds the device again if it is unbound. */
FIXTURE_TEARDOWN_PARENT(fail)
{
	if (self->device.device[0] && bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
	EXPECT_EQ(self->pins, pins_held());
	TH_LOG("%d made to fail: %d calls succeeded all the same, %d did not",
	       self->survived + self->refused, self->survived, self->refused);
}

/* Opens the channel anew: the first job of a file makes all allocations that there are. */
static inline bool open_afresh(FIXTURE_DATA(fail) *self)
{
	channel_close(&self->c);
	return !channel_open(&self->c, self->function, self->number, 0);
}

/*
 * Makes a job that copies from the first quarter of memory to the third one, and computes what
 * memory must hold before and after it. The two lists are cut differently, unless the channel has
 * a block size or the job only one segment.
 */
static inline void make_job(FIXTURE_DATA(fail) *self, uint64_t seed)
{
	struct channel *c = &self->c;
	struct job *j = &self->job;
	size_t quarter = c->size / 4, u = unit(c) > address_unit(c) ? unit(c) : address_unit(c);
	size_t piece = c->info.block_size ?: 512;
	uint32_t n = most_segments(c) < 8 ? most_segments(c) : 8;

	piece = piece * n < quarter / 2 ? piece : quarter / 2 / n;
	piece = piece / (2 * u) * 2 * u;
	pattern_fill(c->mem, c->size, seed);
	memcpy(self->before, c->mem, c->size);
	memcpy(self->after, c->mem, c->size);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		size_t from = i * (quarter / n) / u * u;

		job_add(c, j->src, &j->submit.nr_src, from, piece);
		memcpy(self->after + 2 * quarter + i * piece, c->mem + from, piece);
	}
	/* Shift half a piece from the second segment to the first. */
	for (uint32_t i = 0; i < n; i++)
		job_add(c, j->dst, &j->submit.nr_dst, 2 * quarter + i * piece, piece);
	if (n > 1 && !c->info.block_size) {
		j->dst[0].len += piece / 2;
		j->dst[1].addr += piece / 2;
		j->dst[1].len -= piece / 2;
	}
	j->submit.timeout_ns = 10 * NSEC_PER_SEC;
}

/*
 * Fails the test unless the last job has changed exactly what it should: all of it if @done,
 * else nothing.
 */
static inline void expect_done(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fail) *self, bool done)
{
	EXPECT_EQ(-1, area_differs(self->c.mem, done ? self->after : self->before, self->c.size));
}

/* Fails the test unless no page is pinned, no block is taken, and the next job runs. */
static inline void expect_goes_on(struct __test_metadata *_metadata,
				  FIXTURE_DATA(fail) *self, int n)
{
	EXPECT_EQ(0, pinned_kb());
	EXPECT_EQ(self->pins, pins_held());
	EXPECT_EQ(self->blocks, blocks_now(self));
	make_job(self, n + MOST);
	EXPECT_EQ(0, job_run(&self->c, &self->job)) TH_LOG("after failure %d", n);
	expect_done(_metadata, self, true);
}

/*
 * Checks and counts the result of the @n-th call, in which an allocation has @failed. Returns
 * whether a further call would have another allocation to fail.
 */
static inline bool another(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self,
			   int n, int ret, bool failed)
{
	EXPECT_TRUE(is_clean(self, ret)) TH_LOG("failure %d: %s", n, strerror(-ret));
	if (!failed)
		EXPECT_EQ(0, ret);
	EXPECT_GT(MOST, n);
	self->survived += failed && !ret;
	self->refused += failed && ret;
	expect_goes_on(_metadata, self, n);
	return failed && n < MOST && __test_passed(_metadata);
}

/* Runs all tests of a program, or skips them if the kernel has no fault injection. */
static inline int run_fail_tests(int argc, char **argv)
{
	bool copies;

	if (access(FAIL_NTH, F_OK) || !let_all_fail(&copies)) {
		ksft_print_header();
		ksft_exit_skip("the kernel has no fault injection, or not its files in debugfs\n");
	}
	if (!let_dma_debug_be()) {
		ksft_print_header();
		ksft_exit_fail_msg("failslab cannot filter out DMA_API_DEBUG by stack trace\n");
	}
	return test_harness_run(argc, argv);
}

#endif /* FERRODMA_FAIL_FIXTURE_H */
