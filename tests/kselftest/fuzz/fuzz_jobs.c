// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a thread, and its jobs, of which it knows what they do to memory and when their
 * records are due.
 */
#include "fuzz.h"

/*
 * Parts of a coherent buffer, and bytes at its end that may hold anything and that no checked
 * job reaches.
 */
#define SLICES		(PROCESSES * THREADS * FILES)
#define ROUGH_END	64
#define GRAIN		16

static size_t slice_bytes(const struct fuzz_channel *c)
{
	return (c->info.buffer_size - ROUGH_END) / SLICES / GRAIN * GRAIN;
}

uint64_t rough_offset(const struct fuzz_channel *c, int process, int thread, int file)
{
	int slice = (process * THREADS + thread) * FILES + file;

	return (slice + 1) * slice_bytes(c) - ROUGH_BYTES;
}

/* Returns the most bytes of a job on the channel here. */
static size_t most_bytes(const struct file *f)
{
	const struct ferrodma_info *info = &f->channel->info;
	size_t segs = info->max_segments < MOST_SEGS ? info->max_segments : MOST_SEGS;
	size_t most = segs * most_segment(f->channel);

	most = most < MOST_BYTES ? most : MOST_BYTES;
	most = most < f->area ? most : f->area;
	return most < info->max_job_bytes ? most : info->max_job_bytes;
}

/*
 * Maps private memory: areas, then a page whose end may hold anything, and a page without
 * access rights.
 */
static bool map_own(struct file *f)
{
	size_t areas = 2 * SLOTS * AREA, end = areas + page_size();

	f->mapped = end + page_size();
	f->mem = mmap(NULL, f->mapped, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->mem == MAP_FAILED || mprotect(f->mem + end, page_size(), PROT_NONE))
		return false;
	f->area = AREA;
	f->rough_addr = (uintptr_t)f->mem + end - ROUGH_BYTES;
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slot[i];

		s->src = f->mem + 2 * i * AREA;
		s->dst = s->src + AREA;
		s->src_addr = (uintptr_t)s->src;
		s->dst_addr = (uintptr_t)s->dst;
	}
	return true;
}

/* Maps this file's slice of the buffer that all files share. */
static int map_buffer(struct worker *w, struct file *f)
{
	const struct fuzz_channel *c = f->channel;
	size_t slice = slice_bytes(c), area = (slice - ROUGH_BYTES) / (2 * SLOTS);

	f->rough_addr = rough_offset(c, w->process->id, w->id, f - w->file);
	f->mapped = c->info.buffer_size;
	f->mem = mmap(NULL, f->mapped, RW, MAP_SHARED, f->fd, 0);
	if (f->mem == MAP_FAILED) {
		f->mem = NULL;
		return -errno;
	}
	f->area = area < AREA ? area / GRAIN * GRAIN : AREA;
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slot[i];

		s->src_addr = f->rough_addr + ROUGH_BYTES - slice + 2 * i * f->area;
		s->dst_addr = s->src_addr + f->area;
		s->src = f->mem + s->src_addr;
		s->dst = f->mem + s->dst_addr;
	}
	return 0;
}

bool file_open(struct worker *w, struct file *f)
{
	uint64_t state = w->state;
	int ret;

	f->channel = &w->world->channel[pick(w, w->world->channels)];
	f->generation = f->channel->generation;
	f->fd = -1;
	f->nonblock = one_in(w, 2);
	f->next_cookie = 1;
	f->extras = 0;
	memset(f->extra, 0, sizeof(f->extra));
	if (f->generation & 1)
		return true;
	call_begins(w, "open", f->channel - w->world->channel);
	f->fd = channel_open_fd(f->channel->function, f->channel->number,
				O_RDWR | (f->nonblock ? O_NONBLOCK : 0));
	call_ends(w);
	if (f->fd < 0)
		return is_gone(f) || fail(w, "open", f->fd);
	if (is_coherent(f->channel)) {
		ret = map_buffer(w, f);
		if (ret) {
			close(f->fd);
			f->fd = -1;
			return is_gone(f) || fail(w, "mmap of the buffer", ret);
		}
	} else if (!map_own(f)) {
		return fail(w, "no memory for jobs", errno);
	}
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slot[i];

		s->busy = false;
		s->before = s->before ?: malloc(AREA);
		s->after = s->after ?: malloc(AREA);
		pattern_fill(s->src, f->area, ~state + i);
		pattern_fill(s->before, f->area, state + i);
		memcpy(s->dst, s->before, f->area);
	}
	return true;
}

