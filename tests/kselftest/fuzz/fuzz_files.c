// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on files and memory while jobs are in flight: mappings, flags, children, signals, and a
 * file that several threads use.
 */
#include <sys/prctl.h>

#include "fuzz.h"

/* Maps as mmap() does, to @p, but returns the error. */
static int try_mmap(struct worker *w, size_t len, int prot, int flags, int fd, off_t at,
		    uint8_t **p)
{
	call_begins(w, "mmap", at);
	*p = mmap(NULL, len, prot, flags, fd, at);
	call_ends(w);
	return *p == MAP_FAILED ? -errno : 0;
}

/* Tries a mapping that must fail. */
static bool bad_mmap(struct worker *w, struct file *f)
{
	size_t page = page_size(), size = f->channel->info.buffer_size;
	uint8_t *p;
	int ret, expected;

	switch (pick(w, 4)) {
	case 0:
		expected = -EINVAL;
		ret = try_mmap(w, page, PROT_READ, MAP_PRIVATE, f->fd, 0, &p);
		break;
	case 1:
		expected = -EPERM;
		ret = try_mmap(w, page, PROT_READ | PROT_EXEC, MAP_SHARED, f->fd, 0, &p);
		break;
	case 2:
		expected = -ENXIO;
		ret = try_mmap(w, size + page * (1 + pick(w, 16)), PROT_READ, MAP_SHARED, f->fd, 0,
			       &p);
		break;
	default:
		expected = -ENXIO;
		ret = try_mmap(w, page, PROT_READ, MAP_SHARED, f->fd,
			       size + page * pick(w, 1ULL << 30), &p);
	}
	if (!ret)
		munmap(p, page);
	return ret == expected || (ret == -ENODEV && is_gone(f)) ||
	       fail(w, "mmap that is wrong", ret);
}

/* Makes a second mapping of the buffer, which must show the same as the first. */
static bool good_mmap(struct worker *w, struct file *f)
{
	size_t page = page_size(), pages = f->channel->info.buffer_size / page;
	size_t first = pick(w, pages), len = (1 + pick(w, pages - first)) * page;
	uint64_t at = f->rough_addr - 16;
	bool good = true;
	uint8_t *p, *q;
	int ret;

	ret = try_mmap(w, len, pick(w, 4) ? RW : PROT_READ, MAP_SHARED, f->fd, first * page, &p);
	if (ret)
		return (ret == -ENODEV && is_gone(f)) || fail(w, "mmap", ret);
	call_begins(w, "mprotect, mremap", len);
	/* Do this before touching the buffer, which may be gone. */
	if (!mprotect(p, page, PROT_READ | PROT_EXEC))
		good = fail(w, "the buffer was made executable", 0);
	q = mremap(p, len, len + page, MREMAP_MAYMOVE);
	if (q != MAP_FAILED) {
		good = fail(w, "the mapping has grown", len);
		p = q;
	}
	if (one_in(w, 4)) {
		q = mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
		if (q != MAP_FAILED)
			munmap(q, len);
	}
	if (len > page && one_in(w, 4) && mremap(p, len, len - page, 0) == p)
		len -= page;
	if (one_in(w, 4))
		mprotect(p, page, PROT_NONE);
	else if (one_in(w, 4))
		madvise(p, len, one_in(w, 2) ? MADV_DONTNEED : MADV_WILLNEED);
	call_ends(w);
	mprotect(p, len, PROT_READ);
	/* No other job writes just before the rough part of this file's slice. */
	w->view = p;
	w->view_len = len;
	if (!in_flight(f) && at >= first * page && at + 16 <= first * page + len &&
	    memcmp(p + (at - first * page), f->mem + at, 16))
		good = fail(w, "two mappings differ at", at);
	w->view_len = 0;
	munmap(p, len);
	return good;
}

bool do_mmap(struct worker *w, struct file *f)
{
	uint8_t *p;
	int ret;

	if (is_coherent(f->channel))
		return one_in(w, 2) ? bad_mmap(w, f) : good_mmap(w, f);
	ret = try_mmap(w, page_size(), PROT_READ, MAP_SHARED, f->fd, 0, &p);
	return ret == -ENODEV || fail(w, "mmap without a buffer", ret);
}

