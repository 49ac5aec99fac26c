// SPDX-License-Identifier: GPL-2.0
/*
 * The device's buffer in a program's memory: bounds, protection, and what
 * fork(), munmap() and mremap() do to it.
 */
#include <sys/personality.h>

#include "channel_fixture.h"
#include "children.h"
#include "maps.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(pool, 0);

#define RW	(PROT_READ | PROT_WRITE)

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Returns the size of the buffer in whole pages. */
static size_t pages_of(const struct channel *c)
{
	return (c->size + page_size() - 1) & ~(page_size() - 1);
}

/* Maps and unmaps; returns 0 or a negative errno. */
static int try_mmap(int fd, size_t len, int prot, int flags, off_t offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

TEST_F(channel, functions_without_a_buffer_cannot_be_mapped)
{
	if (self->c.info.buffer_size)
		SKIP(return, "the function has a buffer");
	EXPECT_EQ(-ENODEV, try_mmap(self->c.fd, page_size(), RW, MAP_SHARED, 0));
}

TEST_F(channel, mapping_of_the_whole_buffer_and_of_one_byte)
{
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(0, try_mmap(self->c.fd, self->c.size, RW, MAP_SHARED, 0));
	EXPECT_EQ(0, try_mmap(self->c.fd, 1, RW, MAP_SHARED, 0));
	EXPECT_EQ(0, try_mmap(self->c.fd, self->c.size, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(0, try_mmap(self->c.fd, self->c.size, RW, MAP_SHARED_VALIDATE, 0));
}

TEST_F(channel, mapping_beyond_the_buffer_is_ENXIO)
{
	size_t size = pages_of(&self->c), page = page_size();

	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, size + 1, RW, MAP_SHARED, 0));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, size + page, RW, MAP_SHARED, 0));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, 2 * size, RW, MAP_SHARED, 0));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, page, RW, MAP_SHARED, size));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, size, RW, MAP_SHARED, page));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, page, RW, MAP_SHARED, 1ULL << 32));
	EXPECT_EQ(-ENXIO, try_mmap(self->c.fd, page, RW, MAP_SHARED, 1ULL << 50));
}

TEST_F(channel, mapping_at_an_offset_shows_that_part)
{
	size_t page = page_size(), size = pages_of(&self->c);
	uint8_t *last;

	SKIP_WITHOUT_BUFFER();
	if (size < 2 * page)
		SKIP(return, "the buffer has one page");
	last = mmap(NULL, page, RW, MAP_SHARED, self->c.fd, size - page);
	ASSERT_TRUE(last != MAP_FAILED);
	EXPECT_EQ(-1, area_differs(last, self->c.mem + size - page, page));
	last[5] ^= 0xff;
	EXPECT_EQ(last[5], self->c.mem[size - page + 5]);
	munmap(last, page);
}

TEST_F(channel, private_mapping_is_EINVAL)
{
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-EINVAL, try_mmap(self->c.fd, self->c.size, RW, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_mmap(self->c.fd, self->c.size, PROT_READ, MAP_PRIVATE, 0));
}

TEST_F(channel, executable_mapping_is_EPERM)
{
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-EPERM, try_mmap(self->c.fd, self->c.size, RW | PROT_EXEC,
				   MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, try_mmap(self->c.fd, self->c.size, PROT_READ | PROT_EXEC,
				   MAP_SHARED, 0));
}

TEST_F(channel, program_whose_reads_imply_execution_maps_without_it)
{
	int prot[] = { PROT_READ, RW };

	SKIP_WITHOUT_BUFFER();
	ASSERT_NE(-1, personality(personality(0xffffffff) | READ_IMPLIES_EXEC));
	for (int i = 0; i < ARRAY_SIZE(prot); i++) {
		void *p = mmap(NULL, self->c.size, prot[i], MAP_SHARED, self->c.fd, 0);
		struct area area;

		ASSERT_TRUE(p != MAP_FAILED) TH_LOG("%s", strerror(errno));
		ASSERT_TRUE(find_area(p, &area));
		EXPECT_STREQ(prot[i] & PROT_WRITE ? "rw-s" : "r--s", area.rights);
		EXPECT_EQ(-1, area_differs(p, self->c.mem, page_size()));
		EXPECT_EQ(0, mprotect(p, self->c.size, RW));
		ASSERT_TRUE(find_area(p, &area));
		EXPECT_STREQ("rw-s", area.rights);
		EXPECT_EQ(-1, mprotect(p, self->c.size, PROT_READ | PROT_EXEC));
		EXPECT_EQ(EACCES, errno);
		munmap(p, self->c.size);
	}
	/* No personality implies this combination. */
	EXPECT_EQ(-EPERM, try_mmap(self->c.fd, self->c.size, PROT_WRITE | PROT_EXEC,
				   MAP_SHARED, 0));
}

