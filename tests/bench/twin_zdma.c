// SPDX-License-Identifier: GPL-2.0

/*
 * The ZDMA of Zynq UltraScale+ and Versal for the driver in C.
 *
 * Source: Zynq UltraScale+ technical reference manual (UG1085), chapter "DMA
 * Controller", and register reference (UG1087), module ZDMA.
 */

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/clk.h>
#include <linux/iopoll.h>

#include "twin.h"

#define ZDMA_ISR		0x100
#define ZDMA_IER		0x108
#define ZDMA_IDS		0x10c
#define   INT_DMA_PAUSE			BIT(11)
#define   INT_DMA_DONE			BIT(10)
#define   INT_AXI_ERRORS		GENMASK(9, 6)
#define   INT_ALL			GENMASK(11, 0)
#define ZDMA_CTRL0		0x110
#define   CTRL0_OVR_FETCH		BIT(7)
#define   CTRL0_POINT_TYPE_SG		BIT(6)
#define   CTRL0_CONT			BIT(1)
#define ZDMA_STATUS		0x11c
#define   STATUS_STATE			GENMASK(1, 0)
#define   STATE_DONE			0
#define   STATE_DONE_WITH_ERROR		3
#define ZDMA_DATA_ATTR		0x120
#define   DATA_ATTR_ARCACHE		GENMASK(25, 22)
#define   DATA_ATTR_AWCACHE		GENMASK(11, 8)
#define   DATA_ATTR_RESET		0x0483d20f
#define ZDMA_DSCR_ATTR		0x124
#define   DSCR_ATTR_COHERENT		BIT(8)
#define   DSCR_ATTR_CACHE		GENMASK(7, 4)
#define   AXCACHE_WRITE_BACK		0xf
#define ZDMA_SRC_WORD(n)	(0x128 + 4 * (n))
#define ZDMA_DST_WORD(n)	(0x138 + 4 * (n))
#define ZDMA_SRC_START_LSB	0x158
#define ZDMA_SRC_START_MSB	0x15c
#define ZDMA_DST_START_LSB	0x160
#define ZDMA_DST_START_MSB	0x164
#define ZDMA_CTRL2		0x200
#define   CTRL2_EN			BIT(0)

/* Waits for the end of a busy channel's job: as long as the longest job takes at 100 MB/s. */
#define QUIESCE_POLL_US		10
#define QUIESCE_LIMIT_US	(45 * USEC_PER_SEC)

/* A descriptor of a linked list. */
struct zdma_descriptor {
	__le64 addr;
	__le32 size;
	__le32 ctrl;
#define   CTRL_COHERENT			BIT(0)
#define   CTRL_LINKED			BIT(1)
#define   CTRL_STOP			BIT(4)
	__le64 next;
	__le64 reserved;
};

static_assert(sizeof(struct zdma_descriptor) == 32);

static int zdma_quiesce(struct twin *twin)
{
	u32 status;
	int ret;

	writel(INT_ALL, twin->regs + ZDMA_IDS);
	if (readl(twin->regs + ZDMA_ISR) & INT_DMA_PAUSE) {
		/* A paused channel is disabled by CTRL0.cont while CTRL2.en is clear. */
		writel(0, twin->regs + ZDMA_CTRL2);
		writel(readl(twin->regs + ZDMA_CTRL0) | CTRL0_CONT, twin->regs + ZDMA_CTRL0);
	}
	ret = readl_poll_timeout(twin->regs + ZDMA_STATUS, status,
				 (status & STATUS_STATE) == STATE_DONE ||
				 (status & STATUS_STATE) == STATE_DONE_WITH_ERROR,
				 QUIESCE_POLL_US, QUIESCE_LIMIT_US);
	if (ret)
		return ret;
	writel(0, twin->regs + ZDMA_CTRL2);
	writel(readl(twin->regs + ZDMA_ISR), twin->regs + ZDMA_ISR);
	writel(INT_DMA_DONE | INT_AXI_ERRORS, twin->regs + ZDMA_IER);
	return 0;
}

static int zdma_init(struct twin *twin)
{
	u32 data = DATA_ATTR_RESET, dscr = 0;
	struct clk *clk;
	int ret;

	clk = devm_clk_get_optional_enabled(twin->dev, "clk_main");
	if (IS_ERR(clk))
		return PTR_ERR(clk);
	clk = devm_clk_get_optional_enabled(twin->dev, "clk_apb");
	if (IS_ERR(clk))
		return PTR_ERR(clk);

	ret = zdma_quiesce(twin);
	if (ret)
		return ret;
	if (twin->coherent) {
		data &= ~(DATA_ATTR_ARCACHE | DATA_ATTR_AWCACHE);
		data |= FIELD_PREP(DATA_ATTR_ARCACHE, AXCACHE_WRITE_BACK) |
			FIELD_PREP(DATA_ATTR_AWCACHE, AXCACHE_WRITE_BACK);
		dscr = DSCR_ATTR_COHERENT | FIELD_PREP(DSCR_ATTR_CACHE, AXCACHE_WRITE_BACK);
	}
	writel(data, twin->regs + ZDMA_DATA_ATTR);
	writel(dscr, twin->regs + ZDMA_DSCR_ATTR);
	return 0;
}

