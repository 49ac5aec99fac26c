// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that must fail with a known error, calls that must only do no harm, and other calls on
 * a file beside jobs.
 */
#include "fuzz.h"

/* A call with one defect or more, and the errors that it may return: that of any defect. */
struct defects {
	int error[8];
	int n;
	/* The address of the structure. */
	void *arg;
};

static void allow(struct defects *d, int error)
{
	d->error[d->n++] = -error;
}

static bool is_allowed(const struct defects *d, int ret)
{
	for (int i = 0; i < d->n; i++)
		if (d->error[i] == ret)
			return true;
	return false;
}

/* Returns an address of some kind that cannot be read. */
static uint64_t bad_address(struct worker *w)
{
	static const uint64_t far[] = {
		0, UNMAPPED_ADDR, KERNEL_ADDR, 1ULL << 56, (1ULL << 52) - 16, 1ULL << 63,
	};
	uint64_t which = pick(w, ARRAY_SIZE(far) + 1);

	return which < ARRAY_SIZE(far) ? far[which] : (uintptr_t)w->hole;
}

/* Copies a structure so that it crosses into unmapped memory. */
static void *at_the_edge(struct worker *w, const void *from, size_t size)
{
	size_t there = pick(w, size);

	return memcpy(w->hole - there, from, there);
}

/* Makes the structure of a call too small, too large, or unmapped. */
static void spoil_structure(struct worker *w, struct defects *d, uint32_t *size, uint32_t right)
{
	switch (pick(w, 5)) {
	case 0:
		*size = pick(w, right);
		return allow(d, EINVAL);
	case 1:
		*size = page_size() + 1 + pick(w, UINT32_MAX - page_size());
		return allow(d, E2BIG);
	case 2:
		/* Set bytes that the kernel does not know. */
		*size = right + 1 + pick(w, 64);
		memset(w->hole - page_size(), 0xff, page_size() - 8);
		d->arg = memcpy(w->hole - page_size(), size, sizeof(*size));
		memcpy(d->arg + sizeof(*size), (void *)size + sizeof(*size), right - sizeof(*size));
		return allow(d, E2BIG);
	case 3:
		d->arg = (void *)(uintptr_t)bad_address(w);
		return allow(d, EFAULT);
	default:
		d->arg = at_the_edge(w, size, right);
		return allow(d, EFAULT);
	}
}

/* Adds one defect to a list of a job, if it has that list. */
static void spoil_segment(struct worker *w, struct file *f, struct defects *d, bool in_dst)
{
	struct job *j = &w->job;
	struct ferrodma_seg *list = in_dst ? j->dst : j->src, *seg;
	uint32_t nr = in_dst ? j->submit.nr_dst : j->submit.nr_src;
	const struct ferrodma_info *info = &f->channel->info;
	size_t g = grain(f->channel);

	if (!nr)
		return;
	seg = &list[nr > MOST_SEGS ? 0 : pick(w, nr)];
	switch (pick(w, 7)) {
	case 0:
		seg->len = 0;
		return allow(d, EINVAL);
	case 1:
		seg->addr = -(uint64_t)g;
		seg->len = 2 * g;
		allow(d, EINVAL);
		return allow(d, EOVERFLOW);
	case 2:
		seg->len = (info->max_job_bytes + g) / g * g;
		allow(d, EINVAL);
		allow(d, ERANGE);
		return allow(d, EMSGSIZE);
	case 3:
		/* The sum of the lengths exceeds 64 bits, or all that may be asked for. */
		seg->len = (1ULL << 63) + (pick(w, 1ULL << 62) & ~63ULL);
		allow(d, EINVAL);
		allow(d, EMSGSIZE);
		return allow(d, EOVERFLOW);
	case 4:
		if (!j->submit.nr_src)
			return;
		j->dst[0].addr = j->src[0].addr;
		return allow(d, EINVAL);
	case 5:
		if (g == 1)
			return;
		seg->addr += info->address_alignment > 1;
		seg->len += info->alignment > 1;
		return allow(d, EINVAL);
	default:
		/* A pool finds a bad destination too late; see bad_destination(). */
		if (in_dst && is_pool(f->channel))
			return;
		seg->addr = bad_address(w) & ~63ULL;
		if (is_coherent(f->channel))
			seg->addr = (info->buffer_size + pick(w, 1 << 20)) & ~63ULL;
		else if (in_dst && one_in(w, 2))
			seg->addr = (uintptr_t)w->readonly;
		/* Two segments of the list may overlap. */
		allow(d, EINVAL);
		return allow(d, is_coherent(f->channel) ? ERANGE : EFAULT);
	}
}

