/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of most tests: a freshly opened channel whose memory holds a known pattern. The
 * tests run once for each channel that the file names with ON_CHANNEL(). The test fails if the
 * machine has no channel of the function at all; it is skipped, with a reason, if only a
 * further channel of the function is missing.
 */
#ifndef FERRODMA_CHANNEL_FIXTURE_H
#define FERRODMA_CHANNEL_FIXTURE_H

#include <pthread.h>

#include "channel_checks.h"

FIXTURE(channel) {
	struct channel c;
	struct job job;
};

FIXTURE_VARIANT(channel) {
	const char *function;
	int number;
	/* The program has a second thread, which does nothing. */
	bool threaded;
};

#define ON_CHANNEL(function_, number_) \
	FIXTURE_VARIANT_ADD(channel, function_##number_) { \
		.function = #function_, .number = number_, \
	}

#define ON_CHANNEL_WITH_THREADS(function_, number_) \
	FIXTURE_VARIANT_ADD(channel, function_##number_##_threaded) { \
		.function = #function_, .number = number_, .threaded = true, \
	}

static inline void *do_nothing(void *arg)
{
	while (true)
		pause();
	return arg;
}

FIXTURE_SETUP(channel)
{
	int ret = channel_open(&self->c, variant->function, variant->number, 0);
	pthread_t thread;

	if (ret == -ENOENT && variant->number)
		SKIP(return, "this machine has no channel %s%d", variant->function,
		     variant->number);
	ASSERT_EQ(0, ret) {
		TH_LOG("cannot open %s%d: %s", variant->function, variant->number,
		       strerror(-ret));
	}
	make_pattern(&self->c, SEED);
	if (variant->threaded)
		ASSERT_EQ(0, pthread_create(&thread, NULL, do_nothing, NULL));
}

FIXTURE_TEARDOWN(channel)
{
	channel_close(&self->c);
}

/* Skips a test that needs the buffer of a coherent channel. */
#define SKIP_WITHOUT_BUFFER() do {					\
	if (self->c.info.function != FERRODMA_FUNCTION_COHERENT)	\
		SKIP(return, "the function has no buffer");		\
} while (0)

#endif /* FERRODMA_CHANNEL_FIXTURE_H */
