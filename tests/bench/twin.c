// SPDX-License-Identifier: GPL-2.0

/* The part of the driver in C that does not depend on the engine. */

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/overflow.h>
#include <linux/platform_device.h>

#include "twin.h"

#define TIMEOUT_MS	1000

static irqreturn_t twin_interrupt(int irq, void *arg)
{
	struct twin *twin = arg;
	int outcome = twin->engine->acknowledge(twin);

	if (!outcome)
		return IRQ_NONE;
	WRITE_ONCE(twin->status, outcome > 0 ? 0 : outcome);
	complete(&twin->done);
	return IRQ_HANDLED;
}

/*
 * Waits for the job that was started. If the result is not 0, the engine was stopped, or is dead.
 */
static int twin_wait(struct twin *twin)
{
	int ret = -ETIMEDOUT;

	if (wait_for_completion_timeout(&twin->done, msecs_to_jiffies(TIMEOUT_MS)))
		ret = READ_ONCE(twin->status);
	if (likely(!ret))
		return 0;

	if (twin->engine->quiesce(twin)) {
		twin->dead = true;
		dev_err(twin->dev, "the engine does not stop\n");
		return -EIO;
	}
	/* A late interrupt of this job must not end the next one. */
	synchronize_irq(twin->irq);
	return ret;
}

/* Returns whether a range is within the buffer. */
static bool twin_in_buffer(u64 offset, u64 len)
{
	u64 end;

	return !check_add_overflow(offset, len, &end) && end <= TWIN_BUFFER;
}

/**
 * twin_copy - copy within the coherent buffer, and wait until it is done
 * @twin: the channel
 * @src: offset of the source in bytes
 * @dst: offset of the destination in bytes
 * @len: length in bytes
 *
 * Return: 0; -EINVAL, -ERANGE, -ETIMEDOUT, -EIO.
 */
int twin_copy(struct twin *twin, u64 src, u64 dst, u64 len)
{
	int ret;

	if (!len || !IS_ALIGNED(len, twin->engine->alignment))
		return -EINVAL;
	if (!twin_in_buffer(src, len) || !twin_in_buffer(dst, len))
		return -ERANGE;
	if (src < dst + len && dst < src + len)
		return -EINVAL;

	mutex_lock(&twin->lock);
	if (twin->dead) {
		ret = -EIO;
		goto unlock;
	}
	reinit_completion(&twin->done);
	twin->engine->copy(twin, twin->buffer_dma + src, twin->buffer_dma + dst, len);
	ret = twin_wait(twin);
unlock:
	mutex_unlock(&twin->lock);
	return ret;
}

/* Makes a scatter list. Returns its length in bytes, or 0 if a piece is empty or misaligned. */
static u64 twin_describe(struct twin *twin, struct scatterlist *sg,
			 const struct twin_piece *pieces, unsigned int nr)
{
	u64 total = 0;
	unsigned int i;

	sg_init_table(sg, nr);
	for (i = 0; i < nr; i++) {
		unsigned int len = pieces[i].len;

		if (!len || !IS_ALIGNED(len, twin->engine->alignment))
			return 0;
		sg_set_buf(&sg[i], pieces[i].addr, len);
		total += len;
	}
	return total;
}

/**
 * twin_copy_list - copy between lists of pieces, and wait until it is done
 * @twin: the channel
 * @src: pieces of the source
 * @nr_src: number of these
 * @dst: pieces of the destination, whose lengths may differ from those of the source
 * @nr_dst: number of these
 *
 * If this returns -EIO, the engine may still use the pieces, so they must never be freed.
 *
 * Return: 0; -EINVAL, -ENOMEM, -ETIMEDOUT, -EIO.
 */
int twin_copy_list(struct twin *twin, const struct twin_piece *src, unsigned int nr_src,
		   const struct twin_piece *dst, unsigned int nr_dst)
{
	int mapped_src, mapped_dst, ret;
	u64 total;

	if (!nr_src || nr_src > TWIN_SEGMENTS || !nr_dst || nr_dst > TWIN_SEGMENTS)
		return -EINVAL;

	mutex_lock(&twin->lock);
	if (twin->dead) {
		ret = -EIO;
		goto unlock;
	}
	ret = -EINVAL;
	total = twin_describe(twin, twin->src, src, nr_src);
	if (!total || total > U32_MAX || total != twin_describe(twin, twin->dst, dst, nr_dst))
		goto unlock;

	ret = -ENOMEM;
	mapped_src = dma_map_sg(twin->dev, twin->src, nr_src, DMA_TO_DEVICE);
	if (!mapped_src)
		goto unlock;
	mapped_dst = dma_map_sg(twin->dev, twin->dst, nr_dst, DMA_FROM_DEVICE);
	if (!mapped_dst)
		goto unmap_src;

	reinit_completion(&twin->done);
	ret = twin->engine->list(twin, twin->src, mapped_src, twin->dst, mapped_dst);
	if (!ret)
		ret = twin_wait(twin);
	/* If the engine is dead, it may still use the memory, which is leaked. */
	if (twin->dead)
		goto unlock;

	dma_unmap_sg(twin->dev, twin->dst, nr_dst, DMA_FROM_DEVICE);
unmap_src:
	dma_unmap_sg(twin->dev, twin->src, nr_src, DMA_TO_DEVICE);
unlock:
	mutex_unlock(&twin->lock);
	return ret;
}