static void spoil_job(struct worker *w, struct file *f, struct defects *d)
{
	const struct ferrodma_info *info = &f->channel->info;
	struct ferrodma_submit *submit = &w->job.submit;

	switch (pick(w, 12)) {
	case 0:
		return spoil_structure(w, d, &submit->size, sizeof(*submit));
	case 1:
		submit->flags |= 1U << (3 + pick(w, 29));
		return allow(d, EINVAL);
	case 2:
		submit->timeout_ns = info->max_timeout_ns + 1 + pick(w, 1ULL << 60);
		return allow(d, EINVAL);
	case 3:
		submit->nr_dst = 0;
		return allow(d, EINVAL);
	case 4:
		submit->flags ^= FERRODMA_SUBMIT_FILL;
		submit->nr_src = submit->flags & FERRODMA_SUBMIT_FILL ? 1 : 0;
		return allow(d, EINVAL);
	case 5:
		submit->nr_dst = info->max_segments + 1 + pick(w, UINT32_MAX - info->max_segments);
		return allow(d, E2BIG);
	case 6:
		submit->dst = bad_address(w);
		return allow(d, EFAULT);
	case 7:
		submit->dst = (uintptr_t)at_the_edge(w, w->job.dst, sizeof(*w->job.dst));
		return allow(d, EFAULT);
	case 8:
		/* The structure can be read but not written. */
		d->arg = w->readonly + READONLY_BYTES;
		memcpy(w->alias + READONLY_BYTES, submit, sizeof(*submit));
		return allow(d, EFAULT);
	default:
		return spoil_segment(w, f, d, one_in(w, 2));
	}
}

/* Runs a job whose message cannot be delivered, which its record must say. */
static bool bad_destination(struct worker *w, struct file *f, struct slot *s)
{
	struct ferrodma_submit *submit = &w->job.submit;
	int ret;

	w->job.dst[0].addr = one_in(w, 2) ? (uintptr_t)w->readonly : (uintptr_t)w->hole;
	submit->flags |= FERRODMA_SUBMIT_WAIT;
	submit->timeout_ns = long_limit(f->channel);
	ret = call_ioctl(w, f->fd, "SUBMIT to nowhere", FERRODMA_IOC_SUBMIT, submit);
	if (!ret || ret == -EINTR)
		f->next_cookie = ret ? 0 : submit->cookie + 1;
	for (size_t i = 0; i < f->area; i++) {
		if (s->dst[i] != s->before[i] && s->dst[i] != s->after[i])
			return fail(w, "neither old nor new byte at", i);
		s->before[i] = s->dst[i];
	}
	if (ret)
		return is_excused(f, ret) || (ret == -EAGAIN && f->nonblock) ||
		       fail(w, "SUBMIT to nowhere", ret);
	ret = submit->completion.status;
	return ret == -EFAULT || (ret == -ENODEV && is_gone(f)) ||
	       fail(w, "message to nowhere, but status", ret);
}

bool do_defective_submit(struct worker *w, struct file *f)
{
	struct slot *s = make_job(w, f);
	struct defects d = { .arg = &w->job.submit };
	int ret;

	if (!s)
		return do_wait(w, f);
	if (is_pool(f->channel) && one_in(w, 8))
		return bad_destination(w, f, s);
	w->job.submit.flags |= pick(w, 2) ? FERRODMA_SUBMIT_WAIT : 0;
	for (int n = one_in(w, 4) ? 2 : 1; n;) {
		int before = d.n;

		spoil_job(w, f, &d);
		n -= d.n > before;
		/* The error of a second defect is not known then. */
		if (d.arg != &w->job.submit)
			break;
	}
	ret = call_ioctl(w, f->fd, "SUBMIT that is wrong", FERRODMA_IOC_SUBMIT, d.arg);
	w->world->refused++;
	return is_allowed(&d, ret) || is_excused(f, ret) ||
	       fail(w, ret ? "wrong job refused with" : "wrong job accepted; not",
		    ret ?: d.error[0]);
}

/*
 * Returns an address that is likely to cause trouble, but at most spoils bytes that may hold
 * anything.
 */
static uint64_t garbage_address(struct worker *w, struct file *f)
{
	uint64_t at = f->rough_addr + pick(w, ROUGH_BYTES);

	switch (pick(w, 6)) {
	case 0:
		return bad_address(w);
	case 1:
		return UINT64_MAX - pick(w, 256);
	case 2:
		return is_coherent(f->channel) ? f->channel->info.buffer_size - pick(w, 2) :
		       (uintptr_t)w->process->changing + pick(w, 4 * page_size());
	case 3:
		return is_coherent(f->channel) ? at : (uintptr_t)w->readonly + pick(w, page_size());
	default:
		return one_in(w, 2) ? at & ~31ULL : at;
	}
}