TEST_F(channel, mapping_cannot_be_made_executable)
{
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-1, mprotect(self->c.mem, self->c.size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(channel, file_open_for_reading_cannot_be_mapped_for_writing)
{
	int fd = channel_open_fd(variant->function, variant->number, O_RDONLY);
	uint8_t *p;

	ASSERT_LE(0, fd);
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-EACCES, try_mmap(fd, self->c.size, RW, MAP_SHARED, 0));
	p = mmap(NULL, self->c.size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(-1, area_differs(p, self->c.mem, page_size()));
	EXPECT_EQ(-1, mprotect(p, self->c.size, RW));
	EXPECT_EQ(EACCES, errno);
	munmap(p, self->c.size);
	close(fd);
}

TEST_F(channel, file_open_for_writing_only_cannot_be_mapped)
{
	int fd = channel_open_fd(variant->function, variant->number, O_WRONLY);

	ASSERT_LE(0, fd);
	SKIP_WITHOUT_BUFFER();
	EXPECT_EQ(-EACCES, try_mmap(fd, self->c.size, RW, MAP_SHARED, 0));
	close(fd);
}

TEST_F(channel, two_files_share_one_buffer)
{
	struct channel other;

	SKIP_WITHOUT_BUFFER();
	ASSERT_EQ(0, channel_open(&other, variant->function, variant->number, 0));
	EXPECT_EQ(-1, pattern_lost(&other, SEED));
	other.mem[9] ^= 0xff;
	EXPECT_EQ(other.mem[9], self->c.mem[9]);
	/* A job of one file reads what the program has written through the other. */
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 1024);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(other.mem + other.size / 2, other.mem, 1024));
	channel_close(&other);
}

TEST_F(channel, buffer_keeps_its_contents_between_files)
{
	SKIP_WITHOUT_BUFFER();
	channel_close(&self->c);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, variant->number, 0));
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, mapping_outlives_the_closed_file)
{
	SKIP_WITHOUT_BUFFER();
	close(self->c.fd);
	self->c.fd = -1;
	expect_untouched(_metadata, &self->c);
	self->c.mem[0] ^= 0xff;
}

TEST_F(channel, child_shares_the_buffer)
{
	pid_t pid;

	SKIP_WITHOUT_BUFFER();
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		bool same = pattern_lost(&self->c, SEED) == -1;

		self->c.mem[100] ^= 0xff;
		job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
		_exit(!same || job_run(&self->c, &self->job));
	}
	expect_child_ends(_metadata, pid);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + self->c.size / 2, 64));
	self->c.mem[100] ^= 0xff;
	EXPECT_EQ(-1, pattern_differs(self->c.mem, 1024, SEED));
}

TEST_F(channel, parent_keeps_the_buffer_when_a_child_unmaps_it)
{
	pid_t pid;

	SKIP_WITHOUT_BUFFER();
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		channel_close(&self->c);
		_exit(0);
	}
	expect_child_ends(_metadata, pid);
	expect_untouched(_metadata, &self->c);
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	expect_runs(_metadata, &self->c, &self->job);
}

TEST_F(channel, part_of_a_mapping_can_be_unmapped)
{
	size_t page = page_size(), size = pages_of(&self->c);

	SKIP_WITHOUT_BUFFER();
	if (size < 3 * page)
		SKIP(return, "the buffer has fewer than three pages");
	/* Unmap the middle, so that two mappings are left. */
	ASSERT_EQ(0, munmap(self->c.mem + page, size - 2 * page));
	EXPECT_EQ(-1, pattern_differs(self->c.mem, page, SEED));
	self->c.mem[size - 1] ^= 0xff;
	/* Jobs may still name the part that is not mapped any more. */
	job_copy(&self->job, &self->c, page, 0, page);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(0, munmap(self->c.mem, page));
	EXPECT_EQ(0, munmap(self->c.mem + size - page, page));
	self->c.mem = NULL;
}

TEST_F(channel, mapping_cannot_grow)
{
	size_t size = pages_of(&self->c), page = page_size();
	int flags[] = { 0, MREMAP_MAYMOVE };

	SKIP_WITHOUT_BUFFER();
	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		void *p = mremap(self->c.mem, size, size + page, flags[i]);

		ASSERT_TRUE(p == MAP_FAILED);
		EXPECT_EQ(EFAULT, errno);
	}
	/* A part of the mapping cannot grow either. */
	EXPECT_TRUE(mremap(self->c.mem, page, size + page, MREMAP_MAYMOVE) == MAP_FAILED);
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, moved_mapping_shows_the_same_buffer)
{
	size_t size = pages_of(&self->c);
	void *to;

	SKIP_WITHOUT_BUFFER();
	to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(to != MAP_FAILED);
	to = mremap(self->c.mem, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_TRUE(to != MAP_FAILED);
	self->c.mem = to;
	expect_untouched(_metadata, &self->c);
	job_copy(&self->job, &self->c, 0, self->c.size / 2, 64);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + self->c.size / 2, 64));
}

TEST_HARNESS_MAIN