void file_abandon(struct worker *w, struct file *f)
{
	call_begins(w, "close of an unbound device", f->fd);
	close(f->fd);
	call_ends(w);
	f->fd = -1;
	if (f->mem)
		munmap(f->mem, f->mapped);
	f->mem = NULL;
	if (w->view_len)
		munmap(w->view, w->view_len);
	w->view_len = 0;
}

bool file_drain(struct worker *w, struct file *f)
{
	struct ferrodma_completion r[SLOTS];
	struct pollfd p = { .fd = f->fd, .events = POLLIN };
	int n;

	while (in_flight(f)) {
		call_begins(w, "poll for the last records", in_flight(f));
		n = poll(&p, 1, -1);
		call_ends(w);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1 || !(p.revents & POLLIN))
			return fail(w, "no record, but from poll", n < 0 ? -errno : p.revents);
		call_begins(w, "read of the last records", in_flight(f));
		n = read(f->fd, r, sizeof(r));
		n = n < 0 ? -errno : n;
		call_ends(w);
		if (n == -EINTR)
			continue;
		if (n <= 0 || n % sizeof(*r))
			return fail(w, "read after POLLIN", n);
		for (int i = 0; i < n / (int)sizeof(*r); i++)
			if (!record_arrives(w, f, &r[i]))
				return false;
	}
	if (poll(&p, 1, 0) > 0 && p.revents & POLLIN)
		return fail(w, "a record too many", p.revents);
	return true;
}

/* Checks that each byte is as before or after the job, and stores it as the new @before. */
static bool settle_partly(struct worker *w, struct slot *s, size_t area)
{
	for (size_t i = 0; i < area; i++) {
		uint8_t is = s->dst[i];

		if (is != s->before[i] && is != s->after[i])
			return fail(w, "neither old nor new byte at", i);
		s->before[i] = is;
	}
	return true;
}

bool file_close(struct worker *w, struct file *f)
{
	bool good = true;

	/* Only the last close ends the jobs, so no child may have the file. */
	pthread_rwlock_rdlock(&w->process->children);
	call_begins(w, "close", in_flight(f));
	close(f->fd);
	call_ends(w);
	pthread_rwlock_unlock(&w->process->children);
	f->fd = -1;
	for (int i = 0; i < SLOTS && !is_gone(f); i++) {
		struct slot *s = &f->slot[i];

		if (s->busy)
			good &= settle_partly(w, s, f->area);
		else
			good &= slot_is_intact(w, s, f->area);
	}
	munmap(f->mem, f->mapped);
	f->mem = NULL;
	return good;
}

bool slot_is_intact(struct worker *w, struct slot *s, size_t area)
{
	ssize_t at = area_differs(s->dst, s->before, area);

	return at < 0 || fail(w, "a byte has changed at", at);
}

/*
 * Cuts @len bytes into a list with gaps, somewhere in the area at @addr; returns its number of
 * segments.
 */
static uint32_t random_list(struct worker *w, const struct file *f, struct ferrodma_seg *seg,
			    uint64_t addr, size_t len)
{
	const struct fuzz_channel *c = f->channel;
	size_t g = grain(c), most = most_segment(c) / g * g, spare = (f->area - len) / g;
	size_t segs = c->info.max_segments < MOST_SEGS ? c->info.max_segments : MOST_SEGS;
	size_t part = one_in(w, 2) ? len : len / 4 + g;
	uint32_t n = 0;

	for (; len; n++) {
		size_t behind = (segs - n - 1) * most, low = len > behind ? len - behind : g;
		size_t high = len < most ? len : most, gap = pick(w, spare / 4 + 1);

		if (high > part)
			high = part > low ? part : low;
		if (n == segs - 1) {
			low = len;
			high = len;
		}
		seg[n].len = (low / g + pick(w, (high - low) / g + 1)) * g;
		seg[n].addr = addr + gap * g;
		addr = seg[n].addr + seg[n].len;
		spare -= gap;
		len -= seg[n].len;
	}
	for (uint32_t i = 0; one_in(w, 2) && i < n / 2; i++) {
		struct ferrodma_seg t = seg[i];

		seg[i] = seg[n - 1 - i];
		seg[n - 1 - i] = t;
	}
	return n;
}

