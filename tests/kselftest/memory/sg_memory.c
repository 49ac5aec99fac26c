// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a job of an sg channel may name: every place in a page, and every
 * kind of mapping. And memory that it may not: what is not there, what may not
 * be written, what is not the program's.
 */
#include <sys/wait.h>

#include "channel_fixture.h"
#include "sg_checks.h"

ON_CHANNEL(sg, 0);
/* Where others could change the mappings, they are locked while pages are pinned. */
ON_CHANNEL_WITH_THREADS(sg, 0);

/* A number without a common factor with the size of a page, to go through it in a mixed order. */
#define STRIDE	1237

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

/* Places in a page */

/*
 * Copies @len bytes from @from in the source to @to in the destination, and
 * compares all of the destination, three pages, with the model.
 */
static void expect_places(struct __test_metadata *_metadata, const struct channel *c,
			  uint8_t *mem, uint8_t *model, size_t to, size_t from, size_t len)
{
	uint8_t *src = mem, *dst = mem + 3 * page_size();
	struct job j;

	job_move(&j, dst + to, src + from, len);
	ASSERT_EQ(0, job_run(c, &j));
	memcpy(model + to, src + from, len);
	ASSERT_EQ(-1, area_differs(dst, model, 3 * page_size()))
		TH_LOG("%zu bytes from %zu to %zu", len, from, to);
}

TEST_F(channel, every_offset_in_a_page_is_right_in_source_and_destination)
{
	size_t page = page_size(), a = address_unit(&self->c), n = page / a;
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	for (size_t i = 0; i < n; i++)
		expect_places(_metadata, &self->c, mem, model, i * STRIDE % n * a, i * a,
			      (1 + i % 71) * unit(&self->c));
}

TEST_F(channel, every_distance_from_the_end_of_a_page_is_right)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c);
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	/* Both ends of both sides come to lie on, before and behind the end of a page. */
	for (size_t i = 0; i < 20; i++) {
		for (size_t k = 0; k < 20; k++) {
			expect_places(_metadata, &self->c, mem, model, page - 10 * a + i * a,
				      page - 10 * a + k * a, 10 * u);
			expect_places(_metadata, &self->c, mem, model, page - 10 * a + k * a,
				      page - 10 * a + i * a, page);
		}
	}
}

TEST_F(channel, lengths_around_whole_pages_are_right)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c), len;
	uint8_t *mem = new_pages(6), *model = calloc(3, page);

	ASSERT_TRUE(mem && model);
	pattern_fill(mem, 3 * page, SEED);
	for (size_t pages = 1; pages <= 2; pages++) {
		for (len = pages * page - 3 * u; len <= pages * page + 3 * u; len += u) {
			for (size_t at = 0; at < 5; at++) {
				expect_places(_metadata, &self->c, mem, model, at * a,
					      (4 - at) * a, len);
				expect_places(_metadata, &self->c, mem, model,
					      3 * page - len - at * a, at * a, len);
			}
		}
	}
}

TEST_F(channel, one_page_may_be_in_every_segment)
{
	uint32_t n = most_segments(&self->c);
	size_t page = page_size(), piece = page / n;
	uint8_t *src = new_pages(1), *dst = new_pages(1);
	struct job *j = &self->job;

	ASSERT_TRUE(src && dst && piece);
	pattern_fill(src, page, SEED);
	job_init(j);
	for (uint32_t i = 0; i < n; i++) {
		job_from(j, src + i * STRIDE % n * piece, piece);
		job_to(j, dst + (i * 61 + 7) % n * piece, piece);
	}
	expect_runs(_metadata, &self->c, j);
	for (uint32_t i = 0; i < n; i++)
		ASSERT_EQ(0, memcmp(dst + (i * 61 + 7) % n * piece,
				    src + i * STRIDE % n * piece, piece));
	EXPECT_EQ(-1, value_differs(dst + n * piece, page - n * piece, 0));
	EXPECT_EQ(-1, pattern_differs(src, page, SEED));
}

