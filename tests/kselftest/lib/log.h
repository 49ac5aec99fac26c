/* SPDX-License-Identifier: GPL-2.0 */
/* Lines that the kernel logs from a certain moment on. */
#ifndef FERRODMA_LOG_H
#define FERRODMA_LOG_H

#include "ferrodma_test.h"

/* Opens the log at its end; returns a negative errno on failure. */
static inline int log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		return -errno;
	return log;
}

/* Counts the new lines that contain @device and @what. */
static inline int log_count(int log, const char *device, const char *what)
{
	char line[1024];
	int lines = 0;
	ssize_t n;

	/* If lines were overwritten before they were read, one read fails with EPIPE. */
	while ((n = read(log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = '\0';
		lines += strstr(line, device) && strstr(line, what);
	}
	return lines;
}

/*
 * Counts as log_count() does, but waits until there is a line, and then one more second for
 * lines that should not be there.
 */
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