static void garbage_list(struct worker *w, struct file *f, struct ferrodma_seg *seg, uint32_t n)
{
	static const uint64_t lengths[] = {
		0, 1, 2, 4, 16, 32, 64, 4095, 4096, 65536, 1ULL << 31, (1ULL << 32) - 1,
		1ULL << 32, 1ULL << 48, INT64_MAX, UINT64_MAX - 4095, UINT64_MAX,
	};

	for (; n--; seg++) {
		seg->addr = garbage_address(w, f);
		seg->len = lengths[pick(w, one_in(w, 2) ? 7 : ARRAY_SIZE(lengths))];
		/*
		 * In a shared buffer, the segment stays where bytes may hold anything, or
		 * leaves the buffer.
		 */
		if (is_coherent(f->channel) && seg->len &&
		    (seg->addr < f->rough_addr ||
		     seg->addr + seg->len > f->rough_addr + ROUGH_BYTES) &&
		    seg->addr < f->channel->info.buffer_size)
			seg->len = f->channel->info.buffer_size + 64 + seg->len % 64;
	}
}

bool do_garbage_submit(struct worker *w, struct file *f)
{
	static const int errors[] = {
		EINVAL, E2BIG, EMSGSIZE, EOVERFLOW, ERANGE, EFAULT, EOPNOTSUPP, ENOMEM,
	};
	struct ferrodma_submit *submit = &w->job.submit;
	bool goes_on;
	int ret;

	if (f->extras && !file_drain(w, f))
		return false;
	job_init(&w->job);
	submit->nr_src = one_in(w, 2) ? 1 : pick(w, 8);
	submit->nr_dst = one_in(w, 2) ? 1 : pick(w, 8);
	garbage_list(w, f, w->job.src, 8);
	garbage_list(w, f, w->job.dst, 8);
	/* Only this way round: destinations are where they do no harm. */
	if (one_in(w, 2))
		w->job.src[0].len = w->job.dst[0].len;
	submit->flags = pick(w, one_in(w, 4) ? 8 : 4);
	submit->timeout_ns = pick(w, one_in(w, 8) ? UINT64_MAX : NSEC_PER_SEC);
	if (submit->flags & FERRODMA_SUBMIT_FILL && !one_in(w, 4)) {
		submit->src = pick(w, 300);
		submit->nr_src = 0;
	}
	if (one_in(w, 8))
		submit->dst = bad_address(w);
	submit->size += one_in(w, 8) ? pick(w, 8) : 0;
	ret = call_ioctl(w, f->fd, "SUBMIT of garbage", FERRODMA_IOC_SUBMIT, submit);
	goes_on = submit->flags & FERRODMA_SUBMIT_SUBMITTED && ret == -EINTR;
	if (ret && !goes_on) {
		if (ret == -ENOENT)
			return submit->flags & FERRODMA_SUBMIT_SUBMITTED ||
			       fail(w, "garbage refused with", ret);
		for (int i = 0; i < ARRAY_SIZE(errors); i++)
			if (ret == -errors[i])
				return true;
		return is_excused(f, ret) || (ret == -EAGAIN && f->nonblock) ||
		       fail(w, "garbage refused with", ret);
	}
	f->next_cookie = submit->cookie + 1;
	if (submit->flags & FERRODMA_SUBMIT_WAIT && !goes_on)
		return true;
	f->extra_first = submit->cookie;
	f->extra[0] = true;
	f->extras = 1;
	return true;
}

bool do_defective_take(struct worker *w, struct file *f)
{
	struct ferrodma_wait wait = { .size = sizeof(wait), .cookie = 1ULL << 40 };
	struct ferrodma_cancel cancel = { .size = sizeof(cancel), .cookie = 1ULL << 40 };
	bool waits = one_in(w, 2);
	struct defects d = { .arg = waits ? (void *)&wait : &cancel };
	int ret;

	if (one_in(w, 3)) {
		wait.flags = 1U << pick(w, 32);
		cancel.flags = wait.flags;
		allow(&d, EINVAL);
	} else {
		spoil_structure(w, &d, waits ? &wait.size : &cancel.size,
				waits ? sizeof(wait) : sizeof(cancel));
	}
	ret = call_ioctl(w, f->fd, waits ? "WAIT that is wrong" : "CANCEL that is wrong",
			 waits ? FERRODMA_IOC_WAIT : FERRODMA_IOC_CANCEL, d.arg);
	w->world->refused++;
	return is_allowed(&d, ret) || is_excused(f, ret) ||
	       fail(w, waits ? "wrong WAIT" : "wrong CANCEL", ret);
}

