/* SPDX-License-Identifier: GPL-2.0 */
/* A file whose pages this program serves through FUSE, at the moment that the test chooses. */
#ifndef FERRODMA_FUSE_H
#define FERRODMA_FUSE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLOW_FILE	"/tmp/ferrodma-slow"

struct slow_file {
	/* The file, and the descriptor of its server. */
	int fd, server;
	size_t size;
	/* What reads return: @size bytes, or an error if NULL. */
	const uint8_t *data;
	/* Posted for each read; waited for by each read. */
	sem_t asked, go;
	pthread_t thread;
	char request[FUSE_MIN_READ_BUFFER + 4096];
};

/* Answers the request @in with @error, or with @len bytes at @data. */
static inline void slow_answer(struct slow_file *f, const struct fuse_in_header *in, int error,
			       const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len, .error = -error, .unique = in->unique,
	};
	struct iovec v[] = { { &out, sizeof(out) }, { (void *)data, len } };

	writev(f->server, v, 2);
}

static inline void slow_read(struct slow_file *f, const struct fuse_in_header *in)
{
	const struct fuse_read_in *read = (const void *)(in + 1);
	size_t left = read->offset < f->size ? f->size - read->offset : 0;

	sem_post(&f->asked);
	sem_wait(&f->go);
	if (f->data)
		slow_answer(f, in, 0, f->data + read->offset,
			    read->size < left ? read->size : left);
	else
		slow_answer(f, in, EIO, NULL, 0);
}

static inline void *slow_serve(void *arg)
{
	struct slow_file *f = arg;
	const struct fuse_in_header *in = (const void *)f->request;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};
	struct fuse_attr_out attr = {
		.attr_valid = 1000,
		.attr = { .ino = 1, .size = f->size, .mode = S_IFREG | 0600, .nlink = 1 },
	};
	struct fuse_open_out opened = { .open_flags = FOPEN_KEEP_CACHE };

	while (read(f->server, f->request, sizeof(f->request)) > 0) {
		switch (in->opcode) {
		case FUSE_INIT:
			slow_answer(f, in, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			slow_answer(f, in, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			slow_answer(f, in, 0, &opened, sizeof(opened));
			break;
		case FUSE_READ:
			slow_read(f, in);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			slow_answer(f, in, ENOSYS, NULL, 0);
		}
	}
	return NULL;
}

/*
 * Opens a file of @size bytes whose contents are @data; reading it fails if @data is NULL.
 * Leaves nothing behind on failure.
 */
static inline int slow_file_open(struct slow_file *f, const uint8_t *data, size_t size)
{
	char options[100];
	struct stat st;
	int place, ret;

	memset(f, 0, sizeof(*f));
	f->data = data;
	f->size = size;
	sem_init(&f->asked, 0, 0);
	sem_init(&f->go, 0, 0);
	f->server = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (f->server < 0)
		return -errno;
	/* The root of the file system is a file, and is mounted on a file. */
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=%d,group_id=%d",
		 f->server, getuid(), getgid());
	place = open(SLOW_FILE, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	close(place);
	if (place < 0 || mount("slow", SLOW_FILE, "fuse", 0, options)) {
		ret = -errno;
		goto close;
	}
	ret = -pthread_create(&f->thread, NULL, slow_serve, f);
	if (ret)
		goto unmount;
	f->fd = open(SLOW_FILE, O_RDONLY | O_CLOEXEC);
	/* The kernel asks for the size of the file only now. */
	if (f->fd >= 0 && !fstat(f->fd, &st) && st.st_size == size)
		return 0;
	ret = -EIO;
	close(f->fd);
	umount2(SLOW_FILE, MNT_DETACH);
	pthread_join(f->thread, NULL);
	goto close;
unmount:
	umount2(SLOW_FILE, MNT_DETACH);
close:
	close(f->server);
	unlink(SLOW_FILE);
	return ret;
}

/* Closes the file, of which nothing may be mapped any more. */
static inline void slow_file_close(struct slow_file *f)
{
	close(f->fd);
	umount2(SLOW_FILE, MNT_DETACH);
	/* The server ends when the file system is unmounted. */
	pthread_join(f->thread, NULL);
	close(f->server);
	unlink(SLOW_FILE);
}

/* Waits until the kernel reads the file; returns whether it does in time. */
static inline bool slow_file_wait(struct slow_file *f)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += (SOON_MS + 999) / 1000;
	return !sem_timedwait(&f->asked, &end);
}

/* Lets the server answer @n reads. */
static inline void slow_file_go(struct slow_file *f, int n)
{
	while (n--)
		sem_post(&f->go);
}

#endif /* FERRODMA_FUSE_H */
