/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every allocation fails once. The kernel is told to fail the n-th one of a call,
 * for n = 1, 2, ... until the call makes no n-th allocation: each time the call must
 * succeed all the same, or return an error that is documented, leave memory as it
 * was and nothing behind, and the channel must go on working.
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

/* More allocations than any of the calls makes. */
#define MOST		5000

/* The longest of these loops: a few hundred times to unbind and bind. */
#define LONG_TIME	1200

FIXTURE(fail) {
	const char *function;
	int number;
	struct channel c;
	struct job job;
	struct bound_device device;
	int nth;
	/* Copies from and to programs fail too. */
	bool copies;
	long pins;
	long long blocks;
	uint8_t *before, *after;
	/* What became of the calls. */
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
 * By default allocations that may sleep do not fail. Nothing fails but for tasks
 * that ask for it, so this may stay. Without a word: each would be a stack trace.
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

/* Where the function called @name is in the kernel; if that is null, the first behind @after. */
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

/* DMA_API_DEBUG turns itself off where it has no memory for what it remembers. */
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

	/* To take it back is a copy from the program, which may be the one that fails. */
	while (pwrite(nth, text, len, 0) != len)
		;
}

/* Ends it; whether something was made to fail. */
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

/* Whether a call may end like this because of a failed allocation, or copy. */
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

/* When the test has ended nothing is left of it, whatever became of it. */
FIXTURE_TEARDOWN_PARENT(fail)
{
	if (self->device.device[0] && bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
	EXPECT_EQ(self->pins, pins_held());
	TH_LOG("%d made to fail: %d calls succeeded all the same, %d did not",
	       self->survived + self->refused, self->survived, self->refused);
}

/* Opens a new file: its first job makes all allocations that there are. */
static inline bool open_afresh(FIXTURE_DATA(fail) *self)
{
	channel_close(&self->c);
	return !channel_open(&self->c, self->function, self->number, 0);
}

/*
 * A job of several segments, cut differently on the two sides, from the first
 * quarter of memory to the third; what it must do is known.
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
	/* The other way about: half a piece more at one end, and less at the other. */
	for (uint32_t i = 0; i < n; i++)
		job_add(c, j->dst, &j->submit.nr_dst, 2 * quarter + i * piece, piece);
	if (n > 1 && !c->info.block_size) {
		j->dst[0].len += piece / 2;
		j->dst[1].addr += piece / 2;
		j->dst[1].len -= piece / 2;
	}
	j->submit.timeout_ns = 10 * NSEC_PER_SEC;
}

/* Fails the test unless the job just now did all, or nothing. */
static inline void expect_done(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fail) *self, bool done)
{
	EXPECT_EQ(-1, area_differs(self->c.mem, done ? self->after : self->before, self->c.size));
}

/* Fails the test unless nothing is left behind, and the next job runs. */
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
 * Checks and counts what became of the @n-th call, of which an allocation has @failed.
 * Returns whether another call has a further allocation to fail.
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

/* Runs all tests of a program, where the kernel can make allocations fail. */
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
