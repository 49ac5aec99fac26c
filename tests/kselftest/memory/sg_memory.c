// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a job of an sg channel may name: mappings of all kinds, and memory that processes
 * share until one of them writes to it.
 */
#include "channel_fixture.h"
#include "children.h"
#include "sg_checks.h"

ON_CHANNEL(sg, 0);
/* With a second thread, the mappings are locked while pages are pinned. */
ON_CHANNEL_WITH_THREADS(sg, 0);

TEST_F(channel, an_address_is_one_of_the_program)
{
	static ALIGNED uint8_t from[] = "The quick brown fox", to[sizeof(from)];

	EXPECT_EQ(0, self->c.info.buffer_size);
	job_move(&self->job, to, from, sizeof(from));
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_STREQ((char *)from, (char *)to);
}

TEST_F(channel, an_sg_channel_cannot_be_mapped)
{
	EXPECT_TRUE(mmap(NULL, page_size(), RW, MAP_SHARED, self->c.fd, 0) == MAP_FAILED);
	EXPECT_EQ(ENODEV, errno);
}

/* Kinds of memory */

TEST_F(channel, private_memory_is_usable)
{
	uint8_t *p = new_pages(5);

	ASSERT_TRUE(p != NULL);
	expect_usable(_metadata, &self->c, p, 5 * page_size());
}

TEST_F(channel, shared_memory_is_usable)
{
	uint8_t *p = map_pages(5, RW, MAP_SHARED | MAP_ANONYMOUS, -1);

	ASSERT_TRUE(p != NULL);
	expect_usable(_metadata, &self->c, p, 5 * page_size());
}

TEST_F(channel, shared_mapping_of_a_file_is_usable_and_is_the_file)
{
	size_t len = 5 * page_size();
	int fd = new_file(5);
	uint8_t *p, *contents = malloc(len);

	ASSERT_LE(0, fd);
	p = map_pages(5, RW, MAP_SHARED, fd);
	ASSERT_TRUE(p && contents);
	expect_usable(_metadata, &self->c, p, len);
	ASSERT_EQ(len, pread(fd, contents, len, 0));
	EXPECT_EQ(-1, area_differs(p, contents, len));
}

TEST_F(channel, private_mapping_of_a_file_is_usable_and_not_the_file)
{
	size_t page = page_size(), len = 5 * page, at = 9 * address_unit(&self->c);
	int fd = new_file(5);
	uint8_t *shared, *private, *own = new_pages(1);

	ASSERT_LE(0, fd);
	shared = map_pages(5, RW, MAP_SHARED, fd);
	private = map_pages(5, RW, MAP_PRIVATE, fd);
	ASSERT_TRUE(shared && private && own);
	pattern_fill(shared, len, SEED);
	/* First the page belongs to the file, then to the private mapping. */
	expect_copies(_metadata, &self->c, own, private, page);
	pattern_fill(own, page, SEED + 7);
	job_move(&self->job, private + at, own, page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(private + at, page, SEED + 7));
	EXPECT_EQ(-1, area_differs(private, shared, at));
	expect_usable(_metadata, &self->c, private, len);
	EXPECT_EQ(-1, pattern_differs(shared, len, SEED));
}

TEST_F(channel, pages_of_a_file_that_nobody_has_written_are_usable)
{
	size_t page = page_size();
	int from = new_file(1), to = new_file(3);
	uint8_t *src, *dst;

	ASSERT_TRUE(from >= 0 && to >= 0);
	src = map_pages(1, PROT_READ, MAP_SHARED, from);
	dst = map_pages(3, RW, MAP_SHARED, to);
	ASSERT_TRUE(src && dst);
	job_move(&self->job, dst + page - 20, self->c.mem, page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(dst + page - 20, page, SEED));
	EXPECT_EQ(-1, value_differs(dst, page - 20, 0));
	EXPECT_EQ(-1, value_differs(dst + 2 * page - 20, page + 20, 0));
	job_move(&self->job, dst + page, src, page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(dst + page, page, 0));
}

/* Changes the number of huge pages that the kernel keeps by @n; returns whether it did. */
static bool more_huge_pages(int n)
{
	static const char path[] = "/proc/sys/vm/nr_hugepages";
	long have = proc_number(path, "");
	FILE *f = fopen(path, "we");
	bool set = f && fprintf(f, "%ld\n", have + n) > 0;

	set = f && !fclose(f) && set;
	return have >= 0 && set && proc_number(path, "") == have + n;
}