bool do_flags(struct worker *w, struct file *f)
{
	int flags = fcntl(f->fd, F_GETFL);

	if (!!(flags & O_NONBLOCK) != f->nonblock)
		return fail(w, "O_NONBLOCK is lost; flags", flags);
	f->nonblock = !f->nonblock;
	return !fcntl(f->fd, F_SETFL, flags ^ O_NONBLOCK) || fail(w, "F_SETFL", -errno);
}

/* The jobs go on with the other descriptor. */
bool do_dup(struct worker *w, struct file *f)
{
	int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return fail(w, "dup", -errno);
	call_begins(w, "close of a dup", in_flight(f));
	close(f->fd);
	call_ends(w);
	f->fd = fd;
	return true;
}

/* Checks that a read-only file cannot start or stop jobs. */
bool do_readonly_file(struct worker *w, struct file *f)
{
	struct fuzz_channel *c = f->channel;
	uint32_t generation = c->generation;
	struct ferrodma_cancel cancel = { .size = sizeof(cancel), .cookie = 1 };
	int fd, ret;

	call_begins(w, "open for reading", c - w->world->channel);
	fd = channel_open_fd(c->function, c->number, O_RDONLY);
	call_ends(w);
	if (fd < 0)
		return generation & 1 || c->generation != generation ||
		       fail(w, "open for reading", fd);
	job_init(&w->job);
	ret = call_ioctl(w, fd, "SUBMIT on a read-only file", FERRODMA_IOC_SUBMIT, &w->job.submit);
	if (ret == -EBADF)
		ret = call_ioctl(w, fd, "CANCEL on a read-only file", FERRODMA_IOC_CANCEL, &cancel);
	close(fd);
	return ret == -EBADF || fail(w, "call on a file for reading", ret);
}

/* Runs a child, which has copies of the files of all threads. */
static void child(struct worker *w, struct file *f)
{
	struct ferrodma_info info = { .size = sizeof(info) };
	struct ferrodma_wait wait = { .size = sizeof(wait), .cookie = 1ULL << 40 };
	struct pollfd p = { .fd = f->fd, .events = POLLIN };

	for (;;) {
		fdma_ioctl(f->fd, FERRODMA_IOC_INFO, &info);
		fdma_ioctl(f->fd, FERRODMA_IOC_WAIT, &wait);
		fdma_ioctl(f->fd, FERRODMA_IOC_SUBMIT, NULL);
		poll(&p, 1, 0);
		if (is_coherent(f->channel) && one_in(w, 4))
			*(volatile uint8_t *)(f->mem + f->rough_addr);
		if (one_in(w, 4))
			_exit(0);
		/* Wait to be killed. */
		if (one_in(w, 4))
			poll(NULL, 0, -1);
	}
}

bool do_fork(struct worker *w, struct file *f)
{
	int status, ms = 1 + pick(w, 2);
	pid_t pid;

	/* Do this seldom: it costs as much as a hundred calls. */
	if (pick(w, 8))
		return true;
	pthread_rwlock_wrlock(&w->process->children);
	call_begins(w, "fork", 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGBUS, SIG_DFL);
		child(w, f);
	}
	if (pid > 0) {
		poll(NULL, 0, ms);
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	call_ends(w);
	pthread_rwlock_unlock(&w->process->children);
	return pid > 0 || fail(w, "fork", -errno);
}

/* Sends a signal to another thread. */
bool do_signal(struct worker *w, struct file *f)
{
	pid_t tid = w->process->tid[pick(w, THREADS)];

	(void)f;
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	return true;
}

