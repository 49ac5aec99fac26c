// SPDX-License-Identifier: GPL-2.0

/* Macros and inline functions of the kernel's headers for which the kernel has no Rust helper. */

#include <linux/anon_inodes.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/kmemleak.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

vm_fault_t ferrodma_fault_in(struct vm_area_struct *vma, unsigned long address,
			     struct sg_table *sgt);
struct file *ferrodma_window_file(const char *name, const struct file_operations *fops,
				  void *priv);
void ferrodma_set_file_nowait(struct file *file);
bool ferrodma_kiocb_nowait(const struct kiocb *kiocb);
bool ferrodma_is_dma_coherent(struct device *dev);
void ferrodma_set_no_seg_boundary(struct device *dev);
unsigned int ferrodma_memory_bits(struct device *dev);
int ferrodma_bcm2835_channel(phys_addr_t start);
void ferrodma_sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			  unsigned int offset);
void ferrodma_sg_set_buf(struct scatterlist *sg, const void *buf, unsigned int len);
void ferrodma_sg_mark_end(struct scatterlist *sg);
struct page *ferrodma_sg_page(struct scatterlist *sg);
unsigned long ferrodma_sg_pfn(struct scatterlist *sg);
unsigned long ferrodma_page_pfn(struct page *page);
void ferrodma_sync_for_cpu(struct device *dev, struct sg_table *sgt,
			   enum dma_data_direction direction);
void ferrodma_sync_for_device(struct device *dev, struct sg_table *sgt,
			      enum dma_data_direction direction);
unsigned long ferrodma_rlimit(unsigned int resource);
unsigned long ferrodma_untagged(unsigned long addr);
bool ferrodma_mmap_lock_contended(struct mm_struct *mm);
int ferrodma_fault_errno(vm_fault_t fault);
bool ferrodma_try_mark_dirty(struct page *page, unsigned long count);
void ferrodma_leaked_on_purpose(const void *object);
bool ferrodma_fatal_signal_pending(void);
s64 ferrodma_timens_offset(void);

/*
 * Maps the pages of @sgt from page vm_pgoff on to all of @vma, a VM_PFNMAP area. The fault handler
 * of @vma calls this and returns the result.
 *
 * The PTEs are made dirty at once: a CPU without hardware management of the dirty state would
 * otherwise fault again at the first write to each page.
 */
vm_fault_t ferrodma_fault_in(struct vm_area_struct *vma, unsigned long address,
			     struct sg_table *sgt)
{
	pgprot_t prot = pte_pgprot(pte_mkdirty(pfn_pte(0, vma->vm_page_prot)));
	unsigned long next = vma->vm_start;
	vm_fault_t ret = VM_FAULT_NOPAGE;
	struct sg_page_iter iter;

	for_each_sgtable_page(sgt, &iter, vma->vm_pgoff) {
		if (next >= vma->vm_end)
			break;
		ret = vmf_insert_pfn_prot(vma, next, page_to_pfn(sg_page_iter_page(&iter)), prot);
		if (ret != VM_FAULT_NOPAGE)
			break;
		next += PAGE_SIZE;
		cond_resched();
	}
	/*
	 * The page that was touched is mapped. Any page that is not faults again when it is
	 * touched.
	 */
	if (address < next)
		return VM_FAULT_NOPAGE;
	return ret == VM_FAULT_NOPAGE ? VM_FAULT_SIGBUS : ret;
}

/* Returns a new file with an inode, and so an address_space, of its own; or an ERR_PTR. */
struct file *ferrodma_window_file(const char *name, const struct file_operations *fops,
				  void *priv)
{
	return anon_inode_create_getfile(name, fops, priv, O_RDWR | O_CLOEXEC, NULL);
}

/* Declares that reads of @file obey IOCB_NOWAIT. To be called while the file is opened. */
void ferrodma_set_file_nowait(struct file *file)
{
	file->f_mode |= FMODE_NOWAIT;
}

/* Returns whether @kiocb must not wait. */
bool ferrodma_kiocb_nowait(const struct kiocb *kiocb)
{
	return kiocb->ki_flags & IOCB_NOWAIT;
}

/* Returns whether the DMA API treats @dev as cache-coherent. */
bool ferrodma_is_dma_coherent(struct device *dev)
{
	return dev_is_dma_coherent(dev);
}

/*
 * Returns the width of the memory addresses that @dev reaches without bounce buffers. With
 * dma-ranges they differ from its bus addresses.
 */
unsigned int ferrodma_memory_bits(struct device *dev)
{
	u64 limit = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);

	return use_dma_iommu(dev) ? 64 : fls64(dma_to_phys(dev, limit));
}

