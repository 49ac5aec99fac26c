/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel says of pages that are pinned for DMA: by this program, and in
 * the whole system, where all that is pinned must be unpinned in the end.
 *
 * The tests as a whole are held to that by pins.c, which keeps what it knows in
 * a file: numbers whose sum is how many pages should be pinned.
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

/* The number that a file of /proc has in the line of @name, or -1. */
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

/* How many pages are pinned in the whole system, or -1. */
static inline long pins_held(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	long acquired, released;
	bool fresh;

	/* Each CPU has counts of its own, which are only now and then added. */
	if (fd < 0)
		return -1;
	fresh = write(fd, "1", 1) == 1;
	close(fd);
	acquired = proc_number("/proc/vmstat", "nr_foll_pin_acquired ");
	released = proc_number("/proc/vmstat", "nr_foll_pin_released ");
	return fresh && acquired >= 0 && released >= 0 ? acquired - released : -1;
}

/* What is charged to this program for pinned pages, in kB. */
static inline long pinned_kb(void)
{
	return proc_number("/proc/self/status", "VmPin:");
}

/*
 * To be called by a test that makes the driver keep @pages pinned for ever, as
 * it must where hardware may still use them.
 */
static inline bool pins_given_up(int pages)
{
	FILE *f = fopen(pins_file(), "r+e");
	bool said;

	/* Without the file nobody asks. */
	if (!f)
		return true;
	said = !fseek(f, 0, SEEK_END) && fprintf(f, "%d\n", pages) > 0;
	return !fclose(f) && said;
}

#endif /* FERRODMA_PINS_H */
