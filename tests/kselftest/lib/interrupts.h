/* SPDX-License-Identifier: GPL-2.0 */
/* The interrupts of the drivers, as /proc/interrupts shows them. */
#ifndef FERRODMA_INTERRUPTS_H
#define FERRODMA_INTERRUPTS_H

#include <ctype.h>

#include "channel_checks.h"

/* A bound of the numbers of interrupts. */
#define MOST_IRQS	4096

/* Counts the interrupts of the drivers on all CPUs, by number. */
static inline void count_interrupts(unsigned long count[MOST_IRQS])
{
	char line[1024], *at, *end;
	FILE *f = fopen("/proc/interrupts", "re");

	memset(count, 0, MOST_IRQS * sizeof(*count));
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long n, irq = strtoul(line, &at, 10);

		if (!strstr(line, "ferrodma") || *at++ != ':' || irq >= MOST_IRQS)
			continue;
		for (n = strtoul(at, &end, 10); end != at; n = strtoul(at, &end, 10)) {
			count[irq] += n;
			at = end;
		}
	}
	if (f)
		fclose(f);
}

/*
 * Returns how many interrupts of the channel @name have come on all CPUs, or -1 if it has none.
 * A shared line shows the names of all its devices.
 */
static inline long interrupts_named(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "re");
	size_t len = strlen(name);
	char line[1024], *end;
	long count = -1;

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':'), *found = strstr(line, name);

		/* Skip longer names that begin with this one. */
		while (found && isalnum(found[len]))
			found = strstr(found + len, name);
		if (!at++ || !found)
			continue;
		count += count < 0;
		for (long n = strtol(at, &end, 10); end != at; n = strtol(at, &end, 10)) {
			count += n;
			at = end;
		}
	}
	if (f)
		fclose(f);
	return count;
}

/* Returns the number of the interrupt that jobs on the channel raise, or -1. */
static inline int interrupt_of(const struct channel *c)
{
	static unsigned long before[MOST_IRQS], after[MOST_IRQS];
	struct job j;

	count_interrupts(before);
	for (int i = 0; i < 8; i++) {
		job_copy(&j, c, 0, c->size / 2, unit(c));
		if (job_run(c, &j))
			return -1;
	}
	count_interrupts(after);
	for (int irq = 0; irq < MOST_IRQS; irq++)
		if (after[irq] >= before[irq] + 8)
			return irq;
	return -1;
}

#endif /* FERRODMA_INTERRUPTS_H */
