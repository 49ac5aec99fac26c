/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters of a channel in debugfs.
 */
#ifndef FERRODMA_DEBUGFS_H
#define FERRODMA_DEBUGFS_H

#include <sys/mount.h>

#include "bind.h"

#define DEBUGFS	"/sys/kernel/debug"

/* The directory of the channel, named after its device. */
static inline bool state_directory(char *path, size_t size, const char *function, int number)
{
	struct bound_device b;

	/* Already mounted is as good. */
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	if (bound_device_find(&b, function, number))
		return false;
	snprintf(path, size, DEBUGFS "/ferrodma/%s", b.device);
	return !access(path, F_OK);
}

/* The number in a counter's file, or -1. */
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

/* How many blocks of a pool channel nobody has, or -1. */
static inline long long blocks_free(const char *function, int number)
{
	char directory[PATH_MAX];

	return state_directory(directory, sizeof(directory), function, number) ?
	       counter(directory, "blocks_free") : -1;
}

/* How many there are, or -1. */
static inline long long blocks_in_all(const char *function, int number)
{
	char directory[PATH_MAX];

	return state_directory(directory, sizeof(directory), function, number) ?
	       counter(directory, "blocks") : -1;
}

#endif /* FERRODMA_DEBUGFS_H */
