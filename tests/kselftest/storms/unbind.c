// SPDX-License-Identifier: GPL-2.0
/*
 * A device that is unbound while programs use it, and bound again. in_flight.c has the tests
 * with jobs that stay in flight.
 */

#include "bind.h"
#include "channel_checks.h"
#include "children.h"
#include "load.h"
#include "log.h"
#include "sleeper.h"

#define ROUNDS	200

/* The time limit of a test whose length depends on FERRODMA_EFFORT. */
#define LONG_TIME	1800

static struct ferrodma_completion record;

FIXTURE(bound) {
	struct channel c;
	struct job job;
	struct bound_device device;
};

FIXTURE_VARIANT(bound) {
	const char *function;
	int number;
};

FIXTURE_VARIANT_ADD(bound, coherent0) {
	.function = "coherent", .number = 0,
};

FIXTURE_VARIANT_ADD(bound, sg0) {
	.function = "sg", .number = 0,
};

FIXTURE_VARIANT_ADD(bound, pool0) {
	.function = "pool", .number = 0,
};

FIXTURE_SETUP(bound)
{
	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, variant->number));
	ASSERT_EQ(0, channel_open(&self->c, variant->function, variant->number, 0));
	make_pattern(&self->c, SEED);
}

/* Binds the device again if the test has left it unbound. */
FIXTURE_TEARDOWN_PARENT(bound)
{
	if (bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

TEST_F(bound, node_goes_while_the_file_is_open_and_mapped)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/ferrodma-%s%d", variant->function, variant->number);
	ASSERT_EQ(0, access(path, F_OK));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-1, access(path, F_OK));
	EXPECT_EQ(-ENOENT, bound_device_number(&self->device, variant->function));
}

TEST_F(bound, calls_are_ENODEV)
{
	const struct channel *c = &self->c;
	struct ferrodma_info info;

	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-ENODEV, channel_info(c->fd, &info));
	for (int wait = 0; wait < 2; wait++) {
		job_copy(&self->job, c, 0, c->size / 2, 64);
		self->job.submit.flags = wait ? FERRODMA_SUBMIT_WAIT : 0;
		EXPECT_EQ(-ENODEV, job_submit(c, &self->job));
	}
	EXPECT_EQ(-ENODEV, take(c, 1, NULL));
	EXPECT_EQ(-ENODEV, job_cancel(c, 1));
	EXPECT_EQ(-ENODEV, read_records(c, &record, 1));
	EXPECT_TRUE(mmap(NULL, 1, PROT_READ, MAP_SHARED, c->fd, 0) == MAP_FAILED);
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(bound, nonblocking_read_is_ENODEV)
{
	ASSERT_EQ(0, set_nonblock(&self->c));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
}

TEST_F(bound, poll_says_POLLHUP)
{
	EXPECT_EQ(0, poll_events(&self->c, POLLIN, 0) & POLLHUP);
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(POLLHUP, poll_events(&self->c, POLLIN, SOON_MS) & POLLHUP);
	EXPECT_EQ(POLLHUP, poll_events(&self->c, 0, 0) & POLLHUP);
}

TEST_F(bound, records_outlive_the_device)
{
	const struct channel *c = &self->c;

	ASSERT_TRUE(queue_some(c, 4));
	/* Jobs run in order: when the last has ended, all have. */
	ASSERT_EQ(0, take(c, 4, NULL));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(POLLIN | POLLHUP, poll_events(c, POLLIN, 0) & (POLLIN | POLLHUP));
	ASSERT_EQ(0, take(c, 2, &record));
	EXPECT_EQ(2, record.cookie);
	EXPECT_EQ(-ENODEV, take(c, 2, NULL));
	for (int i = 1; i <= 3; i += 2) {
		ASSERT_EQ(1, read_records(c, &record, 1));
		EXPECT_EQ(i, record.cookie);
		EXPECT_EQ(0, record.status);
	}
	EXPECT_EQ(0, poll_events(c, POLLIN, 0) & POLLIN);
	EXPECT_EQ(-ENODEV, read_records(c, &record, 1));
	EXPECT_EQ(-ENODEV, take(c, 3, NULL));
}

TEST_F(bound, mapping_raises_SIGBUS)
{
	if (!self->c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	ASSERT_EQ(0, touch_in_child(self->c.mem));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem));
	EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem + self->c.size - 1));
}

TEST_F(bound, mapping_of_a_closed_file_raises_SIGBUS)
{
	if (!self->c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	close(self->c.fd);
	ASSERT_EQ(0, touch_in_child(self->c.mem));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem));
}

