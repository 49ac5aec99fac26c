/* SPDX-License-Identifier: GPL-2.0 */
/* The interface of the meter, for drivers and programs. */
#ifndef FERRODMA_METER_H
#define FERRODMA_METER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Transfers whose instructions are counted, after some that are not counted; transfers whose events
 * are counted; and transfers whose executed code is recorded. Fewer of the long ones suffice, which
 * differ little from each other, as an engine in QEMU may be slow.
 */
#define METER_ROUNDS	1000
#define METER_LONG	(1 << 20)
#define METER_LONG_ROUNDS 100
#define METER_WARM_UP	100
#define METER_EVENT_ROUNDS	100
#define METER_CODE_ROUNDS	10

/**
 * struct meter_events - the events since METER_COUNT has begun
 * @interrupts: interrupt handlers that were called, other than the timer's
 * @switches: context switches
 * @allocations: calls of kmalloc() and kmem_cache_alloc()
 * @pages: allocations of pages, including those of the slab allocator
 * @bytes: sum of the sizes that kmalloc() has allocated
 */
struct meter_events {
	__u32 interrupts;
	__u32 switches;
	__u32 allocations;
	__u32 pages;
	__u32 bytes;
};

/**
 * struct meter_memory - memory that a task has allocated and that is not freed
 * @objects: objects from kmalloc() and kmem_cache_alloc()
 * @pages: allocations of pages, without those of the slab allocator
 * @bytes: size of both
 */
struct meter_memory {
	__u32 objects;
	__u32 pages;
	__u64 bytes;
};

/*
 * The ioctls of /dev/ferrodma-meter. Counting events adds instructions, so the two are counted at
 * different times.
 */
/* Does nothing: measures the cost of a call. */
#define METER_NOTHING	_IO('B', 0)
/* Starts (1) or stops (0) counting events. */
#define METER_COUNT	_IOW('B', 1, __u32)
/* Returns the counts. */
#define METER_EVENTS	_IOR('B', 2, struct meter_events)
/* Starts to record the allocations of the caller. */
#define METER_HOLD	_IO('B', 3)
/* Stops recording, and returns the memory that is not freed. */
#define METER_HELD	_IOR('B', 4, struct meter_memory)

/*
 * The format of a result, from the kernel and from programs. There may be fewer events than jobs.
 */
#define METER_RESULT(event)								\
	"bench: %s bytes=%u segments=%u instructions=%u least=%u most=%u recorded=%u "	\
	"interrupts=" event " switches=" event " allocations=" event " pages=" event "\n"

#ifdef __KERNEL__
struct tracepoint;

/**
 * struct meter_probe - a function that is called at a tracepoint; the last one of
 *	a list has no name
 */
struct meter_probe {
	const char *name;
	void *function;
	struct tracepoint *tp;
	bool attached;
};

int meter_find(struct meter_probe *probes);
int meter_attach(struct meter_probe *probes);
void meter_detach(struct meter_probe *probes);

/* ledger.c */
int ledger_init(void);
int ledger_begin(void);
int ledger_end(struct meter_memory *held);
void ledger_exit(void);

int meter_init(void);
void meter_exit(void);

/**
 * meter_run - measure a transfer, and log its cost
 * @who: name of the contestant
 * @bytes: length of each segment in bytes
 * @segments: number of segments
 * @once: does one transfer; returns 0, or an error, which ends the measurement
 * @arg: passed to @once
 */
int meter_run(const char *who, unsigned int bytes, unsigned int segments,
	      int (*once)(void *arg), void *arg);
#endif

#endif /* FERRODMA_METER_H */