/* Takes a record to a bad address; the record must stay. */
bool do_take_to_nowhere(struct worker *w, struct file *f)
{
	struct ferrodma_wait *wait = (void *)(w->alias + READONLY_BYTES);
	int ret;

	*wait = (struct ferrodma_wait){ .size = sizeof(*wait), .timeout_ns = 1 };
	for (int i = 0; i < SLOTS; i++)
		if (f->slot[i].busy)
			wait->cookie = f->slot[i].cookie;
	ret = call_ioctl(w, f->fd, "WAIT to nowhere", FERRODMA_IOC_WAIT,
			 w->readonly + READONLY_BYTES);
	if (!wait->cookie)
		return ret == -ENOENT || (ret == -ENODEV && is_gone(f)) ||
		       fail(w, "WAIT to nowhere for no job", ret);
	return ret == -EFAULT || ret == -ETIMEDOUT || ret == -EINTR ||
	       (ret == -EAGAIN && f->nonblock) || fail(w, "WAIT to nowhere", ret);
}

bool do_info(struct worker *w, struct file *f)
{
	struct { struct ferrodma_info info; uint8_t more[64]; } a = { .info.size = sizeof(a.info) };
	struct defects d = { .arg = &a };
	int ret;

	if (one_in(w, 2)) {
		spoil_structure(w, &d, &a.info.size, sizeof(a.info));
		ret = call_ioctl(w, f->fd, "INFO that is wrong", FERRODMA_IOC_INFO, d.arg);
		return is_allowed(&d, ret) || (ret == -ENODEV && is_gone(f)) ||
		       fail(w, "wrong INFO", ret);
	}
	a.info.size += pick(w, sizeof(a.more) + 1);
	ret = call_ioctl(w, f->fd, "INFO", FERRODMA_IOC_INFO, &a);
	if (ret)
		return (ret == -ENODEV && is_gone(f)) || fail(w, "INFO", ret);
	a.info.size = f->channel->info.size;
	return !memcmp(&a.info, &f->channel->info, sizeof(a.info)) ||
	       fail(w, "INFO says something else, flags", a.info.flags);
}

bool do_unknown(struct worker *w, struct file *f)
{
	unsigned long command = _IO(FERRODMA_IOC_TYPE, 4 + pick(w, 252));
	int ret;

	if (one_in(w, 2))
		command = _IOC(1 + pick(w, 3), FERRODMA_IOC_TYPE, pick(w, 4), pick(w, 200));
	ret = call_ioctl(w, f->fd, "an unknown call", command, &w->job);
	return ret == -ENOTTY || fail(w, "unknown call", ret);
}

bool do_poll(struct worker *w, struct file *f)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN | POLLOUT };
	uint32_t expected = in_flight(f);
	int ret;

	call_begins(w, "poll", expected);
	ret = poll(&p, 1, pick(w, 3));
	call_ends(w);
	if (ret < 0)
		return errno == EINTR || fail(w, "poll", -errno);
	if (p.revents & ~(POLLIN | POLLOUT | POLLHUP))
		return fail(w, "poll says", p.revents);
	if (p.revents & POLLIN && !expected)
		return fail(w, "poll reports a record, but jobs in flight are", expected);
	if (p.revents & POLLHUP && !is_gone(f))
		return fail(w, "POLLHUP of a bound device", p.revents);
	return p.revents & POLLOUT || is_gone(f) || is_pool(f->channel) ||
	       expected == f->channel->info.queue_depth || fail(w, "no POLLOUT", p.revents);
}

/* Makes reads that must not take a record. */
bool do_odd_read(struct worker *w, struct file *f)
{
	size_t size = sizeof(struct ferrodma_completion);
	uint32_t expected = in_flight(f);
	void *to = one_in(w, 2) ? w->readonly : (void *)(uintptr_t)bad_address(w);
	int ret;

	if (one_in(w, 2)) {
		ret = read(f->fd, w->bytes, pick(w, size)) < 0 ? -errno : 0;
		return ret == -EINVAL || fail(w, "short read", ret);
	}
	if (!expected && !f->nonblock)
		return true;
	call_begins(w, "read to nowhere", expected);
	ret = read(f->fd, to, size * (1 + pick(w, 3))) < 0 ? -errno : 0;
	call_ends(w);
	return (ret == -EFAULT && (expected || (uintptr_t)to >= 1ULL << 47)) ||
	       (ret == -EAGAIN && f->nonblock) || ret == -EINTR ||
	       (ret == -ENODEV && is_gone(f) && !expected) || fail(w, "read to nowhere", ret);
}