/*
 * Returns 0 if the device tree leaves the BCM2835 DMA channel with its registers at @start to other
 * drivers than the kernel's own, -EBUSY if not, and -ENODEV if it is one of the channels of BCM2711
 * with 40-bit addresses, which are the last four.
 */
int ferrodma_bcm2835_channel(phys_addr_t start)
{
	static const struct of_device_id controllers[] = {
		{ .compatible = "brcm,bcm2711-dma" },
		{ .compatible = "brcm,bcm2835-dma" },
		{ }
	};
	/* All channels are in one page; each has 256 bytes. */
	unsigned int channel = (start & 0xfff) >> 8;
	struct device_node *np;
	int ret = 0;

	if (channel >= 11 && of_machine_is_compatible("brcm,bcm2711"))
		return -ENODEV;
	for_each_matching_node(np, controllers) {
		struct resource regs;
		u32 mask;

		if (of_address_to_resource(np, 0, &regs) || start < regs.start ||
		    start > regs.end)
			continue;
		if (of_device_is_compatible(np, "brcm,bcm2711-dma"))
			ret = -ENODEV;
		else if (of_device_is_available(np) &&
			 !of_property_read_u32(np, "brcm,dma-channel-mask", &mask) &&
			 mask & BIT(channel))
			ret = -EBUSY;
	}
	return ret;
}

void ferrodma_sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			  unsigned int offset)
{
	sg_set_page(sg, page, len, offset);
}

void ferrodma_sg_set_buf(struct scatterlist *sg, const void *buf, unsigned int len)
{
	sg_set_buf(sg, buf, len);
}

void ferrodma_sg_mark_end(struct scatterlist *sg)
{
	sg_mark_end(sg);
}

struct page *ferrodma_sg_page(struct scatterlist *sg)
{
	return sg_page(sg);
}

/* Returns the frame number of the first page of @sg. */
unsigned long ferrodma_sg_pfn(struct scatterlist *sg)
{
	return page_to_pfn(sg_page(sg));
}

unsigned long ferrodma_page_pfn(struct page *page)
{
	return page_to_pfn(page);
}

void ferrodma_sync_for_cpu(struct device *dev, struct sg_table *sgt,
			   enum dma_data_direction direction)
{
	dma_sync_sgtable_for_cpu(dev, sgt, direction);
}

void ferrodma_sync_for_device(struct device *dev, struct sg_table *sgt,
			      enum dma_data_direction direction)
{
	dma_sync_sgtable_for_device(dev, sgt, direction);
}

/* Returns the calling task's limit of @resource. */
unsigned long ferrodma_rlimit(unsigned int resource)
{
	return rlimit(resource);
}

/* Returns a program's address without the tag bits, which the CPU ignores. */
unsigned long ferrodma_untagged(unsigned long addr)
{
	return untagged_addr(addr);
}

bool ferrodma_mmap_lock_contended(struct mm_struct *mm)
{
	return mmap_lock_is_contended(mm);
}

/* Returns the error in the result of handle_mm_fault(), or 0. */
int ferrodma_fault_errno(vm_fault_t fault)
{
	return vm_fault_to_errno(fault, 0);
}

void ferrodma_set_no_seg_boundary(struct device *dev)
{
	dma_set_seg_boundary(dev, ULONG_MAX);
}

/*
 * Marks @count pages from @page on as dirty without sleeping. Returns false if the lock of a folio
 * is taken: its holder may keep it for long. Some pages are dirty then.
 */
bool ferrodma_try_mark_dirty(struct page *page, unsigned long count)
{
	while (count) {
		struct folio *folio = page_folio(page);
		unsigned long here = folio_nr_pages(folio) - folio_page_idx(folio, page);

		if (!folio_test_dirty(folio)) {
			if (!folio_trylock(folio))
				return false;
			folio_mark_dirty(folio);
			folio_unlock(folio);
		}
		if (here >= count)
			break;
		count -= here;
		page = pfn_to_page(page_to_pfn(page) + here);
	}
	return true;
}

/* Tells kmemleak that @object, and all that it refers to, is leaked on purpose. */
void ferrodma_leaked_on_purpose(const void *object)
{
	kmemleak_not_leak(object);
}

bool ferrodma_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

/* Returns by how many ns CLOCK_MONOTONIC of the calling task's time namespace is ahead. */
s64 ferrodma_timens_offset(void)
{
	struct timespec64 offset = { 0 };

	timens_add_monotonic(&offset);
	return timespec64_to_ns(&offset);
}
