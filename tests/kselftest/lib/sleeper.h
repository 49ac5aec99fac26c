/* SPDX-License-Identifier: GPL-2.0 */
/* A call in another thread, which sleeps there until the test wakes it. */
#ifndef FERRODMA_SLEEPER_H
#define FERRODMA_SLEEPER_H

#include <pthread.h>
#include <stdatomic.h>

#include "channel_checks.h"

/**
 * struct sleeper - a call in another thread
 * @c: the file of the call
 * @job: what call_submit() and call_run() submit
 * @events: what call_poll() polls for
 * @arg: for calls that a test makes itself
 * @record: the record that the call has taken
 * @call: makes the call; returns 0 or more, or a negative errno
 * @result: what @call has returned
 * @id: the thread, once it runs
 * @done: the call has returned
 * @thread: to be joined
 */
struct sleeper {
	const struct channel *c;
	struct job job;
	short events;
	void *arg;
	struct ferrodma_completion record;
	int (*call)(struct sleeper *s);
	int result;
	_Atomic pid_t id;
	atomic_bool done;
	pthread_t thread;
};

/* Submits the job; returns the error of the call. */
static inline int call_submit(struct sleeper *s)
{
	int ret = job_submit(s->c, &s->job);

	s->record = s->job.submit.completion;
	return ret;
}

/* Submits the job and waits; returns the error of the call, else the record's status. */
static inline int call_run(struct sleeper *s)
{
	return job_run(s->c, &s->job);
}

/* Waits for the first job of the file, and takes its record. */
static inline int call_wait(struct sleeper *s)
{
	return take_within(s->c, 1, 0, &s->record);
}

static inline int call_read(struct sleeper *s)
{
	return read_records(s->c, &s->record, 1);
}

/* Polls for longer than expect_ends() waits, so that only a wake-up makes the test pass. */
static inline int call_poll(struct sleeper *s)
{
	return poll_events(s->c, s->events, 4 * SOON_MS);
}

static inline void *sleeper_thread(void *arg)
{
	struct sleeper *s = arg;

	s->id = gettid();
	s->result = s->call(s);
	s->done = true;
	return NULL;
}

/* Makes a call in another thread. */
static inline void make_call(struct __test_metadata *_metadata, struct sleeper *s,
			     const struct channel *c, int (*call)(struct sleeper *s))
{
	s->c = c;
	s->call = call;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, sleeper_thread, s));
}

/* Makes a call in another thread, and returns when it sleeps there. */
static inline void make_sleeping_call(struct __test_metadata *_metadata, struct sleeper *s,
				      const struct channel *c, int (*call)(struct sleeper *s))
{
	make_call(_metadata, s, c, call);
	ASSERT_TRUE(wait_until_asleep(&s->id));
	ASSERT_FALSE(s->done);
}

/* Fails the test unless the call ends in time, with @result. */
static inline void expect_ends(struct __test_metadata *_metadata, struct sleeper *s, int result)
{
	for (int ms = 0; ms < SOON_MS && !s->done; ms++)
		sleep_ms(1);
	ASSERT_TRUE(s->done) TH_LOG("the call still sleeps");
	ASSERT_EQ(0, pthread_join(s->thread, NULL));
	EXPECT_EQ(result, s->result);
}

#endif /* FERRODMA_SLEEPER_H */
