// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of one job of an sg channel: locked memory, segments, bytes, and pages that are
 * scattered in memory.
 *
 * sg_memlock.c has the tests of several jobs, and of the users that they are charged to.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "channel_fixture.h"
#include "sg_checks.h"

ON_CHANNEL(sg, 0);

/* RLIMIT_MEMLOCK in most tests, in pages. */
#define PAGES	8

static struct ferrodma_completion record;

/* Drops the capability that lifts the limit, for good. */
static int drop_ipc_lock(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	data[0].permitted &= ~(1U << CAP_IPC_LOCK);
	data[0].inheritable &= ~(1U << CAP_IPC_LOCK);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static int limit_pages(rlim_t pages)
{
	rlim_t bytes = pages == RLIM_INFINITY ? pages : pages * page_size();
	struct rlimit limit = { bytes, bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

/* Makes a copy of @n whole pages to as many. */
static void job_pages(struct job *j, uint8_t *to, const uint8_t *from, size_t n)
{
	job_move(j, to, from, n * page_size());
}

TEST_F(channel, job_of_as_many_pages_as_the_limit_runs)
{
	uint8_t *src = new_pages(PAGES), *dst = new_pages(PAGES);

	ASSERT_TRUE(src && dst);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	pattern_fill(src, PAGES * page_size(), SEED);
	job_pages(&self->job, dst, src, PAGES / 2);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(dst, PAGES / 2 * page_size(), SEED));
	EXPECT_EQ(0, pinned_kb());
}

TEST_F(channel, job_of_one_page_more_is_ENOMEM_and_leaves_nothing)
{
	size_t page = page_size(), half = PAGES / 2;
	uint8_t *src = new_pages(PAGES), *dst = new_pages(PAGES);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	pattern_fill(src, PAGES * page, SEED);
	/* One page more on either side, for a single unit. */
	job_move(j, dst, src + address_unit(&self->c), half * page);
	expect_pins_refused(_metadata, &self->c, j, -ENOMEM);
	job_move(j, dst + page - address_unit(&self->c), src, half * page);
	expect_pins_refused(_metadata, &self->c, j, -ENOMEM);
	EXPECT_EQ(-1, value_differs(dst, PAGES * page, 0));
	job_pages(j, dst, src, half);
	expect_runs(_metadata, &self->c, j);
}

TEST_F(channel, limit_of_an_ordinary_user_holds)
{
	size_t page = page_size(), half = PAGES / 2;
	uint8_t *src = new_pages(PAGES), *dst = new_pages(PAGES);

	ASSERT_TRUE(src && dst);
	ASSERT_EQ(0, limit_pages(PAGES));
	ASSERT_EQ(0, setresgid(65534, 65534, 65534));
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	pattern_fill(src, PAGES * page, SEED);
	job_pages(&self->job, dst, src, half + 1);
	expect_refused(_metadata, &self->c, &self->job, -ENOMEM);
	EXPECT_EQ(0, pinned_kb());
	EXPECT_EQ(-1, value_differs(dst, PAGES * page, 0));
	job_pages(&self->job, dst, src, half);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, one_page_counts_once_for_each_segment)
{
	uint8_t *src = new_pages(1), *dst = new_pages(1);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	memset(src, 0x61, page_size());
	for (int more = 0; more < 2; more++) {
		job_init(j);
		for (int i = 0; i < PAGES - 1 + more; i++)
			job_from(j, src + i * 32, 16);
		job_to(j, dst, (PAGES - 1 + more) * 16);
		if (more)
			expect_pins_refused(_metadata, &self->c, j, -ENOMEM);
		if (!more)
			expect_runs(_metadata, &self->c, j);
	}
	EXPECT_EQ(-1, value_differs(dst, (PAGES - 1) * 16, 0x61));
	EXPECT_EQ(-1, value_differs(dst + (PAGES - 1) * 16, 16, 0));
}

TEST_F(channel, fill_counts_its_destination_only)
{
	uint8_t *p = new_pages(PAGES + 1);
	struct job *j = &self->job;

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	job_init(j);
	j->submit.flags = FERRODMA_SUBMIT_FILL;
	j->submit.src = 0x35;
	job_to(j, p + address_unit(&self->c), PAGES * page_size());
	expect_pins_refused(_metadata, &self->c, j, -ENOMEM);
	j->dst[0].addr -= address_unit(&self->c);
	expect_runs(_metadata, &self->c, j);
	EXPECT_EQ(-1, value_differs(p, PAGES * page_size(), 0x35));
	EXPECT_EQ(0, p[PAGES * page_size()]);
}

TEST_F(channel, limit_of_nothing_leaves_nothing)
{
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(0));
	job_move(&self->job, self->c.mem + 100, self->c.mem, unit(&self->c));
	expect_pins_refused(_metadata, &self->c, &self->job, -ENOMEM);
}

TEST_F(channel, CAP_IPC_LOCK_lifts_the_limit)
{
	ASSERT_EQ(0, limit_pages(0));
	job_copy(&self->job, &self->c, 0, self->c.size / 2, self->c.size / 2);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(self->c.mem + self->c.size / 2, self->c.size / 2, SEED));
	EXPECT_EQ(0, pinned_kb());
}