/* Does to the model of the slot what the job in w->job does to its destination. */
static void model_job(struct worker *w, struct slot *s, size_t area)
{
	const struct job *j = &w->job;
	uint64_t at = 0;

	memcpy(s->after, s->before, area);
	for (uint32_t i = 0; i < j->submit.nr_src; i++) {
		memcpy(w->bytes + at, s->src + (j->src[i].addr - s->src_addr), j->src[i].len);
		at += j->src[i].len;
	}
	if (j->submit.flags & FERRODMA_SUBMIT_FILL)
		memset(w->bytes, j->submit.src, s->bytes);
	at = 0;
	for (uint32_t i = 0; i < j->submit.nr_dst; i++) {
		memcpy(s->after + (j->dst[i].addr - s->dst_addr), w->bytes + at, j->dst[i].len);
		at += j->dst[i].len;
	}
}

/* Returns whether the memory of the file may raise SIGBUS, and is not checked. */
static bool buffer_is_gone(const struct file *f)
{
	return is_coherent(f->channel) && is_gone(f);
}

struct slot *make_job(struct worker *w, struct file *f)
{
	const uint64_t limit = long_limit(f->channel);
	const uint64_t limits[] = { limit, limit, limit, 1, 1000, NSEC_PER_MSEC };
	const struct fuzz_channel *c = f->channel;
	size_t g = grain(c), most = most_bytes(f);
	struct slot *s = NULL;
	struct job *j = &w->job;

	for (int i = 0, first = pick(w, SLOTS); i < SLOTS && !s; i++)
		if (!f->slot[(first + i) % SLOTS].busy)
			s = &f->slot[(first + i) % SLOTS];
	if (!s || (!buffer_is_gone(f) && !slot_is_intact(w, s, f->area)))
		return NULL;
	if (one_in(w, 4))
		pattern_fill(s->src, f->area, w->state);
	if (!one_in(w, 4) && most > 256)
		most = 256;
	s->bytes = (1 + pick(w, most / g)) * g;
	s->user_data = w->state;
	s->cancelled = false;
	job_init(j);
	j->submit.user_data = s->user_data;
	j->submit.timeout_ns = limits[pick(w, ARRAY_SIZE(limits))];
	s->may_time_out = j->submit.timeout_ns != limit;
	j->submit.nr_dst = random_list(w, f, j->dst, s->dst_addr, s->bytes);
	if (one_in(w, 5)) {
		j->submit.flags = FERRODMA_SUBMIT_FILL;
		j->submit.src = pick(w, 256);
	} else {
		j->submit.nr_src = random_list(w, f, j->src, s->src_addr, s->bytes);
	}
	model_job(w, s, f->area);
	return s;
}

/* Checks the record and the memory of the job in the slot. */
static bool slot_settles(struct worker *w, struct file *f, struct slot *s,
			 const struct ferrodma_completion *r)
{
	ssize_t at;

	s->busy = false;
	if (r->user_data != s->user_data || r->flags)
		return fail(w, "record with other user data or flags", r->user_data);
	if (!r->submit_ns || r->complete_ns < r->submit_ns || r->complete_ns > now_ns())
		return fail(w, "record with impossible times", r->complete_ns - r->submit_ns);
	if (r->bytes > s->bytes || (!r->status && r->bytes != s->bytes))
		return fail(w, "record with bytes", r->bytes);
	if (s->cancelled != (r->status == -ECANCELED))
		return fail(w, s->cancelled ? "cancelled, but status" : "not cancelled, but status",
			    r->status);
	if (!(r->status == 0 || r->status == -ECANCELED ||
	      (r->status == -ETIMEDOUT && s->may_time_out) ||
	      (r->status == -ENODEV && is_gone(f))))
		return fail(w, "status", r->status);
	if (buffer_is_gone(f))
		return true;
	if (r->status && is_pool(f->channel))
		return slot_is_intact(w, s, f->area);
	if (r->status)
		return settle_partly(w, s, f->area);
	w->world->moved++;
	at = area_differs(s->dst, s->after, f->area);
	memcpy(s->before, s->after, f->area);
	return at < 0 || fail(w, "wrong byte at", at);
}

bool record_arrives(struct worker *w, struct file *f, const struct ferrodma_completion *r)
{
	uint64_t extra = r->cookie - f->extra_first;

	for (int i = 0; i < SLOTS; i++)
		if (f->slot[i].busy && f->slot[i].cookie == r->cookie)
			return slot_settles(w, f, &f->slot[i], r);
	if (!f->extras || extra >= MOST_JOBS || !f->extra[extra])
		return fail(w, "a record that was taken before, or of no job", r->cookie);
	f->extra[extra] = false;
	f->extras--;
	return true;
}

