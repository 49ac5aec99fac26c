// SPDX-License-Identifier: GPL-2.0

/* Measures the driver in C, as ferrodma_bench.rs measures ferrodma. */

#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "meter.h"
#include "twin.h"

static bool measure = true;
module_param(measure, bool, 0600);
MODULE_PARM_DESC(measure, "Measure a device when it is bound (1, the default) or not (0)");

struct work {
	struct twin *twin;
	unsigned int bytes;
	unsigned int segments;
	struct twin_piece src[TWIN_SEGMENTS], dst[TWIN_SEGMENTS];
};

static int copy(void *arg)
{
	struct work *work = arg;

	return twin_copy(work->twin, 0, TWIN_BUFFER / 2, work->bytes);
}

static int copy_list(void *arg)
{
	struct work *work = arg;

	return twin_copy_list(work->twin, work->src, work->segments, work->dst, work->segments);
}

/* Measures copies within the coherent buffer, and checks that the bytes arrive. */
static int bench_copy(struct work *work, unsigned int bytes)
{
	u8 *src = work->twin->buffer, *dst = src + TWIN_BUFFER / 2;
	int ret;

	memset(src, 0xaa, bytes);
	memset(dst, 0, bytes);
	work->bytes = bytes;
	ret = meter_run("twin", bytes, 1, copy, work);
	return ret ?: memcmp(src, dst, bytes) ? -EIO : 0;
}

/* Measures copies between pieces of memory that are mapped and unmapped each time. */
static int bench_list(struct work *work, unsigned int bytes, unsigned int segments)
{
	int ret = -ENOMEM;
	unsigned int i;

	work->segments = segments;
	memset(work->src, 0, sizeof(work->src));
	memset(work->dst, 0, sizeof(work->dst));
	for (i = 0; i < segments; i++) {
		/* A piece shares no cache line with other memory. */
		size_t room = ALIGN(bytes, ARCH_DMA_MINALIGN);

		work->src[i].addr = kmalloc(room, GFP_KERNEL);
		work->dst[i].addr = kzalloc(room, GFP_KERNEL);
		if (!work->src[i].addr || !work->dst[i].addr)
			goto free;
		work->src[i].len = bytes;
		work->dst[i].len = bytes;
		memset(work->src[i].addr, i + 1, bytes);
	}
	ret = meter_run("twin-mapped", bytes, segments, copy_list, work);
	for (i = 0; i < segments && !ret; i++)
		if (memcmp(work->src[i].addr, work->dst[i].addr, bytes))
			ret = -EIO;
	/* The engine may still write to this memory. */
	if (work->twin->dead)
		return ret;
free:
	for (i = 0; i < segments; i++) {
		kfree(work->src[i].addr);
		kfree(work->dst[i].addr);
	}
	return ret;
}

int twin_bench(struct twin *twin)
{
	static const unsigned int sizes[] = { 64, SZ_4K, SZ_64K, SZ_1M };
	static const unsigned int lists[] = { 16, 256 };
	struct work *work;
	int i, ret = 0;

	if (!measure)
		return 0;
	work = kzalloc_obj(*work);
	if (!work)
		return -ENOMEM;
	work->twin = twin;
	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++)
		ret = bench_copy(work, sizes[i]);
	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++)
		ret = bench_list(work, sizes[i], 1);
	for (i = 0; i < ARRAY_SIZE(lists) && !ret; i++)
		ret = bench_list(work, 64, lists[i]);
	kfree(work);
	return ret;
}
