/* SPDX-License-Identifier: GPL-2.0 */
/* The interface of the meter (meter.c) for programs. */
#ifndef FERRODMA_COUNTER_H
#define FERRODMA_COUNTER_H

#include <err.h>

#include "ferrodma_test.h"
#include "meter.h"

static int meter;

static inline void meter_open(void)
{
	meter = open("/dev/ferrodma-meter", O_RDWR | O_CLOEXEC);
	if (meter < 0)
		err(1, "/dev/ferrodma-meter");
}

static inline uint32_t instructions(void)
{
	uint64_t count;

	asm volatile("mrs %0, pmevcntr0_el0" : "=r" (count) :: "memory");
	return count;
}

static inline void count(bool on)
{
	if (ioctl(meter, METER_COUNT, on))
		err(1, "METER_COUNT");
}

static inline struct meter_events events(void)
{
	struct meter_events now;

	if (ioctl(meter, METER_EVENTS, &now))
		err(1, "METER_EVENTS");
	return now;
}

/* A comparison for qsort(). */
static inline int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

#endif /* FERRODMA_COUNTER_H */
