/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of sg channels share: checks of memory and of pinned pages after jobs. */
#ifndef FERRODMA_SG_CHECKS_H
#define FERRODMA_SG_CHECKS_H

#include "channel_checks.h"
#include "pins.h"
#include "user_memory.h"

/* Aligns a variable so that it can be a segment of a job on any engine. */
#define ALIGNED	__attribute__((aligned(64)))

/* Returns whether the kernel uses bounce buffers for all DMA; it has little room for them. */
static inline bool all_is_bounced(void)
{
	char line[4096] = "", *option;
	FILE *f = fopen("/proc/cmdline", "re");

	if (f) {
		fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	option = strstr(line, "swiotlb=");
	return option && strstr(strtok(option, "\n "), "force");
}

/* Fails the test unless as many pages are pinned as when @held was counted. */
static inline void expect_unpinned(struct __test_metadata *_metadata, long held)
{
	EXPECT_EQ(0, pinned_kb());
	EXPECT_EQ(held, pins_held());
}

/* Checks as expect_refused() does, and also that no page stays pinned. */
static inline void expect_pins_refused(struct __test_metadata *_metadata,
				       const struct channel *c, struct job *j, int error)
{
	long held = pins_held();

	expect_refused(_metadata, c, j, error);
	expect_unpinned(_metadata, held);
}

/*
 * Fails the test unless a job copies from the middle of @len bytes to the middle of @len
 * others, and changes no other byte. Both places are unaligned, if the channel allows that.
 */
static inline void expect_copies(struct __test_metadata *_metadata, const struct channel *c,
				 uint8_t *to, const uint8_t *from, size_t len)
{
	enum { FROM = 61, TO = 93, LESS = 200 };
	const uint8_t *src = from + FROM - (uintptr_t)(from + FROM) % address_unit(c);
	uint8_t *dst = to + TO - (uintptr_t)(to + TO) % address_unit(c);
	size_t n = len - LESS - (len - LESS) % unit(c);
	uint8_t *model = malloc(len);
	struct job j;

	ASSERT_TRUE(model != NULL);
	pattern_fill(to, len, SEED + 1);
	memcpy(model, to, len);
	memcpy(model + (dst - to), src, n);
	job_move(&j, dst, src, n);
	expect_runs(_metadata, c, &j);
	EXPECT_EQ(-1, area_differs(to, model, len));
	EXPECT_EQ(0, pinned_kb());
	free(model);
}

/* Fails the test unless jobs can read @p, and then write it. */
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