TEST_F(channel, without_a_limit_no_capability_is_needed)
{
	ASSERT_EQ(0, limit_pages(RLIM_INFINITY));
	ASSERT_EQ(0, drop_ipc_lock());
	job_copy(&self->job, &self->c, 0, self->c.size / 2, self->c.size / 2);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, refused_jobs_leave_the_limit_as_it_was)
{
	size_t page = page_size();
	uint8_t *p = new_pages(PAGES);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	ASSERT_EQ(0, munmap(p + (PAGES / 2 - 1) * page, page));
	for (int i = 0; i < 3 * PAGES; i++) {
		job_pages(&self->job, self->c.mem, p, PAGES / 2);
		ASSERT_EQ(-EFAULT, job_submit(&self->c, &self->job));
	}
	EXPECT_EQ(0, pinned_kb());
	job_pages(&self->job, self->c.mem + PAGES * page, self->c.mem, PAGES / 2);
	expect_runs(_metadata, &self->c, &self->job);
}

/* Threads that submit jobs over the limit, each on a file of its own, until they are stopped. */
#define GREEDY	3

struct greedy {
	struct channel c;
	struct job job;
	pthread_t thread;
	atomic_uint refused;
	bool failed;
};

static atomic_bool stop_asking;

static void *ask_for_too_much(void *arg)
{
	struct greedy *g = arg;

	while (!stop_asking) {
		if (job_submit(&g->c, &g->job) != -ENOMEM)
			g->failed = true;
		g->refused++;
	}
	return NULL;
}

TEST_F(channel, job_within_the_limit_is_not_refused_beside_one_beyond_it)
{
	static struct greedy greedy[GREEDY];
	int ret = 0;

	ASSERT_EQ(0, limit_pages(PAGES));
	for (int i = 0; i < GREEDY; i++) {
		struct channel *c = &greedy[i].c;

		ASSERT_EQ(0, channel_open(c, "sg", 0, 0));
		job_pages(&greedy[i].job, c->mem + PAGES * page_size(), c->mem, PAGES);
	}
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	for (int i = 0; i < GREEDY; i++)
		ASSERT_EQ(0, pthread_create(&greedy[i].thread, NULL, ask_for_too_much, greedy + i));
	job_pages(&self->job, self->c.mem + PAGES * page_size(), self->c.mem, 1);
	for (int i = 0; i < effort(4000) && !ret; i++)
		ret = job_run(&self->c, &self->job);
	stop_asking = true;
	for (int i = 0; i < GREEDY; i++) {
		pthread_join(greedy[i].thread, NULL);
		EXPECT_FALSE(greedy[i].failed);
		EXPECT_LT(0, greedy[i].refused);
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, pinned_kb());
}

TEST_F(channel, limit_is_free_again_when_the_record_is_there)
{
	size_t page = page_size();

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	job_pages(&self->job, self->c.mem + PAGES * page, self->c.mem, PAGES / 2);
	ASSERT_EQ(0, job_submit(&self->c, &self->job));
	for (int i = 0; i < 100; i++) {
		/*
		 * The job has ended and its record is not taken; the next job needs all of the
		 * limit.
		 */
		ASSERT_TRUE(wait_record(&self->c));
		ASSERT_EQ(0, pinned_kb());
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		ASSERT_EQ(1, read_records(&self->c, &record, 1));
		ASSERT_EQ(0, record.status);
	}
}

TEST_F(channel, limit_is_free_again_when_a_waiting_submit_returns)
{
	size_t page = page_size();

	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, limit_pages(PAGES));
	for (int i = 0; i < 100; i++) {
		job_pages(&self->job, self->c.mem + PAGES * page, self->c.mem, PAGES / 2);
		ASSERT_EQ(0, job_run(&self->c, &self->job));
		ASSERT_EQ(0, pinned_kb());
	}
}