TEST_F(bound, mapping_of_another_process_raises_SIGBUS)
{
	int go[2];
	char byte;
	pid_t pid;

	if (!self->c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		self->c.mem[0] = 1;
		_exit(0);
	}
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(1, write(go[1], "g", 1));
	expect_child_killed(_metadata, pid, SIGBUS);
}

/* Fails the test unless unbind ends the call, which sleeps in another thread. */
static void expect_woken(struct __test_metadata *_metadata, struct sleeper *s,
			 const struct channel *c, const struct bound_device *device,
			 int (*call)(struct sleeper *s), int result)
{
	make_sleeping_call(_metadata, s, c, call);
	ASSERT_EQ(0, device_unbind(device));
	expect_ends(_metadata, s, result);
}

TEST_F(bound, sleeping_read_ends_with_ENODEV)
{
	struct sleeper s = {};

	expect_woken(_metadata, &s, &self->c, &self->device, call_read, -ENODEV);
}

TEST_F(bound, sleeping_poll_ends_with_POLLHUP)
{
	struct sleeper s = {};

	expect_woken(_metadata, &s, &self->c, &self->device, call_poll, POLLHUP);
}

TEST_F(bound, submit_that_sleeps_on_a_full_queue_ends_with_ENODEV)
{
	struct sleeper s = {};

	ASSERT_TRUE(queue_some(&self->c, self->c.info.queue_depth));
	job_copy(&s.job, &self->c, 0, self->c.size / 2, unit(&self->c));
	expect_woken(_metadata, &s, &self->c, &self->device, call_submit, -ENODEV);
}

TEST_F(bound, bound_again_it_works_under_its_old_name)
{
	struct channel again;

	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, device_bind(&self->device));
	ASSERT_EQ(variant->number, bound_device_number(&self->device, variant->function));
	ASSERT_EQ(0, channel_open(&again, variant->function, variant->number, 0));
	EXPECT_EQ(0, memcmp(&again.info, &self->c.info, sizeof(again.info)));
	expect_works(_metadata, &again);
	channel_close(&again);
}

TEST_F(bound, file_and_mapping_of_before_stay_dead_when_bound_again)
{
	struct ferrodma_info info;

	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, device_bind(&self->device));
	EXPECT_EQ(-ENODEV, channel_info(self->c.fd, &info));
	job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
	EXPECT_EQ(-ENODEV, job_submit(&self->c, &self->job));
	EXPECT_EQ(POLLHUP, poll_events(&self->c, 0, 0) & POLLHUP);
	if (self->c.info.buffer_size)
		EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem));
}

TEST_F(bound, bound_again_its_buffer_shows_nothing_of_before)
{
	struct channel again;

	if (!self->c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	ASSERT_EQ(0, device_unbind(&self->device));
	ASSERT_EQ(0, device_bind(&self->device));
	ASSERT_EQ(0, channel_open(&again, variant->function, variant->number, 0));
	EXPECT_EQ(-1, value_differs(again.mem, again.size, 0));
	channel_close(&again);
}

TEST_F(bound, binding_says_in_the_log_which_node_it_made)
{
	char node[64];
	int log;

	snprintf(node, sizeof(node), "/dev/ferrodma-%s%d", variant->function, variant->number);
	ASSERT_EQ(0, device_unbind(&self->device));
	log = log_open();
	ASSERT_LE(0, log);
	ASSERT_EQ(0, device_bind(&self->device));
	/* A kernel that tests the removal of drivers probes each device twice. */
	EXPECT_EQ(env_number("FERRODMA_PROBES", 1), log_count(log, self->device.device, node));
	close(log);
}

TEST_F(bound, unbind_with_jobs_queued_by_many_files)
{
	struct channel many[8];

	open_full(_metadata, many, ARRAY_SIZE(many), variant->function, variant->number);
	ASSERT_EQ(0, device_unbind(&self->device));
	close_without_device(_metadata, many, ARRAY_SIZE(many));
}

TEST_F_TIMEOUT(bound, many_rounds_under_load, LONG_TIME)
{
	struct load *l = start_load(_metadata, variant->function, variant->number);
	int before;

	for (int i = 0; i < effort(ROUNDS); i++) {
		usleep(i % 50 * 200);
		ASSERT_EQ(0, device_unbind(&self->device)) l->stop = 1;
		ASSERT_EQ(0, device_bind(&self->device)) l->stop = 1;
	}
	/* Both processes get work done on the last device. */
	for (int i = 0; i < 2; i++) {
		before = l->moved[i];
		for (int ms = 0; ms < SOON_MS && l->moved[i] == before; ms++)
			sleep_ms(1);
		EXPECT_LT(before, l->moved[i]);
	}
	stop_load(_metadata, l);
}

TEST_HARNESS_MAIN
