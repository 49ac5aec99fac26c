// SPDX-License-Identifier: GPL-2.0
/*
 * A SUBMIT that waits for the pages of a file that FUSE serves, in a program of several
 * threads. Without read-ahead, the fault itself reads the file.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "channel_checks.h"
#include "fuse.h"
#include "sg_checks.h"
#include "sleeper.h"

#define PAGES	2

FIXTURE(slow) {
	struct channel c;
	struct slow_file file;
	uint8_t *p;
	long held;
};

FIXTURE_VARIANT(slow) {
	bool readable;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(slow, readable) { .readable = true };
FIXTURE_VARIANT_ADD(slow, unreadable) { .readable = false };
/* clang-format on */

FIXTURE_SETUP(slow)
{
	size_t size = PAGES * page_size();
	int ret;

	self->held = pins_held();
	ASSERT_EQ(0, channel_open(&self->c, "sg", 0, 0));
	make_pattern(&self->c, SEED);
	ret = slow_file_open(&self->file, variant->readable ? self->c.mem : NULL, size);
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		SKIP(return, "this kernel has no FUSE");
	ASSERT_EQ(0, ret);
	self->p = map_pages(PAGES, PROT_READ, MAP_SHARED, self->file.fd);
	ASSERT_TRUE(self->p != NULL);
	ASSERT_EQ(0, madvise(self->p, size, MADV_RANDOM));
}

FIXTURE_TEARDOWN(slow)
{
	if (!self->p)
		return;
	munmap(self->p, PAGES * page_size());
	slow_file_close(&self->file);
}

static void *mapping(void *arg)
{
	atomic_bool *mapped = arg;

	*mapped = !!map_pages(1, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	return NULL;
}

TEST_F(slow, mmap_does_not_wait_for_a_submit_that_reads_a_file)
{
	static struct sleeper s;
	static atomic_bool mapped;
	size_t page = page_size();
	uint8_t *dst = self->c.mem + self->c.size / 2;
	pthread_t mapper;

	job_move(&s.job, dst, self->p, page);
	make_call(_metadata, &s, &self->c, call_run);
	ASSERT_TRUE(slow_file_wait(&self->file));
	ASSERT_EQ(0, pthread_create(&mapper, NULL, mapping, &mapped));
	for (int ms = 0; ms < SOON_MS && !mapped; ms++)
		sleep_ms(1);
	EXPECT_TRUE(mapped);
	/* More answers than needed: the kernel may read again what has failed. */
	slow_file_go(&self->file, 1000);
	expect_ends(_metadata, &s, variant->readable ? 0 : -EFAULT);
	ASSERT_EQ(0, pthread_join(mapper, NULL));
	if (variant->readable)
		EXPECT_EQ(-1, pattern_differs(dst, page, SEED));
	expect_unpinned(_metadata, self->held);
}

TEST_HARNESS_MAIN
