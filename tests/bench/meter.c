// SPDX-License-Identifier: GPL-2.0

/*
 * Counts the cost of a transfer: instructions by the CPU's own counter, which is exact under QEMU's
 * -icount, and events by tracepoints.
 */

#include <linux/export.h>
#include <linux/interrupt.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

#include <asm/sysreg.h>

#include "marks.h"
#include "meter.h"

/* Performance monitors (Arm ARM, D13): event 8 counts executed instructions. */
#define INST_RETIRED		0x08
#define PMCR_ENABLE		BIT(0)
#define COUNTER_0		BIT(0)
#define PMUSERENR_ENABLE	BIT(0)

/* The columns of samples: instructions, then the fields of struct meter_events. */
enum { INSTRUCTIONS, INTERRUPTS, SWITCHES, ALLOCATIONS, PAGES, METRICS };

static u32 samples[METRICS][METER_ROUNDS];
static struct meter_events events;
static bool counting;
static DEFINE_MUTEX(meter_lock);

/* Instructions of an empty measurement. */
static u32 overhead;

static void start_counter(void *unused)
{
	write_sysreg(INST_RETIRED, pmevtyper0_el0);
	write_sysreg(COUNTER_0, pmcntenset_el0);
	write_sysreg(read_sysreg(pmcr_el0) | PMCR_ENABLE, pmcr_el0);
	/* Lets programs read the counter too. */
	write_sysreg(PMUSERENR_ENABLE, pmuserenr_el0);
	isb();
}

static void stop_counter(void *unused)
{
	write_sysreg(0, pmuserenr_el0);
	write_sysreg(COUNTER_0, pmcntenclr_el0);
}

static u32 instructions(void)
{
	return read_sysreg(pmevcntr0_el0);
}

static void on_interrupt(void *unused, int irq, struct irqaction *action)
{
	if (strcmp(action->name, "arch_timer"))
		events.interrupts++;
}

static void on_switch(void *unused, bool preempt, struct task_struct *prev,
		      struct task_struct *next, unsigned int prev_state)
{
	events.switches++;
}

static void on_kmalloc(void *unused, unsigned long call_site, const void *ptr,
		       size_t bytes_req, size_t bytes_alloc, gfp_t gfp, int node)
{
	events.allocations++;
	events.bytes += bytes_alloc;
}

static void on_cache_alloc(void *unused, unsigned long call_site, const void *ptr,
			   struct kmem_cache *cache, gfp_t gfp, int node)
{
	events.allocations++;
}

static void on_page_alloc(void *unused, struct page *page, unsigned int order,
			  gfp_t gfp, int migratetype)
{
	events.pages++;
}

static struct meter_probe probes[] = {
	{ "irq_handler_entry", on_interrupt },
	{ "sched_switch", on_switch },
	{ "kmalloc", on_kmalloc },
	{ "kmem_cache_alloc", on_cache_alloc },
	{ "mm_page_alloc", on_page_alloc },
	{ }
};

static void find_tracepoint(struct tracepoint *tp, void *arg)
{
	struct meter_probe *probe;

	for (probe = arg; probe->name; probe++)
		if (!strcmp(tp->name, probe->name))
			probe->tp = tp;
}

int meter_find(struct meter_probe *probe)
{
	for_each_kernel_tracepoint(find_tracepoint, probe);
	for (; probe->name; probe++)
		if (!probe->tp)
			return -ENOENT;
	return 0;
}

void meter_detach(struct meter_probe *probe)
{
	for (; probe->name; probe++) {
		if (probe->attached)
			tracepoint_probe_unregister(probe->tp, probe->function, NULL);
		probe->attached = false;
	}
	tracepoint_synchronize_unregister();
}

int meter_attach(struct meter_probe *probes)
{
	struct meter_probe *probe;
	int ret;

	for (probe = probes; probe->name; probe++) {
		ret = tracepoint_probe_register(probe->tp, probe->function, NULL);
		if (ret) {
			meter_detach(probes);
			return ret;
		}
		probe->attached = true;
	}
	return 0;
}

static void count_end(void)
{
	if (counting)
		meter_detach(probes);
	counting = false;
}

