// SPDX-License-Identifier: GPL-2.0

/*
 * A channel of the BCM2835 DMA controller for the driver in C.
 *
 * Source: "BCM2835 ARM Peripherals", chapter 4.
 */

#include <linux/bits.h>
#include <linux/iopoll.h>

#include "twin.h"

#define BCM_CS			0x00
#define   CS_RESET			BIT(31)
#define   CS_DISDEBUG			BIT(29)
#define   CS_WAIT_FOR_WRITES		BIT(28)
#define   CS_ERROR			BIT(8)
#define   CS_WAITING_FOR_WRITES		BIT(6)
#define   CS_PAUSED			BIT(4)
#define   CS_INT			BIT(2)
#define   CS_END			BIT(1)
#define   CS_ACTIVE			BIT(0)
#define   CS_CONTROL			(CS_DISDEBUG | CS_WAIT_FOR_WRITES)
#define BCM_CONBLK_AD		0x04
#define BCM_DEBUG		0x20
#define   DEBUG_LITE			BIT(28)
#define   DEBUG_OUTSTANDING_WRITES	GENMASK(7, 4)
#define   DEBUG_ERRORS			GENMASK(2, 0)

#define TI_INTERRUPT		BIT(0)
#define TI_WAIT_FOR_RESPONSE	BIT(3)
#define TI_DST_INCREMENTS	BIT(4)
#define TI_SRC_INCREMENTS	BIT(8)

#define QUIESCE_POLL_US		20
#define QUIESCE_LIMIT_US	(10 * USEC_PER_MSEC)

/* Most bytes in a control block of a full channel, and of a lite one. */
#define MAX_SPAN		(SZ_1G - SZ_4K)
#define MAX_LITE_SPAN		(SZ_64K - SZ_4K)

struct control_block {
	__le32 information;
	__le32 src;
	__le32 dst;
	__le32 length;
	__le32 stride;
	__le32 next;
	__le32 reserved[2];
};

static_assert(sizeof(struct control_block) == 32);

/*
 * Enough for lists that are split at each other's boundaries, and a few more pieces for lite
 * channels.
 */
#define CONTROL_BLOCKS		(3 * TWIN_SEGMENTS)

static bool bcm_at_rest(struct twin *twin)
{
	u32 cs = readl(twin->regs + BCM_CS);

	return (cs & CS_PAUSED || !readl(twin->regs + BCM_CONBLK_AD)) &&
	       !(cs & CS_WAITING_FOR_WRITES) &&
	       !(readl(twin->regs + BCM_DEBUG) & DEBUG_OUTSTANDING_WRITES);
}

static int bcm_quiesce(struct twin *twin)
{
	bool at_rest;
	u32 cs;
	int ret;

	/* Pauses the channel, and resets it once it has no outstanding writes. */
	writel(CS_CONTROL, twin->regs + BCM_CS);
	ret = read_poll_timeout(bcm_at_rest, at_rest, at_rest, QUIESCE_POLL_US,
				QUIESCE_LIMIT_US, false, twin);
	if (ret)
		return ret;
	writel(CS_RESET, twin->regs + BCM_CS);
	ret = readl_poll_timeout(twin->regs + BCM_CS, cs,
				 !(cs & (CS_ACTIVE | CS_WAITING_FOR_WRITES)),
				 QUIESCE_POLL_US, QUIESCE_LIMIT_US);
	if (ret)
		return ret;
	writel(0, twin->regs + BCM_CONBLK_AD);
	writel(CS_INT | CS_END, twin->regs + BCM_CS);
	writel(readl(twin->regs + BCM_DEBUG) & DEBUG_ERRORS, twin->regs + BCM_DEBUG);
	return 0;
}

static int bcm_init(struct twin *twin)
{
	if (readl(twin->regs + BCM_CS) & CS_ACTIVE)
		return -EBUSY;
	twin->max_span = readl(twin->regs + BCM_DEBUG) & DEBUG_LITE ? MAX_LITE_SPAN : MAX_SPAN;
	return bcm_quiesce(twin);
}

