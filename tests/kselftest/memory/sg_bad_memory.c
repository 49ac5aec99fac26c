// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a job of an sg channel may not name: unmapped, write-protected, or not the
 * program's own.
 */
#include "channel_fixture.h"
#include "sg_checks.h"

ON_CHANNEL(sg, 0);
/* With a second thread, the mappings are locked while pages are pinned. */
ON_CHANNEL_WITH_THREADS(sg, 0);

/* Memory that can only be read. */
static const ALIGNED uint8_t constants[3 * 4096] = {
	[0 ... 4095] = 0x11, [4096 ... 8191] = 0x22, [8192 ... 12287] = 0x33,
};

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

/* Unmaps one page. */
static int unmap(uint8_t *p)
{
	return munmap(p, page_size());
}

static int protect(uint8_t *p)
{
	return mprotect(p, page_size(), PROT_NONE);
}

/*
 * Fails the test unless jobs are refused when @spoil has made one page of three unusable, in
 * any position, in the source or in the destination.
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
			/* Only the first bytes of the segment are in the hole. */
			job_move(&j, p + page - address_unit(c), c->mem, page);
			expect_pins_refused(_metadata, c, &j, -EFAULT);
		}
		munmap(p, 3 * page);
	}
}

/* Fails the test unless jobs are refused when one segment of many is unusable. */
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
	/* The page in which the file ends is present as a whole. */
	ASSERT_EQ(0, ftruncate(fd, 100));
	job_move(&self->job, p, self->c.mem, page);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, addresses_that_no_program_has_are_EFAULT)
{
	const uint64_t page = page_size(), bad[] = {
		0, 1, page - 1, UNMAPPED_ADDR, KERNEL_ADDR, KERNEL_ADDR + 1,
		1ULL << 32,		/* beyond the address space of a 32-bit program */
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

	/* A segment that begins in mapped memory and goes on beyond it. */
	job_move(&self->job, self->c.mem, self->c.mem, most);
	self->job.dst[0].addr = (addr + most + page_size()) & ~(page_size() - 1);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	self->job.dst[0] = self->job.src[0];
	self->job.src[0].addr = (addr + most + page_size()) & ~(page_size() - 1);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	/* A segment may not include the last byte of the address space. */
	job_move(&self->job, self->c.mem, self->c.mem, 64);
	self->job.src[0].addr = UINT64_MAX - 63;
	expect_pins_refused(_metadata, &self->c, &self->job, -EOVERFLOW);
	self->job.src[0].addr -= address_unit(&self->c);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
}

/* The kernel may ignore the upper byte of a pointer or refuse it, and nothing else. */
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
	/* Also if only one segment of the job is in the buffer. */
	job_init(&self->job);
	job_from(&self->job, self->c.mem, 64);
	job_from(&self->job, other.mem, 64);
	job_to(&self->job, self->c.mem + 128, 128);
	expect_pins_refused(_metadata, &self->c, &self->job, -EFAULT);
	channel_close(&other);
}

TEST_HARNESS_MAIN