/* Segments */

TEST_F(channel, as_many_segments_as_can_be_each_in_a_page_of_its_own)
{
	uint32_t n = most_segments(&self->c);
	size_t page = page_size();
	uint8_t *src = new_pages(n), *dst = new_pages(n);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst);
	pattern_fill(src, n * page, SEED);
	memset(dst, 0x99, n * page);
	job_init(j);
	/* The source is the ends of pages, the destination the starts of pages. */
	for (uint32_t i = 0; i < n; i++) {
		job_from(j, src + (n - i) * page - 16, 16);
		job_to(j, dst + i * page, 16);
	}
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++) {
		ASSERT_EQ(0, memcmp(dst + i * page, src + (n - i) * page - 16, 16));
		ASSERT_EQ(-1, value_differs(dst + i * page + 16, page - 16, 0x99));
	}
	EXPECT_EQ(-1, pattern_differs(src, n * page, SEED));
	EXPECT_EQ(0, pinned_kb());
}

TEST_F(channel, as_many_segments_as_can_be_each_across_the_end_of_a_page)
{
	uint32_t n = most_segments(&self->c) / 2;
	size_t page = page_size(), a = address_unit(&self->c), len = 12 * a;
	uint8_t *src = new_pages(2 * n), *dst = new_pages(2 * n);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst);
	pattern_fill(src, 2 * n * page, SEED);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		job_from(j, src + (2 * i + 1) * page - 5 * a, len);
		job_to(j, dst + (2 * (n - i) - 1) * page - 7 * a, len);
	}
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(dst + (2 * (n - i) - 1) * page - 7 * a,
				    src + (2 * i + 1) * page - 5 * a, len));
	EXPECT_EQ(0, pinned_kb());
}

/* Segments as short as possible: bytes on some channels. */
TEST_F(channel, units_one_by_one)
{
	uint32_t n = most_segments(&self->c);
	size_t u = unit(&self->c);
	uint8_t *dst = new_pages(2);
	struct job *j = &self->job;

	ASSERT_TRUE(dst != NULL);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		job_from(j, self->c.mem + 3 * i * u, u);
		job_to(j, dst + (n - i) * 5 * u, u);
	}
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++) {
		ASSERT_EQ(0, memcmp(dst + (n - i) * 5 * u, self->c.mem + 3 * i * u, u));
		ASSERT_EQ(-1, value_differs(dst + (n - i) * 5 * u + u, 4 * u, 0));
	}
	EXPECT_EQ(-1, value_differs(dst, 5 * u, 0));
}

TEST_F(channel, one_unit_gathered_with_a_long_piece)
{
	size_t page = page_size(), u = unit(&self->c);
	const uint8_t *one = self->c.mem + 77 * u, *piece = self->c.mem + 100 * u;
	uint8_t *dst = new_pages(10);
	struct job *j = &self->job;

	ASSERT_TRUE(dst != NULL);
	job_init(j);
	job_from(j, one, u);
	job_from(j, piece, 8 * page);
	job_to(j, dst + 3 * u, 8 * page);
	job_to(j, dst + 9 * page, u);
	expect_runs(_metadata, &self->c, j);
	EXPECT_EQ(0, memcmp(dst + 3 * u, one, u));
	EXPECT_EQ(-1, area_differs(dst + 4 * u, piece, 8 * page - u));
	EXPECT_EQ(0, memcmp(dst + 9 * page, piece + 8 * page - u, u));
}

/* Bytes */

TEST_F(channel, more_than_max_job_bytes_is_EMSGSIZE_whether_it_is_there_or_not)
{
	uint64_t most = self->c.info.max_job_bytes;
	struct job *j = &self->job;

	job_move(j, self->c.mem, self->c.mem, most + unit(&self->c));
	j->src[0].addr = UNMAPPED_ADDR;
	j->dst[0].addr = UNMAPPED_ADDR + 2 * most;
	expect_pins_refused(_metadata, &self->c, j, -EMSGSIZE);
	/* The limit is on the sum of the segments. */
	j->src[0].len = most;
	job_from(j, self->c.mem, unit(&self->c));
	expect_pins_refused(_metadata, &self->c, j, -EMSGSIZE);
	/* A job as long as the limit is not too long, though its memory is not mapped. */
	job_move(j, self->c.mem, self->c.mem, most);
	j->src[0].addr = UNMAPPED_ADDR;
	j->dst[0].addr = UNMAPPED_ADDR + 2 * most;
	expect_pins_refused(_metadata, &self->c, j, -EFAULT);
}