static void zdma_copy(struct twin *twin, dma_addr_t src, dma_addr_t dst, u32 len)
{
	void __iomem *regs = twin->regs;

	writel_relaxed(CTRL0_OVR_FETCH, regs + ZDMA_CTRL0);
	writel_relaxed(lower_32_bits(src), regs + ZDMA_SRC_WORD(0));
	writel_relaxed(upper_32_bits(src), regs + ZDMA_SRC_WORD(1));
	writel_relaxed(len, regs + ZDMA_SRC_WORD(2));
	writel_relaxed(twin->coherent, regs + ZDMA_SRC_WORD(3));
	writel_relaxed(lower_32_bits(dst), regs + ZDMA_DST_WORD(0));
	writel_relaxed(upper_32_bits(dst), regs + ZDMA_DST_WORD(1));
	writel_relaxed(len, regs + ZDMA_DST_WORD(2));
	writel_relaxed(twin->coherent, regs + ZDMA_DST_WORD(3));
	/* Ordered after all writes to memory. */
	writel(CTRL2_EN, regs + ZDMA_CTRL2);
}

static void zdma_link(struct twin *twin, struct twin_chain *chain, struct scatterlist *list,
		      int nr)
{
	struct zdma_descriptor *descriptor = chain->cpu;
	u32 ctrl = CTRL_LINKED | (twin->coherent ? CTRL_COHERENT : 0);
	dma_addr_t next = chain->dma;
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, nr, i) {
		next += sizeof(*descriptor);
		descriptor->addr = cpu_to_le64(sg_dma_address(sg));
		descriptor->size = cpu_to_le32(sg_dma_len(sg));
		descriptor->ctrl = cpu_to_le32(ctrl);
		descriptor->next = cpu_to_le64(next);
		descriptor->reserved = 0;
		descriptor++;
	}
	descriptor--;
	descriptor->ctrl = cpu_to_le32(ctrl | CTRL_STOP);
	descriptor->next = 0;
}

static int zdma_list(struct twin *twin, struct scatterlist *src, int nr_src,
		     struct scatterlist *dst, int nr_dst)
{
	void __iomem *regs = twin->regs;

	if (nr_src == 1 && nr_dst == 1) {
		zdma_copy(twin, sg_dma_address(src), sg_dma_address(dst), sg_dma_len(dst));
		return 0;
	}
	zdma_link(twin, &twin->src_chain, src, nr_src);
	zdma_link(twin, &twin->dst_chain, dst, nr_dst);
	writel_relaxed(CTRL0_OVR_FETCH | CTRL0_POINT_TYPE_SG, regs + ZDMA_CTRL0);
	writel_relaxed(lower_32_bits(twin->src_chain.dma), regs + ZDMA_SRC_START_LSB);
	writel_relaxed(upper_32_bits(twin->src_chain.dma), regs + ZDMA_SRC_START_MSB);
	writel_relaxed(lower_32_bits(twin->dst_chain.dma), regs + ZDMA_DST_START_LSB);
	writel_relaxed(upper_32_bits(twin->dst_chain.dma), regs + ZDMA_DST_START_MSB);
	writel(CTRL2_EN, regs + ZDMA_CTRL2);
	return 0;
}

static int zdma_acknowledge(struct twin *twin)
{
	u32 isr = readl(twin->regs + ZDMA_ISR);

	if (!(isr & (INT_DMA_DONE | INT_AXI_ERRORS)))
		return 0;
	/* DMA_PAUSE is not cleared, so that zdma_quiesce() finds it. */
	writel(isr & ~INT_DMA_PAUSE, twin->regs + ZDMA_ISR);
	return isr & (INT_AXI_ERRORS | INT_DMA_PAUSE) ? -EIO : 1;
}

const struct twin_engine twin_zdma = {
	.address_bits = 44,
	.alignment = 1,
	.max_span = SZ_1G - SZ_4K,
	.descriptors = TWIN_SEGMENTS,
	.descriptor_size = sizeof(struct zdma_descriptor),
	.init = zdma_init,
	.copy = zdma_copy,
	.list = zdma_list,
	.acknowledge = zdma_acknowledge,
	.quiesce = zdma_quiesce,
};
