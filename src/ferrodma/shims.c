// SPDX-License-Identifier: GPL-2.0

/*
 * What the kernel's headers have only as macros or inline functions, and its
 * Rust helpers lack.
 */

#include <linux/anon_inodes.h>
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/fcntl.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

unsigned long ferrodma_sgt_pfn(struct sg_table *sgt, unsigned long index);
struct file *ferrodma_window_file(const struct file_operations *fops, void *priv);
bool ferrodma_is_dma_coherent(struct device *dev);

/* The page frame of page @index of the memory that @sgt describes; 0 beyond. */
unsigned long ferrodma_sgt_pfn(struct sg_table *sgt, unsigned long index)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		unsigned long pages = PHYS_PFN(PAGE_ALIGN(sg->length));

		if (index < pages)
			return page_to_pfn(sg_page(sg)) + index;
		index -= pages;
	}
	return 0;
}

/* A file with an inode, and so an address space, of its own; or an ERR_PTR. */
struct file *ferrodma_window_file(const struct file_operations *fops, void *priv)
{
	return anon_inode_create_getfile("[ferrodma]", fops, priv, O_RDWR | O_CLOEXEC, NULL);
}

/* Whether the DMA API takes @dev for one that snoops the CPU's caches. */
bool ferrodma_is_dma_coherent(struct device *dev)
{
	return dev_is_dma_coherent(dev);
}
