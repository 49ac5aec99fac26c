// SPDX-License-Identifier: GPL-2.0
/*
 * Shows each channel at work, with a payload that is new on every run. On a coherent channel it
 * maps the buffer, and has the engine copy the payload there and fill a region beside it. On an
 * sg channel the engine gathers the payload from pieces of this program's memory and scatters
 * it to others. On a pool channel it does the same with many small messages. Checks every byte,
 * also those that must not change.
 *
 * Exits with 0 only if there are channels of all kinds and all of this went well.
 */
#define _GNU_SOURCE	/* as the build rules of kselftests define it */
#include <libgen.h>
#include <limits.h>
#include <sys/random.h>

#include "ferrodma_test.h"

#define MOST_CHANNELS	64

/* The most pieces of a payload, and the fewest messages. */
#define PIECES		9
#define MESSAGES	40

static const char *engine_name(uint32_t engine)
{
	switch (engine) {
	case FERRODMA_ENGINE_ZDMA:
		return "ZDMA (ZynqMP, Versal)";
	case FERRODMA_ENGINE_BCM2835:
		return "BCM2835 DMA";
	default:
		return "unknown to this program";
	}
}

static uint64_t fresh_seed(void)
{
	uint64_t seed;

	/* Soon after boot there may be no entropy; use the time instead. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = now_ns();
	return seed;
}

static void device_name(const char *function, int number, char *name, size_t size)
{
	char path[96], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s%d/device", function, number);
	snprintf(name, size, "%s", realpath(path, target) ? basename(target) : "?");
}

/* Returns whether a comparison has found no difference, and prints @else_what otherwise. */
static bool holds(ssize_t differs_at, const char *else_what)
{
	if (differs_at < 0)
		return true;
	printf("  FAILED     %s, at byte %zd\n", else_what, differs_at);
	return false;
}

/* Runs the job and prints how long it took. */
static bool run(const struct channel *c, struct job *j, const char *what, uint64_t len)
{
	const struct ferrodma_completion *record = &j->submit.completion;
	int ret;

	/* More than enough for slow hardware. */
	j->submit.timeout_ns = c->info.max_timeout_ns;
	ret = job_run(c, j);
	if (ret || record->bytes != len) {
		printf("  FAILED     %s: %s, %llu of %llu bytes\n", what, strerror(-ret),
		       (unsigned long long)record->bytes, (unsigned long long)len);
		return false;
	}
	printf("  %-10s %llu bytes in %.1f us\n", what, (unsigned long long)len,
	       (record->complete_ns - record->submit_ns) / 1e3);
	return true;
}

/*
 * Shows a coherent channel. The buffer has four parts: payload, room for its copy, room for the
 * fill, and a rest. Around the rooms are margins that must not change.
 */
static bool show_buffer(const struct channel *c)
{
	size_t quarter = c->size / 4, margin = 16 * c->info.alignment;
	size_t len = quarter - 2 * margin;
	uint8_t *copy = c->mem + quarter + margin, *fill = c->mem + 2 * quarter + margin;
	uint64_t seed = fresh_seed();
	uint8_t value = seed ?: 1, *before = malloc(c->size);
	struct job job;
	bool ok;

	if (!before) {
		printf("  FAILED     no memory\n");
		return false;
	}
	if (len > c->info.max_job_bytes)
		len = c->info.max_job_bytes;
	len -= len % c->info.alignment;

	pattern_fill(c->mem, c->size, ~seed);
	pattern_fill(c->mem, len, seed);
	memcpy(before, c->mem, c->size);
	printf("  payload    %zu bytes, seed %#llx\n", len, (unsigned long long)seed);

	job_copy(&job, c, 0, copy - c->mem, len);
	ok = run(c, &job, "copied", len) &&
	     holds(pattern_differs(copy, len, seed), "the copy is not the payload");
	memcpy(before + (copy - c->mem), before, len);

	if (ok) {
		job_fill(&job, c, value, fill - c->mem, len);
		ok = run(c, &job, "filled", len) &&
		     holds(value_differs(fill, len, value), "a byte is not the fill value");
		memset(before + (fill - c->mem), value, len);
	}

	ok = ok && holds(area_differs(c->mem, before, c->size),
			 "a byte outside the jobs changed");
	if (ok)
		printf("  result     all %zu bytes of the buffer are as they should be\n",
		       c->size);
	free(before);
	return ok;
}

/*
 * Cuts @len bytes into a few pieces or many messages, and places them between @off and the end
 * of @room in random order, with gaps of at least a unit.
 */
static void cut(const struct channel *c, struct ferrodma_seg *list, uint32_t *nr, size_t off,
		size_t room, size_t len, uint64_t *state)
{
	size_t unit = c->info.alignment, slot, first;
	uint32_t n = 2 + random_below(state, PIECES - 1);

	if (c->info.block_size)
		n = MESSAGES + random_below(state, MESSAGES);
	if (n > c->info.max_segments)
		n = c->info.max_segments;
	slot = room / n / unit * unit;
	first = random_below(state, n);
	for (*nr = 0; *nr < n;) {
		uint32_t rest = n - *nr - 1;
		size_t most = slot - 2 * unit, least = unit, piece = len;

		if (c->info.block_size && c->info.block_size < most)
			most = c->info.block_size;
		/* The rest must fit the pieces that follow. */
		if (len > rest * most + least)
			least = len - rest * most;
		if (most > len - rest * unit)
			most = len - rest * unit;
		if (rest)
			piece = least + random_below(state, (most - least) / unit + 1) * unit;
		job_add(c, list, nr, off + (first + *nr) % n * slot + unit, piece);
		len -= piece;
	}
}

/* Copies the payload to the places in @mem that a list names. */
static void put(const struct channel *c, uint8_t *mem, const struct ferrodma_seg *list,
		uint32_t nr, const uint8_t *payload)
{
	for (uint32_t i = 0; i < nr; i++) {
		memcpy(mem + (list[i].addr - c->base), payload, list[i].len);
		payload += list[i].len;
	}
}

/*
 * Shows a channel on program memory, which has two parts: pieces of the payload, and the places
 * that they go to.
 */
static bool show_memory(const struct channel *c)
{
	size_t half = c->size / 2, unit = c->info.alignment;
	uint64_t seed = fresh_seed(), state = seed;
	size_t messages = MESSAGES / 2 * c->info.block_size;
	size_t least = messages && messages < half / 4 ? messages : half / 4;
	size_t len = least + random_below(&state, least);
	uint8_t *payload = malloc(c->size), *after = malloc(c->size);
	struct job job;
	bool ok = false;

	if (!payload || !after) {
		printf("  FAILED     no memory\n");
		goto free;
	}
	if (len > c->info.max_job_bytes)
		len = c->info.max_job_bytes;
	len -= len % unit;

	job_init(&job);
	cut(c, job.src, &job.submit.nr_src, 0, half, len, &state);
	cut(c, job.dst, &job.submit.nr_dst, half, half, len, &state);
	pattern_fill(payload, len, seed);
	pattern_fill(c->mem, c->size, ~seed);
	put(c, c->mem, job.src, job.submit.nr_src, payload);
	memcpy(after, c->mem, c->size);
	put(c, after, job.dst, job.submit.nr_dst, payload);
	printf("  payload    %zu bytes, seed %#llx\n", len, (unsigned long long)seed);
	printf("  cut        into %u %s to gather, and %u to scatter\n", job.submit.nr_src,
	       c->info.block_size ? "messages" : "pieces", job.submit.nr_dst);

	ok = run(c, &job, "moved", len) &&
	     holds(area_differs(c->mem, after, c->size), "not what it should be");
	if (ok)
		printf("  result     all %zu bytes around them are as they should be, too\n",
		       c->size - 2 * len);
free:
	free(payload);
	free(after);
	return ok;
}

static bool show_channel(const char *function, int number, struct channel *c)
{
	const struct ferrodma_info *info = &c->info;
	char device[NAME_MAX + 1];

	device_name(function, number, device, sizeof(device));
	printf("/dev/ferrodma-%s%d\n", function, number);
	printf("  engine     %s, %u-bit addresses\n", engine_name(info->engine),
	       info->address_bits);
	if (info->buffer_size)
		printf("  channel    %s, buffer of %llu bytes\n", device,
		       (unsigned long long)info->buffer_size);
	else if (info->block_size)
		printf("  channel    %s, for messages of up to %u bytes\n", device,
		       info->block_size);
	else
		printf("  channel    %s, for the memory of programs\n", device);
	printf("  a job      %llu bytes in %u segments at most, aligned to %u; %u in the queue\n",
	       (unsigned long long)info->max_job_bytes, info->max_segments,
	       info->alignment, info->queue_depth);
	return info->buffer_size ? show_buffer(c) : show_memory(c);
}

/* Shows all channels of a function; returns their number and counts those that worked. */
static int show_function(const char *function, int *good)
{
	int found = 0;

	for (int number = 0; number < MOST_CHANNELS; number++) {
		struct channel c;
		int ret = channel_open(&c, function, number, 0);

		if (ret == -ENOENT)
			continue;
		found++;
		if (ret) {
			printf("/dev/ferrodma-%s%d: %s\n", function, number, strerror(-ret));
			continue;
		}
		*good += show_channel(function, number, &c);
		channel_close(&c);
	}
	if (!found)
		printf("no /dev/ferrodma-%s device: is ferrodma_%s.ko loaded?\n", function,
		       function);
	return found;
}

int main(void)
{
	static const char * const functions[] = { "coherent", "sg", "pool" };
	int good = 0, found = 0;
	bool all = true;

	for (int i = 0; i < 3; i++) {
		int n = show_function(functions[i], &good);

		all = all && n;
		found += n;
	}
	printf("%d of %d channels moved every byte right\n", good, found);
	return !(all && good == found);
}