static int twin_get_chain(struct twin *twin, struct twin_chain *chain)
{
	chain->cpu = dma_pool_zalloc(twin->pool, GFP_KERNEL, &chain->dma);
	return chain->cpu ? 0 : -ENOMEM;
}

static void twin_put_chain(struct twin *twin, struct twin_chain *chain)
{
	if (chain->cpu)
		dma_pool_free(twin->pool, chain->cpu, chain->dma);
}

static int twin_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct resource *res;
	struct twin *twin;
	int ret;

	twin = devm_kzalloc(dev, sizeof(*twin), GFP_KERNEL);
	if (!twin)
		return -ENOMEM;
	twin->dev = dev;
	twin->engine = of_device_get_match_data(dev);
	twin->coherent = dev_is_dma_coherent(dev);
	mutex_init(&twin->lock);
	init_completion(&twin->done);
	platform_set_drvdata(pdev, twin);

	/*
	 * Not exclusively: the kernel's driver of the BCM2835 has requested the whole controller.
	 */
	res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	if (!res)
		return -ENXIO;
	twin->regs = devm_ioremap(dev, res->start, resource_size(res));
	if (!twin->regs)
		return -ENOMEM;

	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(twin->engine->address_bits));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, twin->engine->max_span);
	dma_set_seg_boundary(dev, ULONG_MAX);

	twin->buffer = dmam_alloc_coherent(dev, TWIN_BUFFER, &twin->buffer_dma, GFP_KERNEL);
	if (!twin->buffer)
		return -ENOMEM;
	twin->pool = dmam_pool_create("twin descriptors", dev,
				      twin->engine->descriptors * twin->engine->descriptor_size,
				      twin->engine->descriptor_size, 0);
	if (!twin->pool)
		return -ENOMEM;

	ret = twin_get_chain(twin, &twin->src_chain);
	if (!ret)
		ret = twin_get_chain(twin, &twin->dst_chain);
	if (ret)
		goto put_chains;

	ret = twin->engine->init(twin);
	if (ret)
		goto put_chains;
	twin->irq = platform_get_irq(pdev, 0);
	if (twin->irq < 0) {
		ret = twin->irq;
		goto put_chains;
	}
	ret = request_irq(twin->irq, twin_interrupt, IRQF_SHARED, dev_name(dev), twin);
	if (ret)
		goto put_chains;

	ret = twin_bench(twin);
	if (!ret)
		return 0;
	twin->engine->quiesce(twin);
	free_irq(twin->irq, twin);
put_chains:
	if (!twin->dead) {
		twin_put_chain(twin, &twin->dst_chain);
		twin_put_chain(twin, &twin->src_chain);
	}
	return ret;
}

static void twin_remove(struct platform_device *pdev)
{
	struct twin *twin = platform_get_drvdata(pdev);

	twin->engine->quiesce(twin);
	free_irq(twin->irq, twin);
	if (twin->dead)
		return;
	twin_put_chain(twin, &twin->dst_chain);
	twin_put_chain(twin, &twin->src_chain);
}

static const struct of_device_id twin_of_match[] = {
	{ .compatible = "ferrodma,bcm2835-twin", .data = &twin_bcm2835 },
	{ .compatible = "ferrodma,zynqmp-twin", .data = &twin_zdma },
	{ }
};
MODULE_DEVICE_TABLE(of, twin_of_match);

static struct platform_driver twin_driver = {
	.probe = twin_probe,
	.remove = twin_remove,
	.driver = {
		.name = "ferrodma-twin",
		.of_match_table = twin_of_match,
	},
};
module_platform_driver(twin_driver);

MODULE_AUTHOR("The ferrodma founders");
MODULE_DESCRIPTION("What ferrodma is compared with");
MODULE_LICENSE("GPL");