TEST_F(channel, source_and_destination_may_be_in_one_page)
{
	size_t page = page_size(), quarter = page / 4;
	uint8_t *p = new_pages(1), *model = malloc(page);

	ASSERT_TRUE(p && model);
	pattern_fill(p, page, SEED);
	memcpy(model, p, page);
	job_move(&self->job, p + 2 * quarter, p + quarter, quarter);
	expect_runs(_metadata, &self->c, &self->job);
	memcpy(model + 2 * quarter, model + quarter, quarter);
	EXPECT_EQ(-1, area_differs(p, model, page));
}

TEST_F(channel, one_segment_may_be_in_mappings_of_several_kinds)
{
	size_t page = page_size();
	uint8_t *p = new_pages(5);
	int fd = new_file(1);

	ASSERT_TRUE(p != NULL);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(mmap(p + page, page, RW, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	ASSERT_TRUE(mmap(p + 3 * page, page, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) != MAP_FAILED);
	expect_usable(_metadata, &self->c, p, 5 * page);
}

TEST_F(channel, fill_of_every_part_of_a_page)
{
	size_t page = page_size(), a = address_unit(&self->c), u = unit(&self->c);
	uint8_t *p = new_pages(3), *model = calloc(3, page);
	struct job *j = &self->job;

	if (!(self->c.info.flags & FERRODMA_INFO_FILL))
		SKIP(return, "the engine cannot fill");
	ASSERT_TRUE(p && model);
	for (size_t i = 0; i < 128; i++) {
		size_t at = i * STRIDE % (2 * page / a) * a, len = (1 + i * 37 % (page / u)) * u;

		job_init(j);
		j->submit.flags = FERRODMA_SUBMIT_FILL;
		j->submit.src = i;
		job_to(j, p + at, len);
		ASSERT_EQ(0, job_run(&self->c, j));
		memset(model + at, i, len);
		ASSERT_EQ(-1, area_differs(p, model, 3 * page));
	}
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
	/* A page that is the file's still, and then is not. */
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

/* Has the kernel keep @n more huge pages ready, or fewer; whether it does. */
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
		/* Its ends, and pieces of it. */
		expect_usable(_metadata, &self->c, p, 64 << 10);
		expect_usable(_metadata, &self->c, p + size - (64 << 10), 64 << 10);
		expect_usable(_metadata, &self->c, p + size / 2 - 5000, 10000);
		munmap(p, size);
	}
	EXPECT_TRUE(more_huge_pages(-1));
}

/* How much of a mapping is in transparent huge pages, in kB. */
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
	/* Half of it goes, and the rest is as usable as before. */
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

/* What only has to be read. */
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

/* Before it is written, such memory is the one page of zeros that all programs share. */
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
 * The engine's writes do not show in the page tables. Who pins says that the
 * pages were written, or the kernel takes them for clean and throws them away.
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

/* Memory that is shared until somebody writes */

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
	int go[2], status;
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
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(channel, job_of_a_child_writes_the_child_s_memory_only)
{
	size_t page = page_size();
	uint8_t *p = new_pages(3);
	int status;
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
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-1, pattern_differs(p, 3 * page, SEED + 1));
}