TEST_F(channel, huge_pages_of_hugetlbfs_are_usable)
{
	long size = proc_number("/proc/meminfo", "Hugepagesize:") << 10;
	uint8_t *p;

	if (size <= 0 || !more_huge_pages(1))
		SKIP(return, "this system has no huge page to spare");
	p = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	EXPECT_TRUE(p != MAP_FAILED);
	if (p != MAP_FAILED) {
		/* Test both ends of the page, and its middle. */
		expect_usable(_metadata, &self->c, p, 64 << 10);
		expect_usable(_metadata, &self->c, p + size - (64 << 10), 64 << 10);
		expect_usable(_metadata, &self->c, p + size / 2 - 5000, 10000);
		munmap(p, size);
	}
	EXPECT_TRUE(more_huge_pages(-1));
}

/* Returns the kilobytes of a mapping that are in transparent huge pages. */
static long huge_kb(const uint8_t *p)
{
	char line[256], start[32];
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	long kb = 0;

	snprintf(start, sizeof(start), "%08lx-", (unsigned long)p);
	while (f && fgets(line, sizeof(line), f)) {
		here = here || !strncmp(line, start, strlen(start));
		if (here && sscanf(line, "AnonHugePages: %ld", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

TEST_F(channel, transparent_huge_pages_are_usable)
{
	size_t size = proc_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "");
	uint8_t *room, *p;

	if ((long)size <= 0)
		SKIP(return, "this kernel has no transparent huge pages");
	room = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(room != MAP_FAILED);
	p = (uint8_t *)(((uintptr_t)room + size - 1) & ~(size - 1));
	p = mmap(p, size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	if (madvise(p, size, MADV_HUGEPAGE))
		SKIP(return, "madvise: %s", strerror(errno));
	p[0] = 1;
	if (!huge_kb(p))
		SKIP(return, "the kernel gave no huge page");
	expect_usable(_metadata, &self->c, p, 64 << 10);
	expect_usable(_metadata, &self->c, p + size - (64 << 10), 64 << 10);
	/* Splitting the huge page leaves the rest usable. */
	ASSERT_EQ(0, munmap(p, size / 2));
	expect_usable(_metadata, &self->c, p + size / 2, 64 << 10);
}

TEST_F(channel, the_stack_is_usable)
{
	uint8_t local[9000];

	expect_usable(_metadata, &self->c, local, sizeof(local));
}

TEST_F(channel, static_data_are_usable)
{
	static uint8_t zeroed[9000], initial[9000] = { 1 };

	expect_usable(_metadata, &self->c, zeroed, sizeof(zeroed));
	expect_usable(_metadata, &self->c, initial, sizeof(initial));
}

TEST_F(channel, the_heap_is_usable)
{
	uint8_t *p = malloc(20000);

	ASSERT_TRUE(p != NULL);
	expect_usable(_metadata, &self->c, p, 20000);
	free(p);
}

TEST_F(channel, locked_memory_is_usable)
{
	uint8_t *p = new_pages(5);

	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, mlock(p, 5 * page_size()));
	expect_usable(_metadata, &self->c, p, 5 * page_size());
}

/* Memory that can only be read. */
static const ALIGNED uint8_t constants[3 * 4096] = {
	[0 ... 4095] = 0x11, [4096 ... 8191] = 0x22, [8192 ... 12287] = 0x33,
};

TEST_F(channel, constants_can_be_a_source)
{
	uint8_t *p = new_pages(3);

	ASSERT_TRUE(p != NULL);
	expect_copies(_metadata, &self->c, p, constants, sizeof(constants));
}

TEST_F(channel, write_protected_memory_can_be_a_source)
{
	uint8_t *p = new_pages(3), *q = new_pages(3);

	ASSERT_TRUE(p && q);
	pattern_fill(p, 3 * page_size(), SEED + 5);
	ASSERT_EQ(0, mprotect(p, 3 * page_size(), PROT_READ));
	expect_copies(_metadata, &self->c, q, p, 3 * page_size());
}

TEST_F(channel, mapping_of_a_file_that_may_only_be_read_can_be_a_source)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t *shared, *private, *to = new_pages(3);

	ASSERT_LE(0, fd);
	shared = map_pages(3, PROT_READ, MAP_SHARED, fd);
	private = map_pages(3, PROT_READ, MAP_PRIVATE, fd);
	ASSERT_TRUE(shared && private && to);
	expect_copies(_metadata, &self->c, to, shared, 3 * page_size());
	expect_copies(_metadata, &self->c, to, private, 3 * page_size());
}

TEST_F(channel, source_that_nobody_has_touched_is_zero)
{
	size_t page = page_size(), edge = 10 * address_unit(&self->c);
	uint8_t *src = new_pages(3), *dst = new_pages(3);

	ASSERT_TRUE(src && dst);
	memset(dst, 0xee, 3 * page);
	job_move(&self->job, dst + edge, src + edge, 3 * page - 2 * edge);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, value_differs(dst + edge, 3 * page - 2 * edge, 0));
	EXPECT_EQ(-1, value_differs(dst, edge, 0xee));
	EXPECT_EQ(-1, value_differs(dst + 3 * page - edge, edge, 0xee));
}

TEST_F(channel, destination_that_nobody_has_touched_is_made)
{
	size_t page = page_size(), edge = 10 * address_unit(&self->c);
	uint8_t *dst = new_pages(3);

	ASSERT_TRUE(dst != NULL);
	job_move(&self->job, dst + edge, self->c.mem, 3 * page - 2 * edge);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(dst + edge, 3 * page - 2 * edge, SEED));
	EXPECT_EQ(-1, value_differs(dst, edge, 0));
	EXPECT_EQ(-1, value_differs(dst + 3 * page - edge, edge, 0));
}

