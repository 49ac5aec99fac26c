// SPDX-License-Identifier: GPL-2.0

/*
 * Records the allocations of a task, and whether they were freed again, by any task: the rest, when
 * a device is bound, is the memory that the device holds.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "meter.h"

/* Many times as many as any device has at a time. */
#define MOST_ENTRIES	4096

/* An object, or the first page of an allocation of pages. */
static struct entry {
	const void *at;
	size_t bytes;
	bool is_page;
} entries[MOST_ENTRIES];

static unsigned int used;
static bool overflow;
static struct task_struct *owner;

/* Memory is allocated and freed in any context. */
static DEFINE_RAW_SPINLOCK(ledger_lock);

static void note(const void *at, size_t bytes, bool is_page)
{
	unsigned long flags;

	if (ZERO_OR_NULL_PTR(at) || current != owner || !in_task())
		return;
	raw_spin_lock_irqsave(&ledger_lock, flags);
	if (used < MOST_ENTRIES)
		entries[used++] = (struct entry){ at, bytes, is_page };
	else
		overflow = true;
	raw_spin_unlock_irqrestore(&ledger_lock, flags);
}

static void forget(const void *at)
{
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&ledger_lock, flags);
	for (i = used; i--;) {
		if (entries[i].at != at)
			continue;
		entries[i] = entries[--used];
		break;
	}
	raw_spin_unlock_irqrestore(&ledger_lock, flags);
}

static void on_kmalloc(void *unused, unsigned long call_site, const void *ptr,
		       size_t bytes_req, size_t bytes_alloc, gfp_t gfp, int node)
{
	note(ptr, bytes_alloc, false);
}

static void on_kfree(void *unused, unsigned long call_site, const void *ptr)
{
	forget(ptr);
}

static void on_cache_alloc(void *unused, unsigned long call_site, const void *ptr,
			   struct kmem_cache *cache, gfp_t gfp, int node)
{
	note(ptr, kmem_cache_size(cache), false);
}

static void on_cache_free(void *unused, unsigned long call_site, const void *ptr,
			  const struct kmem_cache *cache)
{
	forget(ptr);
}

static void on_page_alloc(void *unused, struct page *page, unsigned int order,
			  gfp_t gfp, int migratetype)
{
	/*
	 * Movable pages are those of a program, or copies of pages that were in the way of a large
	 * buffer.
	 */
	if (!(gfp & __GFP_MOVABLE))
		note(page, PAGE_SIZE << order, true);
}

static void on_page_free(void *unused, struct page *page, unsigned int order)
{
	forget(page);
}

/* CMA pages are freed as any other page is. */
static void on_cma_alloc(void *unused, const char *name, unsigned long pfn,
			 const struct page *page, unsigned long count,
			 unsigned int align, int error)
{
	note(page, PAGE_SIZE * count, true);
}

static struct meter_probe probes[] = {
	{ "kmalloc", on_kmalloc },
	{ "kfree", on_kfree },
	{ "kmem_cache_alloc", on_cache_alloc },
	{ "kmem_cache_free", on_cache_free },
	{ "mm_page_alloc", on_page_alloc },
	{ "mm_page_free", on_page_free },
	{ "cma_alloc_finish", on_cma_alloc },
	{ }
};

int ledger_init(void)
{
	return meter_find(probes);
}

/* Starts to record the allocations of the calling task. */
int ledger_begin(void)
{
	int ret;

	if (owner)
		return -EBUSY;
	used = 0;
	overflow = false;
	owner = current;
	ret = meter_attach(probes);
	if (ret)
		owner = NULL;
	return ret;
}

int ledger_end(struct meter_memory *held)
{
	unsigned int i;

	if (owner != current)
		return -EINVAL;
	ledger_exit();
	if (overflow)
		return -ENOSPC;

	*held = (struct meter_memory){ };
	for (i = 0; i < used; i++) {
		const struct entry *entry = &entries[i];
		const struct page *page = entry->at;

		/* The objects in such a page have entries of their own. */
		if (entry->is_page && (PageSlab(page) || PageLargeKmalloc(page)))
			continue;
		held->bytes += entry->bytes;
		if (entry->is_page)
			held->pages++;
		else
			held->objects++;
	}
	return 0;
}

void ledger_exit(void)
{
	if (owner)
		meter_detach(probes);
	owner = NULL;
}