TEST_F(channel, job_after_a_fork_reads_the_parent_s_memory)
{
	size_t page = page_size();
	uint8_t *p = new_pages(1), *to = new_pages(1);
	int go[2], done[2], status;
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
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(channel, job_to_shared_memory_is_seen_by_a_child)
{
	size_t page = page_size();
	uint8_t *p = map_pages(3, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	int go[2], status;
	pid_t pid;

	ASSERT_TRUE(p != NULL);
	pid = fork_waiting(go);
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pattern_differs(p + 100, 2 * page, SEED) != -1);
	job_move(&self->job, p + 100, self->c.mem, 2 * page);
	expect_runs(_metadata, &self->c, &self->job);
	ASSERT_EQ(1, write(go[1], "g", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Memory that may not be written */

TEST_F(channel, write_protected_destination_is_EFAULT)
{
	size_t page = page_size();
	uint8_t *p = new_pages(3);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, 3 * page, SEED + 1);
	ASSERT_EQ(0, mprotect(p, 3 * page, PROT_READ));
	job_move(&self->job, p + 100, self->c.mem, 2 * page);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	EXPECT_EQ(-1, pattern_differs(p, 3 * page, SEED + 1));
}

TEST_F(channel, write_protected_page_within_the_destination_is_EFAULT)
{
	size_t page = page_size();
	uint8_t *p = new_pages(3);

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, 3 * page, SEED + 1);
	for (int at = 0; at < 3; at++) {
		ASSERT_EQ(0, mprotect(p, 3 * page, RW));
		ASSERT_EQ(0, mprotect(p + at * page, page, PROT_READ));
		job_move(&self->job, p, self->c.mem, 3 * page);
		expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
		EXPECT_EQ(-1, pattern_differs(p, 3 * page, SEED + 1));
	}
}

TEST_F(channel, last_segment_of_many_that_is_write_protected_is_EFAULT)
{
	uint32_t n = most_segments(&self->c);
	size_t page = page_size();
	uint8_t *p = new_pages(n);
	struct job *j = &self->job;

	ASSERT_TRUE(p != NULL);
	pattern_fill(p, n * page, SEED + 1);
	ASSERT_EQ(0, mprotect(p + (n - 1) * page, page, PROT_READ));
	job_init(j);
	job_from(j, self->c.mem, n * 16);
	for (uint32_t i = 0; i < n; i++)
		job_to(j, p + i * page + i * address_unit(&self->c), 16);
	expect_pins_refused(_metadata, &self->c, j, -EFAULT);
	EXPECT_EQ(-1, pattern_differs(p, n * page, SEED + 1));
}

TEST_F(channel, constants_as_a_destination_are_EFAULT)
{
	job_move(&self->job, constants, self->c.mem, sizeof(constants));
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	EXPECT_EQ(-1, value_differs(constants, 4096, 0x11));
}

TEST_F(channel, mapping_of_a_file_that_may_only_be_read_as_a_destination_is_EFAULT)
{
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	size_t page = page_size();
	int fd = new_file(2);
	uint8_t *written, *p;

	ASSERT_LE(0, fd);
	written = map_pages(2, RW, MAP_SHARED, fd);
	ASSERT_TRUE(written != NULL);
	pattern_fill(written, 2 * page, SEED + 1);
	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		p = map_pages(2, PROT_READ, flags[i], fd);
		ASSERT_TRUE(p != NULL);
		job_move(&self->job, p + 10 * address_unit(&self->c), self->c.mem, page);
		expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
		EXPECT_EQ(-1, pattern_differs(p, 2 * page, SEED + 1));
		EXPECT_EQ(-1, pattern_differs(written, 2 * page, SEED + 1));
	}
}

TEST_F(channel, fill_of_write_protected_memory_is_EFAULT)
{
	size_t page = page_size();
	uint8_t *p = new_pages(2);
	struct job *j = &self->job;

	if (!(self->c.info.flags & FERRODMA_INFO_FILL))
		SKIP(return, "the engine cannot fill");
	ASSERT_TRUE(p != NULL);
	pattern_fill(p, 2 * page, SEED + 1);
	ASSERT_EQ(0, mprotect(p + page, page, PROT_READ));
	job_init(j);
	j->submit.flags = FERRODMA_SUBMIT_FILL;
	j->submit.src = 0xff;
	job_to(j, p, 2 * page);
	expect_pins_refused(_metadata, &self->c, j, -EFAULT);
	EXPECT_EQ(-1, pattern_differs(p, 2 * page, SEED + 1));
}

/* Memory that is not there */

/* Makes one page unusable. */
static int unmap(uint8_t *p)
{
	return munmap(p, page_size());
}

static int protect(uint8_t *p)
{
	return mprotect(p, page_size(), PROT_NONE);
}

/*
 * Fails the test unless a page that @spoil made unusable is noticed wherever it
 * is in a segment of three pages, source or destination.
 */
static void expect_hole_in_segment(struct __test_metadata *_metadata,
				   const struct channel *c, int (*spoil)(uint8_t *))
{
	size_t page = page_size();
	uint8_t *p;
	struct job j;

	for (int at = 0; at < 3; at++) {
		p = new_pages(3);
		ASSERT_TRUE(p != NULL);
		pattern_fill(p, 3 * page, SEED + 1);
		ASSERT_EQ(0, spoil(p + at * page));
		job_move(&j, c->mem, p, 3 * page);
		expect_pins_refused(_metadata, c, &j, -EFAULT);
		job_move(&j, p, c->mem, 3 * page);
		expect_pins_refused(_metadata, c, &j, -EFAULT);
		if (at != 0)
			EXPECT_EQ(-1, pattern_differs(p, page, SEED + 1));
		if (at == 0) {
			/* Only the first byte of the segment is in the hole, or the first few. */
			job_move(&j, p + page - address_unit(c), c->mem, page);
			expect_pins_refused(_metadata, c, &j, -EFAULT);
		}
		munmap(p, 3 * page);
	}
}

/* The same for one of many segments. */
static void expect_hole_in_list(struct __test_metadata *_metadata,
				const struct channel *c, int (*spoil)(uint8_t *))
{
	enum { SEGS = 40 };
	static const int places[] = { 0, SEGS / 2, SEGS - 1 };
	size_t page = page_size();
	struct job j;

	for (int k = 0; k < ARRAY_SIZE(places); k++) {
		uint8_t *p = new_pages(SEGS);

		ASSERT_TRUE(p != NULL);
		memset(p, 0x44, SEGS * page);
		ASSERT_EQ(0, spoil(p + places[k] * page));
		for (int side = 0; side < 2; side++) {
			job_init(&j);
			for (int i = 0; i < SEGS; i++) {
				if (side)
					job_from(&j, p + i * page + 100, 100);
				else
					job_to(&j, p + i * page + 100, 100);
			}
			if (side)
				job_to(&j, c->mem, SEGS * 100);
			else
				job_from(&j, c->mem, SEGS * 100);
			expect_pins_refused(_metadata, c, &j, -EFAULT);
		}
		for (int i = 0; i < SEGS; i++)
			if (i != places[k])
				EXPECT_EQ(-1, value_differs(p + i * page, page, 0x44));
		munmap(p, SEGS * page);
	}
}

TEST_F(channel, unmapped_page_within_a_segment_is_EFAULT)
{
	expect_hole_in_segment(_metadata, &self->c, unmap);
}

TEST_F(channel, unmapped_segment_in_a_list_is_EFAULT)
{
	expect_hole_in_list(_metadata, &self->c, unmap);
}

TEST_F(channel, page_without_access_within_a_segment_is_EFAULT)
{
	expect_hole_in_segment(_metadata, &self->c, protect);
}

TEST_F(channel, segment_without_access_in_a_list_is_EFAULT)
{
	expect_hole_in_list(_metadata, &self->c, protect);
}

TEST_F(channel, page_beyond_the_end_of_a_file_is_EFAULT)
{
	size_t page = page_size();
	int fd = new_file(1);
	uint8_t *p;

	ASSERT_LE(0, fd);
	p = map_pages(2, RW, MAP_SHARED, fd);
	ASSERT_TRUE(p != NULL);
	pattern_fill(p, page, SEED + 1);
	job_move(&self->job, self->c.mem, p, 2 * page);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	job_move(&self->job, p, self->c.mem, 2 * page);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	EXPECT_EQ(-1, pattern_differs(p, page, SEED + 1));
	/* All of the page in which the file ends is there. */
	ASSERT_EQ(0, ftruncate(fd, 100));
	job_move(&self->job, p, self->c.mem, page);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, addresses_that_no_program_has_are_EFAULT)
{
	const uint64_t page = page_size(), bad[] = {
		0, 1, page - 1, UNMAPPED_ADDR, KERNEL_ADDR, KERNEL_ADDR + 1,
		1ULL << 32,		/* beyond all of a 32-bit program */
		1ULL << 47, 1ULL << 48, (1ULL << 48) - 1, (1ULL << 48) - page,
		1ULL << 52, (1ULL << 52) - 1, 0x00ff000000000000, 0x0080000000001000,
		1ULL << 63, 0x8000000000001000, UINT64_MAX - 2 * page,
	};

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t addr = bad[i] - bad[i] % address_unit(&self->c);

		job_move(&self->job, self->c.mem, self->c.mem + page, page);
		self->job.src[0].addr = addr;
		expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
		job_move(&self->job, self->c.mem, self->c.mem + page, page);
		self->job.dst[0].addr = addr;
		expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	}
}