/* Memory that was only read is the page of zeros that all programs share. */
TEST_F(channel, destination_that_was_only_read_gets_pages_of_its_own)
{
	size_t page = page_size();
	uint8_t *dst = new_pages(2), *other = new_pages(2);

	ASSERT_TRUE(dst && other);
	ASSERT_EQ(-1, value_differs(dst, 2 * page, 0));
	ASSERT_EQ(-1, value_differs(other, 2 * page, 0));
	job_move(&self->job, dst, self->c.mem, 2 * page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(dst, 2 * page, SEED));
	EXPECT_EQ(-1, value_differs(other, 2 * page, 0));
}

/*
 * The engine's writes do not show in the page tables. The driver must mark the pages as dirty,
 * or the kernel takes them for clean and discards them.
 */
TEST_F(channel, written_pages_are_not_thrown_away_as_clean)
{
	size_t page = page_size();
	uint8_t *p = new_pages(2), *to = p, *unused = p + page;

	ASSERT_TRUE(p != NULL);
	memset(p, 0x77, 2 * page);
	ASSERT_EQ(0, madvise(p, 2 * page, MADV_FREE));
	job_move(&self->job, to, self->c.mem, page);
	expect_runs(_metadata, &self->c, &self->job);
	if (madvise(p, 2 * page, MADV_PAGEOUT))
		SKIP(return, "madvise: %s", strerror(errno));
	if (unused[0])
		SKIP(return, "the kernel has kept the unwritten page, too");
	EXPECT_EQ(-1, pattern_differs(to, page, SEED));
}

/* Returns the number of the page of memory behind @p, or 0. Only root is told. */
static uint64_t frame_of(const uint8_t *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	pread(fd, &entry, sizeof(entry), (uintptr_t)p / page_size() * sizeof(entry));
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

TEST_F(channel, memory_above_4_GiB_is_read_and_written)
{
	size_t page = page_size(), high = 0;
	uint8_t *p = new_pages(256), *at[3], *model = malloc(page);

	ASSERT_TRUE(p && model);
	memset(p, 0x77, 256 * page);
	for (int i = 0; i < 256 && high < ARRAY_SIZE(at); i++)
		if (frame_of(p + i * page) >= (1ULL << 32) / page)
			at[high++] = p + i * page;
	if (high < ARRAY_SIZE(at))
		SKIP(return, "this machine has no memory above 4 GiB");
	pattern_fill(at[0], page, SEED);
	pattern_fill(model, page, SEED);
	job_move(&self->job, at[2], at[0], page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(at[2], model, page));
	/* As lists of several segments. */
	job_init(&self->job);
	for (int i = 0; i < 4; i++) {
		self->job.src[i] = (struct ferrodma_seg){ (uintptr_t)at[2] + i * page / 4,
							  page / 4 };
		self->job.dst[i] = (struct ferrodma_seg){ (uintptr_t)at[1] + (3 - i) * page / 4,
							  page / 4 };
	}
	self->job.submit.nr_src = 4;
	self->job.submit.nr_dst = 4;
	expect_runs(_metadata, &self->c, &self->job);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, memcmp(at[1] + (3 - i) * page / 4, model + i * page / 4, page / 4));
	EXPECT_EQ(-1, area_differs(at[2], model, page));
}