/* Writes the control blocks of a span from number @at on. Returns the next number, or -ENOMEM. */
static int bcm_encode(struct twin *twin, int at, dma_addr_t src, dma_addr_t dst, u32 len)
{
	struct control_block *block = twin->src_chain.cpu;
	dma_addr_t next = twin->src_chain.dma;

	while (len) {
		u32 part = min(len, twin->max_span);

		if (at == CONTROL_BLOCKS)
			return -ENOMEM;
		block[at].information = cpu_to_le32(TI_DST_INCREMENTS | TI_SRC_INCREMENTS);
		block[at].src = cpu_to_le32(src);
		block[at].dst = cpu_to_le32(dst);
		block[at].length = cpu_to_le32(part);
		block[at].stride = 0;
		at++;
		block[at - 1].next = cpu_to_le32(next + at * sizeof(*block));
		src += part;
		dst += part;
		len -= part;
	}
	return at;
}

/* Starts @nr control blocks. */
static void bcm_start(struct twin *twin, int nr)
{
	struct control_block *block = twin->src_chain.cpu;

	block[nr - 1].next = 0;
	block[nr - 1].information |= cpu_to_le32(TI_INTERRUPT | TI_WAIT_FOR_RESPONSE);
	writel_relaxed(twin->src_chain.dma, twin->regs + BCM_CONBLK_AD);
	/* Ordered after all writes to memory. */
	writel(CS_CONTROL | CS_ACTIVE, twin->regs + BCM_CS);
}

static void bcm_copy(struct twin *twin, dma_addr_t src, dma_addr_t dst, u32 len)
{
	bcm_start(twin, bcm_encode(twin, 0, src, dst, len));
}

static int bcm_list(struct twin *twin, struct scatterlist *src, int nr_src,
		    struct scatterlist *dst, int nr_dst)
{
	dma_addr_t from = sg_dma_address(src), to = sg_dma_address(dst);
	u32 src_left = sg_dma_len(src), dst_left = sg_dma_len(dst);
	int nr = 0;

	/* The totals are equal, so both lists end at the same time. */
	for (;;) {
		u32 len = min(src_left, dst_left);

		nr = bcm_encode(twin, nr, from, to, len);
		if (nr < 0)
			return nr;
		from += len;
		to += len;
		src_left -= len;
		dst_left -= len;
		if (!src_left) {
			if (!--nr_src)
				break;
			src = sg_next(src);
			from = sg_dma_address(src);
			src_left = sg_dma_len(src);
		}
		if (!dst_left) {
			if (!--nr_dst)
				break;
			dst = sg_next(dst);
			to = sg_dma_address(dst);
			dst_left = sg_dma_len(dst);
		}
	}
	bcm_start(twin, nr);
	return 0;
}

static int bcm_acknowledge(struct twin *twin)
{
	u32 cs = readl(twin->regs + BCM_CS), debug;

	if (!(cs & (CS_INT | CS_ERROR)))
		return 0;
	debug = readl(twin->regs + BCM_DEBUG) & DEBUG_ERRORS;
	if (debug)
		writel(debug, twin->regs + BCM_DEBUG);
	writel(CS_CONTROL | CS_INT | CS_END, twin->regs + BCM_CS);
	return debug || cs & CS_ERROR ? -EIO : 1;
}

const struct twin_engine twin_bcm2835 = {
	.address_bits = 32,
	.alignment = 4,
	.max_span = MAX_SPAN,
	.descriptors = CONTROL_BLOCKS,
	.descriptor_size = sizeof(struct control_block),
	.init = bcm_init,
	.copy = bcm_copy,
	.list = bcm_list,
	.acknowledge = bcm_acknowledge,
	.quiesce = bcm_quiesce,
};
