/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of sg channels share: memory of every kind, jobs between any
 * two places of it, and what must be true of it afterwards.
 */
#ifndef FERRODMA_SG_CHECKS_H
#define FERRODMA_SG_CHECKS_H

#include "channel_checks.h"
#include "pins.h"

#define RW	(PROT_READ | PROT_WRITE)

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Memory */

/* Maps @n pages; NULL if that cannot be done. */
static inline uint8_t *map_pages(size_t n, int prot, int flags, int fd)
{
	uint8_t *p = mmap(NULL, n * page_size(), prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Private memory that nobody has touched yet, in pages of the usual size. */
static inline uint8_t *new_pages(size_t n)
{
	uint8_t *p = map_pages(n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (p)
		madvise(p, n * page_size(), MADV_NOHUGEPAGE);
	return p;
}

/* A file of @n pages in memory, all zero; its descriptor, or -1. */
static inline int new_file(size_t n)
{
	int fd = memfd_create("ferrodma-test", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, n * page_size())) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Whether the kernel bounces all that a device reads and writes; its room for that is small. */
static inline bool all_is_bounced(void)
{
	char line[4096] = "", *option;
	FILE *f = fopen("/proc/cmdline", "re");

	if (f) {
		fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	option = strstr(line, "swiotlb=");
	return option && strstr(strtok(option, " \n"), "force");
}

/* Jobs */

/* Appends @len bytes at @p to the source list. */
static inline void job_from(struct job *j, const void *p, size_t len)
{
	j->src[j->submit.nr_src++] = (struct ferrodma_seg){ (uintptr_t)p, len };
}

/* Appends @len bytes at @p to the destination list. */
static inline void job_to(struct job *j, const void *p, size_t len)
{
	j->dst[j->submit.nr_dst++] = (struct ferrodma_seg){ (uintptr_t)p, len };
}

/* A copy of one piece to another. */
static inline void job_move(struct job *j, const void *to, const void *from, size_t len)
{
	job_init(j);
	job_from(j, from, len);
	job_to(j, to, len);
}

/* Fails the test unless nothing is pinned that was not when @held were. */
static inline void expect_unpinned(struct __test_metadata *_metadata, long held)
{
	EXPECT_EQ(0, pinned_kb());
	EXPECT_EQ(held, pins_held());
}

/* As expect_refused(), and nothing stays pinned. */
static inline void expect_pins_refused(struct __test_metadata *_metadata,
				       const struct channel *c, struct job *j, int error)
{
	long held = pins_held();

	expect_refused(_metadata, c, j, error);
	expect_unpinned(_metadata, held);
}

/*
 * Fails the test unless a job copies from the middle of @len bytes to the middle
 * of @len others, from an odd place to an odd place, and changes no other byte.
 */
static inline void expect_copies(struct __test_metadata *_metadata, const struct channel *c,
				 uint8_t *to, const uint8_t *from, size_t len)
{
	enum { FROM = 61, TO = 93, LESS = 200 };
	uint8_t *model = malloc(len);
	struct job j;

	ASSERT_TRUE(model != NULL);
	pattern_fill(to, len, SEED + 1);
	memcpy(model, to, len);
	memcpy(model + TO, from + FROM, len - LESS);
	job_move(&j, to + TO, from + FROM, len - LESS);
	expect_runs(_metadata, c, &j);
	EXPECT_EQ(-1, area_differs(to, model, len));
	EXPECT_EQ(0, pinned_kb());
	free(model);
}

/* The same with @p as source, and then as destination. */
static inline void expect_usable(struct __test_metadata *_metadata, const struct channel *c,
				 uint8_t *p, size_t len)
{
	uint8_t *other = new_pages((len + page_size() - 1) / page_size());

	ASSERT_TRUE(other != NULL);
	pattern_fill(p, len, SEED + 2);
	expect_copies(_metadata, c, other, p, len);
	pattern_fill(other, len, SEED + 3);
	expect_copies(_metadata, c, p, other, len);
	munmap(other, len);
}

#endif /* FERRODMA_SG_CHECKS_H */