/* Changes the pages that garbage jobs use. */
bool do_change_memory(struct worker *w, struct file *f)
{
	size_t page = page_size(), len = (1 + pick(w, 3)) * page;
	uint8_t *p = w->process->changing + pick(w, 4 - len / page + 1) * page;
	int fd;

	(void)f;
	call_begins(w, "memory", p - w->process->changing);
	switch (pick(w, 6)) {
	case 0:
		mprotect(p, len, pick(w, 2) ? PROT_READ : PROT_NONE);
		break;
	case 1:
		mprotect(p, len, RW);
		break;
	case 2:
		madvise(p, len, MADV_DONTNEED);
		break;
	case 3:
		mmap(p, len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 4:
		/* The file may be shorter than the mapping, and touching the rest raises SIGBUS. */
		fd = new_file(1);
		if (fd >= 0) {
			mmap(p, len, RW, MAP_SHARED | MAP_FIXED, fd, 0);
			close(fd);
		}
		break;
	default:
		mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		       w->process->changing + 4 * page);
	}
	call_ends(w);
	return true;
}

bool do_shared_submit(struct worker *w, struct file *f)
{
	struct shared_file *s = &w->process->shared;
	size_t g;
	int ret;

	(void)f;
	if (s->fd < 0)
		return true;
	g = grain(s->channel);
	job_init(&w->job);
	w->job.submit.nr_src = 1;
	w->job.submit.nr_dst = 1;
	w->job.submit.timeout_ns = long_limit(s->channel);
	w->job.submit.user_data = w->process->seed;
	w->job.src[0] = (struct ferrodma_seg){ s->rough_addr, g };
	w->job.dst[0] = (struct ferrodma_seg){ s->rough_addr + ROUGH_BYTES / 2, g };
	ret = call_ioctl(w, s->fd, "SUBMIT on a shared file", FERRODMA_IOC_SUBMIT, &w->job.submit);
	if (!ret) {
		s->submitted++;
		return true;
	}
	return ret == -EAGAIN || (ret == -ENODEV && s->channel->generation != s->generation) ||
	       (ret == -ENOMEM && getenv("FERRODMA_BOUNCED")) ||
	       fail(w, "SUBMIT on a shared file", ret);
}

static bool shared_record(struct worker *w, const struct ferrodma_completion *r)
{
	struct shared_file *s = &w->process->shared;

	if (r->user_data != w->process->seed || !r->cookie || r->cookie >= ARRAY_SIZE(s->seen))
		return fail(w, "shared file: record of no job", r->cookie);
	if (s->seen[r->cookie]++)
		return fail(w, "shared file: doubled record", r->cookie);
	if (r->status && r->status != -ENODEV)
		return fail(w, "shared file: status", r->status);
	s->taken++;
	return true;
}

bool do_shared_read(struct worker *w, struct file *f)
{
	struct shared_file *s = &w->process->shared;
	struct ferrodma_completion r[3];
	int n;

	(void)f;
	if (s->fd < 0)
		return true;
	call_begins(w, "read of a shared file", s->submitted - s->taken);
	n = read(s->fd, r, (1 + pick(w, 3)) * sizeof(*r));
	n = n < 0 ? -errno : n / (int)sizeof(*r);
	call_ends(w);
	for (int i = 0; i < n; i++)
		if (!shared_record(w, &r[i]))
			return false;
	return n > 0 || n == -EAGAIN || (n == -ENODEV && s->channel->generation != s->generation) ||
	       fail(w, "read of a shared file", n);
}

bool shared_drain(struct worker *w)
{
	struct shared_file *s = &w->process->shared;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int ret = 0;

	while (s->fd >= 0 && s->taken != s->submitted) {
		call_begins(w, "poll of a shared file", s->submitted - s->taken);
		ret = poll(&p, 1, -1);
		call_ends(w);
		if (ret < 0 && errno != EINTR)
			return fail(w, "poll of a shared file", -errno);
		if (ret > 0 && !(p.revents & POLLIN))
			return fail(w, "shared file: lost records", s->submitted - s->taken);
		if (!do_shared_read(w, NULL))
			return false;
	}
	ret = s->fd < 0 ? -1 : read(s->fd, w->bytes, sizeof(*w->bytes) * 64);
	return ret < 0 || fail(w, "shared file: a record too many", ret);
}