/* The engine only reads the source, so that the file need not be written back. */
TEST_F(channel, source_in_a_clean_page_of_a_file_stays_clean)
{
	size_t page = page_size();
	uint64_t flags[2];
	int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC), fd = new_file(1);
	uint8_t *p;

	ASSERT_LE(0, kpageflags);
	ASSERT_LE(0, fd);
	/* The first touch makes the page, which is never written. */
	p = map_pages(1, PROT_READ, MAP_SHARED, fd);
	ASSERT_TRUE(p != NULL);
	ASSERT_EQ(0, p[0]);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(8, pread(kpageflags, &flags[i], 8, frame_of(p) * 8));
		if (i)
			break;
		job_move(&self->job, self->c.mem, p, page);
		expect_runs(_metadata, &self->c, &self->job);
		ASSERT_EQ(0, memcmp(self->c.mem, p, page));
	}
	/* KPF_DIRTY */
	EXPECT_EQ(0, flags[0] & 1 << 4);
	EXPECT_EQ(0, flags[1] & 1 << 4);
	close(fd);
	close(kpageflags);
}

/* Memory that processes share until one of them writes */

/* Forks a child that waits for a byte on the pipe. */
static pid_t fork_waiting(int go[2])
{
	char byte;
	pid_t pid;

	if (pipe(go))
		return -1;
	pid = fork();
	if (!pid && read(go[0], &byte, 1) != 1)
		_exit(1);
	return pid;
}

TEST_F(channel, job_after_a_fork_writes_the_parent_s_memory_only)
{
	size_t page = page_size();
	uint8_t *p = new_pages(3);
	int go[2];
	pid_t pid;

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, 3 * page, SEED + 1);
	pid = fork_waiting(go);
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pattern_differs(p, 3 * page, SEED + 1) != -1);
	job_move(&self->job, p + 100, self->c.mem, 2 * page);
	expect_runs(_metadata, &self->c, &self->job);
	ASSERT_EQ(1, write(go[1], "g", 1));
	EXPECT_EQ(-1, pattern_differs(p + 100, 2 * page, SEED));
	EXPECT_EQ(-1, pattern_differs(p, 96, SEED + 1));
	expect_child_ends(_metadata, pid);
}

TEST_F(channel, job_of_a_child_writes_the_child_s_memory_only)
{
	size_t page = page_size();
	uint8_t *p = new_pages(3);
	pid_t pid;

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, 3 * page, SEED + 1);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		job_move(&self->job, p + 100, self->c.mem, 2 * page);
		_exit(job_run(&self->c, &self->job) ||
		      pattern_differs(p + 100, 2 * page, SEED) != -1);
	}
	expect_child_ends(_metadata, pid);
	EXPECT_EQ(-1, pattern_differs(p, 3 * page, SEED + 1));
}

TEST_F(channel, job_after_a_fork_reads_the_parent_s_memory)
{
	size_t page = page_size();
	uint8_t *p = new_pages(1), *to = new_pages(1);
	int go[2], done[2];
	char byte;
	pid_t pid;

	ASSERT_TRUE(p && to);
	ASSERT_EQ(0, pipe(done));
	pattern_fill(p, page, SEED + 1);
	pid = fork_waiting(go);
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(p, 0xcc, page);
		write(done[1], "d", 1);
		_exit(0);
	}
	ASSERT_EQ(1, write(go[1], "g", 1));
	ASSERT_EQ(1, read(done[0], &byte, 1));
	job_move(&self->job, to, p, page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, pattern_differs(to, page, SEED + 1));
	expect_child_ends(_metadata, pid);
}

TEST_F(channel, job_to_shared_memory_is_seen_by_a_child)
{
	size_t page = page_size();
	uint8_t *p = map_pages(3, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	int go[2];
	pid_t pid;

	ASSERT_TRUE(p != NULL);
	pid = fork_waiting(go);
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pattern_differs(p + 100, 2 * page, SEED) != -1);
	job_move(&self->job, p + 100, self->c.mem, 2 * page);
	expect_runs(_metadata, &self->c, &self->job);
	ASSERT_EQ(1, write(go[1], "g", 1));
	expect_child_ends(_metadata, pid);
}

TEST_HARNESS_MAIN
