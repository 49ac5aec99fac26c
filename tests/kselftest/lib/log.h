/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's log has been told since a certain moment.
 */
#ifndef FERRODMA_LOG_H
#define FERRODMA_LOG_H

#include "ferrodma_test.h"

/* The log from now on, or a negative errno. */
static inline int log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		return -errno;
	return log;
}

/* How many lines since the last call name @device and say @what. */
static inline int log_count(int log, const char *device, const char *what)
{
	char line[1024];
	int lines = 0;
	ssize_t n;

	/* Lines that were overwritten before they were read are an error of one read. */
	while ((n = read(log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = '\0';
		lines += strstr(line, device) && strstr(line, what);
	}
	return lines;
}

/* The same; waits until there is one, and then for a second that should not be. */
static inline int log_wait(int log, const char *device, const char *what)
{
	int lines = 0;

	for (int ms = 0; ms < SOON_MS && !lines; ms++) {
		lines = log_count(log, device, what);
		sleep_ms(1);
	}
	sleep_ms(patience(50));
	return lines + log_count(log, device, what);
}

#endif /* FERRODMA_LOG_H */
