/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters of a channel in debugfs.
 */
#ifndef FERRODMA_DEBUGFS_H
#define FERRODMA_DEBUGFS_H

#include <sys/mount.h>

#include "bind.h"

#define DEBUGFS	"/sys/kernel/debug"

/* Finds the debugfs directory of the channel, which has the name of its device. */
static inline bool state_directory(char *path, size_t size, const char *function, int number)
{
	struct bound_device b;

	/* This fails if debugfs is mounted already, which is fine. */
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	if (bound_device_find(&b, function, number))
		return false;
	snprintf(path, size, DEBUGFS "/ferrodma/%s", b.device);
	return !access(path, F_OK);
}

/* Returns the number in the file of a counter, or -1. */
static inline long long counter(const char *directory, const char *name)
{
	char path[PATH_MAX + 16], text[64] = "";
	long long value;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	value = read(fd, text, sizeof(text) - 1) > 0 ? strtoll(text, NULL, 0) : -1;
	close(fd);
	return value;
}

/* Returns the number of free blocks of a pool channel, or -1. */
static inline long long blocks_free(const char *function, int number)
{
	char directory[PATH_MAX];

	return state_directory(directory, sizeof(directory), function, number) ?
	       counter(directory, "blocks_free") : -1;
}

/* Returns the number of all blocks of a pool channel, or -1. */
static inline long long blocks_in_all(const char *function, int number)
{
	char directory[PATH_MAX];

	return state_directory(directory, sizeof(directory), function, number) ?
	       counter(directory, "blocks") : -1;
}

#endif /* FERRODMA_DEBUGFS_H */
