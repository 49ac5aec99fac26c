/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that are pinned for DMA: by this program, and in the whole system, where all pages that
 * tests pin must be unpinned in the end.
 *
 * pins.c checks this for the suite as a whole. It keeps a file of numbers whose sum is how many
 * pages should be pinned.
 */
#ifndef FERRODMA_PINS_H
#define FERRODMA_PINS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline const char *pins_file(void)
{
	return getenv("FERRODMA_PINS") ?: "/tmp/ferrodma-pins";
}

/* Returns the number in the line @name of a file in /proc, or -1. */
static inline long proc_number(const char *path, const char *name)
{
	size_t len = strlen(name);
	char line[256];
	long n = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len))
			sscanf(line + len, "%ld", &n);
	fclose(f);
	return n;
}

/* Returns how many pages are pinned in the whole system, or -1. */
static inline long pins_held(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	long acquired, released;
	bool fresh;

	/* Each CPU counts by itself; this adds the counts of all CPUs now. */
	if (fd < 0)
		return -1;
	fresh = write(fd, "1", 1) == 1;
	close(fd);
	acquired = proc_number("/proc/vmstat", "nr_foll_pin_acquired ");
	released = proc_number("/proc/vmstat", "nr_foll_pin_released ");
	return fresh && acquired >= 0 && released >= 0 ? acquired - released : -1;
}

/* Returns the kilobytes of pinned pages that are charged to this program. */
static inline long pinned_kb(void)
{
	return proc_number("/proc/self/status", "VmPin:");
}

/*
 * Records that a test makes the driver keep @pages pinned for ever, which it must if hardware
 * may still use them.
 */
static inline bool pins_given_up(int pages)
{
	FILE *f = fopen(pins_file(), "r+e");
	bool said;

	/* Without the file, pins.c does not check. */
	if (!f)
		return true;
	said = !fseek(f, 0, SEEK_END) && fprintf(f, "%d\n", pages) > 0;
	return !fclose(f) && said;
}

#endif /* FERRODMA_PINS_H */
