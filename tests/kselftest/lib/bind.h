/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The platform device behind a channel, found through sysfs: its name, its driver, and how to
 * unbind and bind it. Also how to load and remove the modules that hold the drivers.
 */
#ifndef FERRODMA_BIND_H
#define FERRODMA_BIND_H

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ferrodma_test.h"

/* The names of a bound device and of its driver, which stay valid while it is unbound. */
struct bound_device {
	char device[128];	/* name of the platform device */
	char driver[PATH_MAX];	/* directory of its driver */
};

/* Copies the last part of the target of the link at @path to @name. */
static inline int link_name(const char *path, char *name, size_t size)
{
	char target[PATH_MAX];

	if (!realpath(path, target))
		return -errno;
	snprintf(name, size, "%s", basename(target));
	return 0;
}

static inline int bound_device_find(struct bound_device *b, const char *function,
				    int number)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s%d/device", function,
		 number);
	ret = link_name(path, b->device, sizeof(b->device));
	if (ret)
		return ret;
	strncat(path, "/driver", sizeof(path) - strlen(path) - 1);
	return realpath(path, b->driver) ? 0 : -errno;
}

static inline int bound_device_write(const struct bound_device *b, const char *file)
{
	char path[PATH_MAX + 16];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", b->driver, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, b->device, strlen(b->device)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static inline int device_unbind(const struct bound_device *b)
{
	return bound_device_write(b, "unbind");
}

static inline int device_bind(const struct bound_device *b)
{
	return bound_device_write(b, "bind");
}

/* Returns the number of the channel that the device has now, or a negative errno. */
static inline int bound_device_number(const struct bound_device *b,
				      const char *function)
{
	struct bound_device other;
	char prefix[64];
	struct dirent *e;
	DIR *dir = opendir("/sys/class/misc");
	int number = -ENOENT;

	if (!dir)
		return -errno;
	snprintf(prefix, sizeof(prefix), "ferrodma-%s", function);
	while (number < 0 && (e = readdir(dir))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		int n = atoi(e->d_name + strlen(prefix));

		if (!bound_device_find(&other, function, n) &&
		    !strcmp(other.device, b->device))
			number = n;
	}
	closedir(dir);
	return number;
}

/* Removes a module, as rmmod does; does not wait until its users are gone. */
static inline int module_remove(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/*
 * Opens the file of a module in the directory FERRODMA_MODULES; returns a negative errno on
 * failure.
 */
static inline int module_open(const char *name)
{
	const char *dir = getenv("FERRODMA_MODULES") ?: "/lib/modules/ferrodma";
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Loads a module, as insmod does. */
static inline int module_insert(const char *name, const char *params)
{
	int fd = module_open(name), ret;

	if (fd < 0)
		return fd;
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Touches @p in a child. Returns 0, or the signal that has killed the child. */
static inline int touch_in_child(const uint8_t *p)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		*(volatile const uint8_t *)p;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

#endif /* FERRODMA_BIND_H */