/* With bounce buffers for all DMA, a long job may find no room. */
#define SKIP_IF_NOT_BOUNCED(ret) do {					\
	if ((ret) == -ENOMEM && all_is_bounced())			\
		SKIP(return, "bounce buffers do not hold so much");	\
} while (0)

TEST_F_TIMEOUT(channel, job_that_finds_no_room_to_be_bounced_is_ENOMEM_and_leaves_nothing, 120)
{
	/*
	 * A job that is longer than the room of all bounce buffers; its source is the same
	 * memory in each segment.
	 */
	size_t len = 1UL << 20, n = most_segments(&self->c) < 200 ? most_segments(&self->c) : 200;
	struct job *j = &self->job;
	uint8_t *p;

	if (!all_is_bounced())
		SKIP(return, "what the engine can reach is not bounced");
	p = map_pages((n + 1) * len / page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_TRUE(p != NULL);
	for (int round = 0; round < 3; round++) {
		job_init(j);
		for (size_t i = 0; i < n; i++) {
			job_from(j, p, len);
			job_to(j, p + (i + 1) * len, len);
		}
		expect_pins_refused(_metadata, &self->c, j, -ENOMEM);
		/* The bounce buffers that it had are free again. */
		expect_works(_metadata, &self->c);
		make_pattern(&self->c, SEED);
	}
	munmap(p, (n + 1) * len);
}

TEST_F(channel, fill_of_max_job_bytes_runs)
{
	uint64_t most = self->c.info.max_job_bytes;
	struct job *j = &self->job;
	int ret;
	uint8_t *p, *model;

	if (proc_number("/proc/meminfo", "MemAvailable:") / 2 < most >> 10)
		SKIP(return, "so much memory is not free");
	p = mmap(NULL, most, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	model = malloc(1 << 20);
	ASSERT_TRUE(p != MAP_FAILED && model);
	memset(model, 0xb7, 1 << 20);
	job_init(j);
	j->submit.flags = FERRODMA_SUBMIT_FILL;
	j->submit.src = 0xb7;
	j->submit.timeout_ns = 20 * NSEC_PER_SEC;
	job_to(j, p, most);
	ret = job_run(&self->c, j);
	SKIP_IF_NOT_BOUNCED(ret);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(most, j->submit.completion.bytes);
	for (uint64_t at = 0; at < most; at += 1 << 20)
		ASSERT_EQ(0, memcmp(p + at, model, most - at < 1 << 20 ? most - at : 1 << 20));
	EXPECT_EQ(0, pinned_kb());
}

/* Touches the pages in random order, so that they are scattered in physical memory. */
static void touch_shuffled(uint8_t *p, size_t n)
{
	uint64_t state = SEED;
	uint32_t *order = malloc(n * sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = i;
	for (size_t i = n - 1; order && i; i--) {
		size_t k = random_below(&state, i + 1);
		uint32_t t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	for (size_t i = 0; order && i < n; i++)
		p[order[i] * page_size()] = 1;
	free(order);
}

/* Copies @len bytes in scattered pages; returns 0 or a negative errno. */
static int copy_scattered(const struct channel *c, struct job *j, size_t len)
{
	size_t n = len / page_size();
	uint8_t *src = new_pages(n), *dst = new_pages(n);
	int ret;

	if (!src || !dst)
		return -ENOBUFS;
	touch_shuffled(src, n);
	touch_shuffled(dst, n);
	pattern_fill(src, len, SEED);
	job_move(j, dst, src, len);
	j->submit.timeout_ns = 20 * NSEC_PER_SEC;
	ret = job_run(c, j);
	if (!ret && pattern_differs(dst, len, SEED) != -1)
		ret = -EILSEQ;
	munmap(src, len);
	munmap(dst, len);
	return ret;
}

TEST_F(channel, pages_all_over_memory_are_copied)
{
	EXPECT_EQ(0, copy_scattered(&self->c, &self->job, 512 << 10));
	EXPECT_EQ(512 << 10, self->job.submit.completion.bytes);
	EXPECT_EQ(0, pinned_kb());
}

TEST_F(channel, many_pages_all_over_memory_are_copied)
{
	int ret = copy_scattered(&self->c, &self->job, 32 << 20);

	ASSERT_EQ(0, pinned_kb());
	SKIP_IF_NOT_BOUNCED(ret);
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