static int count_begin(void)
{
	int ret;

	if (counting)
		return -EBUSY;
	memset(&events, 0, sizeof(events));
	ret = meter_attach(probes);
	counting = !ret;
	return ret;
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* Measures @rounds transfers into @samples, and sorts these. */
static int measure(int (*once)(void *arg), void *arg, int rounds)
{
	int i, ret = 0;

	for (i = 0; i < METER_WARM_UP && !ret; i++)
		ret = once(arg);
	for (i = 0; i < rounds && !ret; i++) {
		u32 before = instructions();

		ret = once(arg);
		samples[INSTRUCTIONS][i] = instructions() - before;
	}
	if (ret)
		return ret;

	for (i = 0; i < METER_CODE_ROUNDS && !ret; i++) {
		mark_begin();
		ret = once(arg);
		mark_end();
	}
	if (ret)
		return ret;

	ret = count_begin();
	for (i = 0; i < METER_EVENT_ROUNDS && !ret; i++) {
		struct meter_events before = events;

		ret = once(arg);
		samples[INTERRUPTS][i] = events.interrupts - before.interrupts;
		samples[SWITCHES][i] = events.switches - before.switches;
		samples[ALLOCATIONS][i] = events.allocations - before.allocations;
		samples[PAGES][i] = events.pages - before.pages;
	}
	count_end();

	for (i = 0; i < METRICS; i++)
		sort(samples[i], i == INSTRUCTIONS ? rounds : METER_EVENT_ROUNDS,
		     sizeof(u32), compare, NULL);
	return ret;
}

int meter_run(const char *who, unsigned int bytes, unsigned int segments,
	      int (*once)(void *arg), void *arg)
{
	int rounds = bytes * segments < METER_LONG ? METER_ROUNDS : METER_LONG_ROUNDS;
	int median = rounds / 2, event_median = METER_EVENT_ROUNDS / 2;
	int ret;

	mutex_lock(&meter_lock);
	mark_flush();
	ret = measure(once, arg, rounds);
	mark_flush();
	if (ret)
		pr_err("bench: %s fails: %d\n", who, ret);
	else
		pr_info(METER_RESULT("%u"), who, bytes, segments,
			samples[INSTRUCTIONS][median] - overhead,
			samples[INSTRUCTIONS][0] - overhead,
			samples[INSTRUCTIONS][rounds - 1] - overhead, METER_CODE_ROUNDS,
			samples[INTERRUPTS][event_median], samples[SWITCHES][event_median],
			samples[ALLOCATIONS][event_median], samples[PAGES][event_median]);
	mutex_unlock(&meter_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(meter_run);

static long meter_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct meter_events copy;
	struct meter_memory held;
	int ret = 0;

	switch (command) {
	case METER_NOTHING:
		return 0;
	case METER_COUNT:
		mutex_lock(&meter_lock);
		if (arg)
			ret = count_begin();
		else
			count_end();
		mutex_unlock(&meter_lock);
		return ret;
	case METER_EVENTS:
		copy = events;
		return copy_to_user((void __user *)arg, &copy, sizeof(copy)) ? -EFAULT : 0;
	case METER_HOLD:
		mutex_lock(&meter_lock);
		ret = ledger_begin();
		mutex_unlock(&meter_lock);
		return ret;
	case METER_HELD:
		mutex_lock(&meter_lock);
		ret = ledger_end(&held);
		mutex_unlock(&meter_lock);
		return ret ?: copy_to_user((void __user *)arg, &held, sizeof(held)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations meter_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = meter_ioctl,
};

static struct miscdevice meter_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ferrodma-meter",
	.fops = &meter_fops,
	.mode = 0600,
};

static int nothing(void *arg)
{
	return 0;
}

struct areas {
	void *src;
	void *dst;
	size_t bytes;
};

static int copy_by_cpu(void *arg)
{
	struct areas *areas = arg;

	memcpy(areas->dst, areas->src, areas->bytes);
	return 0;
}

/* Measures copies by the CPU, without an engine. */
static int floors(void)
{
	static const unsigned int sizes[] = { 64, SZ_4K, SZ_64K, SZ_1M };
	struct areas areas = {
		.src = kvzalloc(SZ_1M, GFP_KERNEL), .dst = kvzalloc(SZ_1M, GFP_KERNEL),
	};
	int i, ret = areas.src && areas.dst ? 0 : -ENOMEM;

	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++) {
		areas.bytes = sizes[i];
		ret = meter_run("cpu", sizes[i], 1, copy_by_cpu, &areas);
	}
	kvfree(areas.src);
	kvfree(areas.dst);
	return ret;
}

int meter_init(void)
{
	int ret = meter_find(probes) ?: ledger_init();

	if (ret)
		return ret;

	on_each_cpu(start_counter, NULL, true);
	ret = measure(nothing, NULL, METER_ROUNDS);
	if (!ret && !samples[INSTRUCTIONS][0]) {
		pr_err("bench: this CPU does not count instructions\n");
		ret = -EOPNOTSUPP;
	}
	overhead = samples[INSTRUCTIONS][0];
	if (!ret)
		ret = floors();
	if (!ret)
		ret = misc_register(&meter_device);
	if (ret)
		on_each_cpu(stop_counter, NULL, true);
	return ret;
}

void meter_exit(void)
{
	misc_deregister(&meter_device);
	count_end();
	ledger_exit();
	on_each_cpu(stop_counter, NULL, true);
}
