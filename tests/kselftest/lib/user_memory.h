/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of this program, of several kinds, and jobs between any two places in it: for channels
 * on which an address is a pointer.
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

/* Maps @n pages; returns NULL on failure. */
static inline uint8_t *map_pages(size_t n, int prot, int flags, int fd)
{
	uint8_t *p = mmap(NULL, n * page_size(), prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Maps private memory in pages of the usual size; none of them is present yet. */
static inline uint8_t *new_pages(size_t n)
{
	uint8_t *p = map_pages(n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (p)
		madvise(p, n * page_size(), MADV_NOHUGEPAGE);
	return p;
}

/* Makes a file of @n zero pages in memory; returns its descriptor, or -1. */
static inline int new_file(size_t n)
{
	int fd = memfd_create("ferrodma-test", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, n * page_size())) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Maps memory whose pages appear only when the test calls supply(); returns NULL on failure. */
static inline uint8_t *pages_on_demand(size_t n, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	uint8_t *p = new_pages(n);

	/* A blocking userfaultfd cannot be polled. */
	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0 || !p)
		return NULL;
	area.range.start = (uintptr_t)p;
	area.range.len = n * page_size();
	if (ioctl(*uffd, UFFDIO_API, &api) || ioctl(*uffd, UFFDIO_REGISTER, &area))
		return NULL;
	return p;
}

/* Waits until a task faults on a page; returns whether one does in time. */
static inline bool wait_demand(int uffd)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	return poll(&p, 1, SOON_MS) == 1 && p.revents == POLLIN;
}

/* Makes the page at @p present, with a copy of @from. */
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

/* Makes a copy of one piece to another. */
static inline void job_move(struct job *j, const void *to, const void *from, size_t len)
{
	job_init(j);
	job_from(j, from, len);
	job_to(j, to, len);
}

#endif /* FERRODMA_USER_MEMORY_H */