TEST_F(channel, segment_that_leaves_the_address_space_is_EFAULT)
{
	uint64_t addr = self->c.base, most = self->c.info.max_job_bytes;

	/* From memory that is there on to where there is none. */
	job_move(&self->job, self->c.mem, self->c.mem, most);
	self->job.dst[0].addr = (addr + most + page_size()) & ~(page_size() - 1);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	self->job.dst[0] = self->job.src[0];
	self->job.src[0].addr = (addr + most + page_size()) & ~(page_size() - 1);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	/* The last byte of 64 bits is one too many. */
	job_move(&self->job, self->c.mem, self->c.mem, 64);
	self->job.src[0].addr = UINT64_MAX - 63;
	expect_pins_refused(_metadata, &self->c, &self->job, -EOVERFLOW);
	self->job.src[0].addr -= address_unit(&self->c);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
}

/* What else is in the upper byte of a pointer is not for the kernel to guess. */
TEST_F(channel, tagged_address_is_refused_or_means_the_same_memory)
{
	uint8_t *p = new_pages(1);
	int ret;

	if (sizeof(p) < 8)
		SKIP(return, "a pointer of this program has no upper byte");
	ASSERT_TRUE(p != NULL);
	job_move(&self->job, p, self->c.mem, 100);
	self->job.dst[0].addr |= 0x5aULL << 56;
	ret = job_run(&self->c, &self->job);
	EXPECT_TRUE(!ret || ret == -EFAULT) TH_LOG("%s", strerror(-ret));
	EXPECT_EQ(-1, ret ? value_differs(p, page_size(), 0) : pattern_differs(p, 100, SEED));
	EXPECT_EQ(0, pinned_kb());
}

/* Memory that belongs to a device */

TEST_F(channel, buffer_of_another_channel_is_EFAULT)
{
	struct channel other;
	int ret = channel_open(&other, "coherent", 0, 0);

	if (ret == -ENOENT)
		SKIP(return, "this machine has no coherent channel");
	ASSERT_EQ(0, ret);
	make_pattern(&other, SEED + 1);
	job_move(&self->job, self->c.mem, other.mem, 64);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	job_move(&self->job, other.mem, self->c.mem, 64);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	EXPECT_EQ(-1, pattern_lost(&other, SEED + 1));
	/* Also where only a part of the job is. */
	job_init(&self->job);
	job_from(&self->job, self->c.mem, 64);
	job_from(&self->job, other.mem, 64);
	job_to(&self->job, self->c.mem + 128, 128);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	channel_close(&other);
}

TEST_HARNESS_MAIN
