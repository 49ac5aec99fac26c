/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver in C with the same function as ferrodma, for comparison. It starts one job at a time,
 * waits for the interrupt with a time limit, and stops an engine that does not answer before it
 * releases the memory.
 */
#ifndef FERRODMA_TWIN_H
#define FERRODMA_TWIN_H

#include <linux/completion.h>
#include <linux/dmapool.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

/* Most segments in each list of a job. */
#define TWIN_SEGMENTS	256

/* Size of the coherent buffer in bytes. */
#define TWIN_BUFFER	SZ_2M

struct twin;

/**
 * struct twin_engine - the limits and functions of an engine
 * @address_bits: width of bus addresses
 * @alignment: a power of two of which all lengths must be multiples
 * @max_span: most bytes in one descriptor of any channel
 * @descriptors: most descriptors in each list of a job of TWIN_SEGMENTS segments
 * @descriptor_size: size and alignment of a descriptor
 * @init: enables clocks and sets up registers, once
 * @copy: starts to copy one span
 * @list: writes the descriptors of a job of mapped lists, and starts it
 * @acknowledge: returns 0 if the interrupt is not from this channel, a positive
 *	number if the job is done, and a negative one if it has failed
 * @quiesce: stops the running job, and clears its interrupts; may sleep
 */
struct twin_engine {
	unsigned int address_bits;
	unsigned int alignment;
	u64 max_span;
	unsigned int descriptors;
	size_t descriptor_size;
	int (*init)(struct twin *twin);
	void (*copy)(struct twin *twin, dma_addr_t src, dma_addr_t dst, u32 len);
	int (*list)(struct twin *twin, struct scatterlist *src, int nr_src,
		    struct scatterlist *dst, int nr_dst);
	int (*acknowledge)(struct twin *twin);
	int (*quiesce)(struct twin *twin);
};

/* Contiguous descriptors. */
struct twin_chain {
	void *cpu;
	dma_addr_t dma;
};

/**
 * struct twin - a channel
 * @lock: held for the time of a job
 * @max_span: most bytes in one descriptor
 * @done: completed when the running job has ended
 * @status: result of the job; 0 or -errno
 * @dead: the engine did not stop: neither it nor its memory is used again
 */
struct twin {
	struct device *dev;
	const struct twin_engine *engine;
	void __iomem *regs;
	int irq;
	bool coherent;
	u32 max_span;
	struct mutex lock;	/* held while a job runs */
	struct completion done;
	int status;
	bool dead;
	void *buffer;
	dma_addr_t buffer_dma;
	struct dma_pool *pool;
	struct twin_chain src_chain, dst_chain;
	struct scatterlist src[TWIN_SEGMENTS], dst[TWIN_SEGMENTS];
};

/* A piece of memory from kmalloc(). */
struct twin_piece {
	void *addr;
	unsigned int len;
};

extern const struct twin_engine twin_zdma;
extern const struct twin_engine twin_bcm2835;

int twin_copy(struct twin *twin, u64 src, u64 dst, u64 len);
int twin_copy_list(struct twin *twin, const struct twin_piece *src, unsigned int nr_src,
		   const struct twin_piece *dst, unsigned int nr_dst);

/* twin_bench.c */
int twin_bench(struct twin *twin);

#endif /* FERRODMA_TWIN_H */