/* Returns whether the cookie is the next one of the file. */
static bool cookie_is_next(struct worker *w, struct file *f, uint64_t cookie)
{
	uint64_t expected = f->next_cookie;

	f->next_cookie = cookie + 1;
	return cookie == expected || fail(w, "cookie is not the next but", cookie - expected);
}

/* Returns whether a valid job may be refused with this error. */
static bool may_refuse(const struct file *f, int ret)
{
	if (is_excused(f, ret))
		return true;
	if (ret == -EAGAIN)
		return f->nonblock && is_pool(f->channel);
	/* There may be no free bounce buffers. */
	return ret == -ENOMEM && f->channel->info.function == FERRODMA_FUNCTION_SG &&
	       getenv("FERRODMA_BOUNCED");
}

/*
 * Goes on with a SUBMIT that a signal has ended. Its job is an ordinary one, for which the same
 * call waits.
 */
static bool job_goes_on(struct worker *w, struct file *f, struct slot *s)
{
	struct ferrodma_submit *submit = &w->job.submit;
	int ret;

	if (submit->completion.status != -EINPROGRESS)
		return fail(w, "status of a job that goes on", submit->completion.status);
	if (f->next_cookie && !cookie_is_next(w, f, submit->cookie))
		return false;
	f->next_cookie = submit->cookie + 1;
	s->cookie = submit->cookie;
	s->busy = true;
	while (one_in(w, 2)) {
		ret = call_ioctl(w, f->fd, "SUBMIT again", FERRODMA_IOC_SUBMIT, submit);
		if (!ret && submit->flags & FERRODMA_SUBMIT_SUBMITTED)
			return fail(w, "SUBMITTED beside a record", submit->flags);
		if (!ret)
			return record_arrives(w, f, &submit->completion);
		if (ret != -EINTR)
			return fail(w, "SUBMIT again", ret);
	}
	return true;
}

bool do_waiting_job(struct worker *w, struct file *f)
{
	struct slot *s = make_job(w, f);
	struct job *j = &w->job;
	int ret;

	if (!s)
		return do_wait(w, f);
	j->submit.flags |= FERRODMA_SUBMIT_WAIT;
	ret = call_ioctl(w, f->fd, "SUBMIT and wait", FERRODMA_IOC_SUBMIT, &j->submit);
	if (ret == -EINTR && j->submit.flags & FERRODMA_SUBMIT_SUBMITTED)
		return job_goes_on(w, f, s);
	if (ret)
		return may_refuse(f, ret) || fail(w, "SUBMIT and wait", ret);
	if (j->submit.flags & FERRODMA_SUBMIT_SUBMITTED)
		return fail(w, "SUBMITTED beside a record", j->submit.flags);
	if (f->next_cookie && !cookie_is_next(w, f, j->submit.cookie))
		return false;
	f->next_cookie = j->submit.cookie + 1;
	s->cookie = j->submit.cookie;
	if (j->submit.completion.cookie != s->cookie)
		return fail(w, "record in place of cookie", j->submit.completion.cookie);
	return slot_settles(w, f, s, &j->submit.completion);
}

bool do_queued_job(struct worker *w, struct file *f)
{
	struct slot *s = make_job(w, f);
	struct job *j = &w->job;
	int ret;

	if (!s)
		return do_read(w, f);
	ret = call_ioctl(w, f->fd, "SUBMIT", FERRODMA_IOC_SUBMIT, &j->submit);
	if (ret)
		return may_refuse(f, ret) || fail(w, "SUBMIT", ret);
	if (f->next_cookie && !cookie_is_next(w, f, j->submit.cookie))
		return false;
	f->next_cookie = j->submit.cookie + 1;
	s->cookie = j->submit.cookie;
	s->busy = true;
	return true;
}

/* Returns a slot with a job in flight, or NULL. */
static struct slot *busy_slot(struct worker *w, struct file *f)
{
	for (int i = 0, first = pick(w, SLOTS); i < SLOTS; i++)
		if (f->slot[(first + i) % SLOTS].busy)
			return &f->slot[(first + i) % SLOTS];
	return NULL;
}

/* Returns a cookie of which no record is still to come. */
static uint64_t no_cookie(struct worker *w)
{
	switch (pick(w, 3)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - pick(w, 4);
	default:
		return (1ULL << 32) + pick(w, 1000);
	}
}

