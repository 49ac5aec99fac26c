/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of this program, of several kinds, and jobs between any two places of
 * it: for channels whose addresses are the program's own.
 */
#ifndef FERRODMA_USER_MEMORY_H
#define FERRODMA_USER_MEMORY_H

#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#include "ferrodma_test.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Memory */

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

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

/* Memory whose pages are there only when the test says so; NULL if that cannot be. */
static inline uint8_t *pages_on_demand(size_t n, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	uint8_t *p = new_pages(n);

	/* One that may sleep cannot be polled. */
	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0 || !p)
		return NULL;
	area.range.start = (uintptr_t)p;
	area.range.len = n * page_size();
	if (ioctl(*uffd, UFFDIO_API, &api) || ioctl(*uffd, UFFDIO_REGISTER, &area))
		return NULL;
	return p;
}

/* Whether somebody waits for a page, before long. */
static inline bool wait_demand(int uffd)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	return poll(&p, 1, SOON_MS) == 1 && p.revents == POLLIN;
}

/* Lets the page at @p be, with what is @from. */
static inline int supply(int uffd, uint8_t *p, const uint8_t *from)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)p, .src = (uintptr_t)from, .len = page_size(),
	};

	return ioctl(uffd, UFFDIO_COPY, &copy) ? -errno : 0;
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

#endif /* FERRODMA_USER_MEMORY_H */
