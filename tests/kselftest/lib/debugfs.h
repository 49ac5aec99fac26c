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

/* The counters of a channel, and the names of their files. */
struct counters {
	long long jobs, bytes, errors, timeouts, cancelled;
};

/* Reads all counters; returns whether all are there. */
static inline bool read_counters(struct counters *c, const char *function, int number)
{
	char directory[PATH_MAX];

	if (!state_directory(directory, sizeof(directory), function, number))
		return false;
	c->jobs = counter(directory, "jobs");
	c->bytes = counter(directory, "bytes");
	c->errors = counter(directory, "errors");
	c->timeouts = counter(directory, "timeouts");
	c->cancelled = counter(directory, "cancelled");
	return c->jobs >= 0 && c->bytes >= 0 && c->errors >= 0 && c->timeouts >= 0 &&
	       c->cancelled >= 0;
}

/* Fails the test unless the counters have grown by exactly @more, and stores the new ones. */
#define EXPECT_COUNTED(before_, function_, number_, ...) do {			\
	const struct counters more_ = { __VA_ARGS__ };				\
	struct counters now_;							\
										\
	ASSERT_TRUE(read_counters(&now_, function_, number_));			\
	EXPECT_EQ((before_)->jobs + more_.jobs, now_.jobs);			\
	EXPECT_EQ((before_)->bytes + more_.bytes, now_.bytes);			\
	EXPECT_EQ((before_)->errors + more_.errors, now_.errors);		\
	EXPECT_EQ((before_)->timeouts + more_.timeouts, now_.timeouts);		\
	EXPECT_EQ((before_)->cancelled + more_.cancelled, now_.cancelled);	\
	*(before_) = now_;							\
} while (0)

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
