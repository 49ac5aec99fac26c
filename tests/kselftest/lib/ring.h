/* SPDX-License-Identifier: GPL-2.0 */
/*
 * io_uring by its system calls, as the guest has no liburing. One thread queues requests,
 * submits them, and takes the completions.
 */
#ifndef FERRODMA_RING_H
#define FERRODMA_RING_H

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <sys/syscall.h>

#include "ferrodma_test.h"

/**
 * struct ring - an io_uring
 * @fd: the file
 * @p: what the kernel says of it
 * @shared: indices and completions, which are one mapping
 * @size: bytes at @shared
 * @sqes: the requests
 * @queued: requests that the kernel has not been told of
 */
struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *shared;
	size_t size;
	struct io_uring_sqe *sqes;
	unsigned int queued;
};

static inline unsigned int *ring_index(const struct ring *r, uint32_t offset)
{
	return (unsigned int *)(r->shared + offset);
}

static inline size_t ring_sqes_size(const struct ring *r)
{
	return r->p.sq_entries * sizeof(struct io_uring_sqe);
}

static inline void ring_close(struct ring *r)
{
	if (r->shared != MAP_FAILED)
		munmap(r->shared, r->size);
	if (r->sqes != MAP_FAILED)
		munmap(r->sqes, ring_sqes_size(r));
	close(r->fd);
}

/*
 * Makes a ring for @entries requests. Returns ENOSYS or EPERM if the kernel or the machine has
 * no io_uring.
 */
static inline int ring_open(struct ring *r, unsigned int entries)
{
	size_t completions;

	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, entries, &r->p);
	if (r->fd < 0)
		return -errno;
	r->size = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int);
	completions = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	if (r->size < completions)
		r->size = completions;
	r->shared = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
			 IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, ring_sqes_size(r), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       IORING_OFF_SQES);
	if (r->shared == MAP_FAILED || r->sqes == (void *)MAP_FAILED) {
		ring_close(r);
		return -ENOMEM;
	}
	return 0;
}

/* Returns the next request, for the caller to fill in; a ring has room for @entries of them. */
static inline struct io_uring_sqe *ring_queue(struct ring *r, uint8_t opcode, int fd,
					      uint64_t user_data)
{
	unsigned int at = *ring_index(r, r->p.sq_off.tail) + r->queued++;
	struct io_uring_sqe *sqe;

	at &= *ring_index(r, r->p.sq_off.ring_mask);
	ring_index(r, r->p.sq_off.array)[at] = at;
	sqe = &r->sqes[at];
	*sqe = (struct io_uring_sqe){ .opcode = opcode, .fd = fd, .user_data = user_data };
	return sqe;
}

/* Submits the queued requests to the kernel. */
static inline int ring_submit(struct ring *r)
{
	unsigned int *tail = ring_index(r, r->p.sq_off.tail), n = r->queued;
	int ret;

	__atomic_store_n(tail, *tail + n, __ATOMIC_RELEASE);
	r->queued = 0;
	ret = syscall(SYS_io_uring_enter, r->fd, n, 0, 0, NULL, 0);
	return ret < 0 ? -errno : ret == n ? 0 : -EAGAIN;
}

/* Takes a completion if there is one. */
static inline bool ring_peek(struct ring *r, struct io_uring_cqe *cqe)
{
	unsigned int *head = ring_index(r, r->p.cq_off.head), at = *head;

	if (at == __atomic_load_n(ring_index(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE))
		return false;
	at &= *ring_index(r, r->p.cq_off.ring_mask);
	*cqe = ((struct io_uring_cqe *)(r->shared + r->p.cq_off.cqes))[at];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

/* Takes the next completion, and waits for it for up to SOON_MS. */
static inline int ring_take(struct ring *r, struct io_uring_cqe *cqe)
{
	struct __kernel_timespec soon = { .tv_sec = patience(SOON_MS) / 1000 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&soon };

	while (!ring_peek(r, cqe)) {
		if (syscall(SYS_io_uring_enter, r->fd, 0, 1,
			    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
			    sizeof(arg)) < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

#endif /* FERRODMA_RING_H */
