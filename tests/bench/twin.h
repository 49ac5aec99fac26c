/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver in C with the same job as ferrodma's, to compare it with: one job at
 * a time is given to the engine, its interrupt is waited for with a time limit,
 * and an engine that does not answer is stopped before its memory is let go.
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

/* Bytes of the coherent buffer. */
#define TWIN_BUFFER	SZ_2M

struct twin;

/**
 * struct twin_engine - what is different from engine to engine
 * @address_bits: width of its addresses
 * @alignment: lengths are multiples of this power of two
 * @max_span: most bytes in one descriptor of any channel
 * @descriptors: most descriptors that a job of TWIN_SEGMENTS takes on each side
 * @descriptor_size: their size, and alignment
 * @init: clocks and all that is set once
 * @copy: starts to copy one span
 * @list: writes the descriptors of a job of mapped lists, and starts it
 * @acknowledge: 0 where the interrupt was none of this channel; a positive number
 *	where the job is done; a negative one where it has failed
 * @quiesce: stops what is under way, and clears its interrupts; may sleep
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

/* Descriptors, one behind the other. */
struct twin_chain {
	void *cpu;
	dma_addr_t dma;
};

/**
 * struct twin - a channel
 * @lock: one job at a time
 * @max_span: most bytes in one descriptor
 * @done: the running job has ended
 * @status: how; 0 or -errno
 * @dead: the engine did not stop: it is never used again, nor is its memory
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