bool do_wait(struct worker *w, struct file *f)
{
	static const uint64_t limits[] = { 0, LIMIT_NS, 1, NSEC_PER_MSEC, UINT64_MAX };
	struct slot *s = busy_slot(w, f);
	struct ferrodma_wait wait = { .size = sizeof(wait) };
	int ret;

	wait.cookie = s ? s->cookie : no_cookie(w);
	wait.timeout_ns = limits[pick(w, ARRAY_SIZE(limits))];
	ret = call_ioctl(w, f->fd, "WAIT", FERRODMA_IOC_WAIT, &wait);
	if (!s)
		return ret == -ENOENT || (ret == -ENODEV && is_gone(f)) ||
		       fail(w, "WAIT for no job", ret);
	if (!ret && wait.completion.cookie != s->cookie)
		return fail(w, "WAIT gave cookie", wait.completion.cookie);
	if (!ret)
		return record_arrives(w, f, &wait.completion);
	/* The record is due, so ENODEV would be wrong. */
	return ret == -EINTR || (ret == -EAGAIN && f->nonblock) ||
	       (ret == -ETIMEDOUT && (wait.timeout_ns == 1 || wait.timeout_ns == NSEC_PER_MSEC)) ||
	       fail(w, "WAIT", ret);
}

bool do_read(struct worker *w, struct file *f)
{
	struct ferrodma_completion r[5];
	size_t len = sizeof(*r) * (1 + pick(w, 4)) + pick(w, sizeof(*r));
	uint32_t expected = in_flight(f);
	ssize_t ret;

	/* The call would sleep for ever. */
	if (!expected && !f->nonblock)
		return do_poll(w, f);
	call_begins(w, "read", len);
	ret = read(f->fd, r, len);
	ret = ret < 0 ? -errno : ret;
	call_ends(w);
	if (ret < 0)
		return ret == -EINTR || (ret == -EAGAIN && f->nonblock) ||
		       (ret == -ENODEV && is_gone(f) && !expected) || fail(w, "read", ret);
	if (!ret || ret % sizeof(*r) || (size_t)ret > len)
		return fail(w, "read gave bytes", ret);
	for (size_t i = 0; i < ret / sizeof(*r); i++)
		if (!record_arrives(w, f, &r[i]))
			return false;
	return true;
}

bool do_cancel(struct worker *w, struct file *f)
{
	struct slot *s = busy_slot(w, f);
	struct ferrodma_cancel cancel = { .size = sizeof(cancel) };
	int ret;

	cancel.cookie = s ? s->cookie : no_cookie(w);
	ret = call_ioctl(w, f->fd, "CANCEL", FERRODMA_IOC_CANCEL, &cancel);
	if (ret == -ENODEV && is_gone(f))
		return true;
	if (!s)
		return ret == -ENOENT || fail(w, "CANCEL of no job", ret);
	/* The job ends with the first CANCEL. */
	if (!ret && s->cancelled)
		return fail(w, "CANCEL of what is cancelled", ret);
	s->cancelled |= !ret;
	return !ret || ret == -EALREADY || fail(w, "CANCEL", ret);
}

bool do_flood(struct worker *w, struct file *f)
{
	uint32_t room = f->channel->info.queue_depth - in_flight(f), n = 0;
	int flags = fcntl(f->fd, F_GETFL), ret = 0;
	struct job *j = &w->job;
	size_t g = grain(f->channel);

	if (f->extras || room > MOST_JOBS)
		return true;
	job_init(j);
	j->submit.nr_src = 1;
	j->submit.nr_dst = 1;
	j->submit.timeout_ns = long_limit(f->channel);
	j->src[0] = (struct ferrodma_seg){ f->rough_addr, g };
	j->dst[0] = (struct ferrodma_seg){ f->rough_addr + ROUGH_BYTES / 2, g };
	fcntl(f->fd, F_SETFL, flags | O_NONBLOCK);
	while (n <= room) {
		ret = call_ioctl(w, f->fd, "SUBMIT to fill the queue", FERRODMA_IOC_SUBMIT,
				 &j->submit);
		if (ret == -EINTR)
			continue;
		if (ret)
			break;
		if (!n)
			f->extra_first = j->submit.cookie;
		f->next_cookie = j->submit.cookie + 1;
		f->extra[j->submit.cookie - f->extra_first] = true;
		f->extras++;
		n++;
	}
	fcntl(f->fd, F_SETFL, flags);
	if (n > room)
		return fail(w, "jobs more than the queue takes", n - room);
	if (ret == -EAGAIN ? n != room && !is_pool(f->channel) : !may_refuse(f, ret))
		return fail(w, "filling the queue ended with", ret);
	return file_drain(w, f);
}
