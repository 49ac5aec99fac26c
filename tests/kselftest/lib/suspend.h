/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Suspending the system, as far as it surely resumes by itself: the kernel suspends up to a
 * given point, stays there for a given time, and resumes. Beyond the devices and the platform
 * it would sleep until something wakes the machine, and the tests know no such source.
 *
 * Documentation/power/basic-pm-debugging.rst.
 */
#ifndef FERRODMA_SUSPEND_H
#define FERRODMA_SUSPEND_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Writes @text to a file of the kernel; returns 0 or a negative errno. */
static inline int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline bool get_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Returns whether the kernel can suspend, and can be told to resume by itself. */
static inline bool can_suspend(void)
{
	char text[64];

	return get_text("/sys/power/state", text, sizeof(text)) && strstr(text, "freeze") &&
	       get_text("/sys/power/pm_test", text, sizeof(text));
}

/*
 * Suspends up to the point @how ("freezer", "devices" or "platform") for @seconds, and resumes.
 * Returns 0 or a negative errno.
 */
static inline int suspend_and_resume(const char *how, unsigned int seconds)
{
	int ret = put_text("/sys/power/pm_test", how);
	char delay[16];

	if (ret)
		return ret;
	snprintf(delay, sizeof(delay), "%u", seconds);
	put_text("/sys/module/suspend/parameters/pm_test_delay", delay);
	ret = put_text("/sys/power/state", "freeze");
	put_text("/sys/power/pm_test", "none");
	return ret;
}

#endif /* FERRODMA_SUSPEND_H */
