// SPDX-License-Identifier: GPL-2.0
/*
 * Shows each coherent channel at work: maps its buffer, writes a payload that
 * is new on every run, has the engine copy it and fill a region beside it, and
 * checks every byte, those that nobody should have changed included.
 *
 * Exits with 0 only if there is a channel and all of them did all of this.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/random.h>

#include "ferrodma_test.h"

#define MOST_CHANNELS	64

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

	/* Early after boot there may be no entropy; the time does as well. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = now_ns();
	return seed;
}

static void device_name(int number, char *name, size_t size)
{
	char path[96], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-coherent%d/device", number);
	snprintf(name, size, "%s", realpath(path, target) ? basename(target) : "?");
}

/* Whether a comparison found no difference; says what is wrong where it did. */
static bool holds(ssize_t differs_at, const char *else_what)
{
	if (differs_at < 0)
		return true;
	printf("  FAILED     %s, at byte %zd\n", else_what, differs_at);
	return false;
}

/* Runs the job and says how long it took. */
static bool run(const struct channel *c, struct job *j, const char *what, uint64_t len)
{
	const struct ferrodma_completion *record = &j->submit.completion;
	int ret = job_run(c, j);

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
 * The buffer is cut in four: payload, room for its copy, room for the fill, and
 * a rest. Around the rooms are margins that must stay as they are.
 */
static bool show(const struct channel *c)
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

	if (ok && c->info.flags & FERRODMA_INFO_FILL) {
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

static bool show_channel(int number, struct channel *c)
{
	const struct ferrodma_info *info = &c->info;
	char device[NAME_MAX + 1];

	device_name(number, device, sizeof(device));
	printf("/dev/ferrodma-coherent%d\n", number);
	printf("  engine     %s, %u-bit addresses%s\n", engine_name(info->engine),
	       info->address_bits, info->flags & FERRODMA_INFO_FILL ? ", can fill" : "");
	printf("  channel    %s, buffer of %llu bytes\n", device,
	       (unsigned long long)info->buffer_size);
	printf("  a job      %llu bytes in %u segments at most, aligned to %u; %u in the queue\n",
	       (unsigned long long)info->max_job_bytes, info->max_segments,
	       info->alignment, info->queue_depth);
	return show(c);
}

int main(void)
{
	int found = 0, good = 0;

	for (int number = 0; number < MOST_CHANNELS; number++) {
		struct channel c;
		int ret = channel_open(&c, "coherent", number, 0);

		if (ret == -ENOENT)
			continue;
		found++;
		if (ret) {
			printf("/dev/ferrodma-coherent%d: %s\n", number, strerror(-ret));
			continue;
		}
		good += show_channel(number, &c);
		channel_close(&c);
	}
	if (!found)
		printf("no /dev/ferrodma-coherent device: is ferrodma_coherent.ko loaded?\n");
	else
		printf("%d of %d channels moved every byte right\n", good, found);
	return !(found && good == found);
}
