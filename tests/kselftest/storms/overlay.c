// SPDX-License-Identifier: GPL-2.0
/*
 * Channels that an overlay on the device tree adds while the system runs, and that go with it
 * while programs use them.
 */
#include "bind.h"
#include "channel_checks.h"
#include "children.h"
#include "load.h"
#include "log.h"

#define OVERLAY		"ferrodma_overlay_test"
#define BLOB		"/proc/device-tree/ferrodma-overlays/added"

/* A part of the names of all nodes in the overlays. */
#define ADDED		".dma-added"

#define ROUNDS		20
#define LONG_TIME	1800

static struct ferrodma_completion record;

FIXTURE(overlay) {
	struct channel c;
	struct bound_device device;
	int number, errors;
	bool tried;
};

FIXTURE_VARIANT(overlay) {
	const char *function;
};

FIXTURE_VARIANT_ADD(overlay, coherent) {
	.function = "coherent",
};

FIXTURE_VARIANT_ADD(overlay, sg) {
	.function = "sg",
};

FIXTURE_VARIANT_ADD(overlay, pool) {
	.function = "pool",
};

/* Returns the number of the channel that the overlay has added, or a negative errno. */
static int find_added(const char *function, struct bound_device *device)
{
	for (int number = 0; number < 16; number++)
		if (!bound_device_find(device, function, number) &&
		    strstr(device->device, ADDED))
			return number;
	return -ENOENT;
}

static int overlay_apply(void)
{
	return module_insert(OVERLAY, "name=added");
}

static int overlay_remove(void)
{
	return module_remove(OVERLAY);
}

/*
 * Counts the errors that the kernel has logged about the device tree, such as references that
 * were not dropped.
 */
static int tree_errors(void)
{
	int log = log_open(), errors;

	/* Read from the oldest line of the log. */
	if (log < 0 || lseek(log, 0, SEEK_SET))
		return -EIO;
	errors = log_count(log, "OF: ", "ERROR");
	close(log);
	return errors;
}

FIXTURE_SETUP(overlay)
{
	if (access(BLOB, F_OK))
		SKIP(return, "this machine has no overlay for run time");
	self->errors = tree_errors();
	ASSERT_LE(0, self->errors);
	self->tried = true;
	ASSERT_EQ(-ENOENT, find_added(variant->function, &self->device));
	ASSERT_EQ(0, overlay_apply());
	self->number = find_added(variant->function, &self->device);
	ASSERT_LE(0, self->number);
	ASSERT_EQ(0, channel_open(&self->c, variant->function, self->number, 0));
	make_pattern(&self->c, SEED);
}

/* Removes the overlay, and checks that the tree is as it was. */
FIXTURE_TEARDOWN_PARENT(overlay)
{
	struct bound_device device;

	if (!self->tried)
		return;
	if (find_added(variant->function, &device) >= 0)
		EXPECT_EQ(0, overlay_remove());
	EXPECT_EQ(-ENOENT, find_added(variant->function, &device));
	EXPECT_GE(self->errors, tree_errors());
}

TEST_F(overlay, channel_comes_and_works)
{
	for (int i = 0; i < 10; i++)
		expect_works(_metadata, &self->c);
}

/* Numbers that aliases name are kept for their devices, even while these are not bound. */
TEST_F(overlay, added_channel_takes_no_number_of_an_alias)
{
	struct bound_device first;

	ASSERT_EQ(0, bound_device_find(&first, variant->function, 0));
	ASSERT_EQ(0, overlay_remove());
	ASSERT_EQ(0, device_unbind(&first));
	EXPECT_EQ(0, overlay_apply());
	EXPECT_LT(0, find_added(variant->function, &self->device));
	ASSERT_EQ(0, device_bind(&first));
	EXPECT_EQ(0, bound_device_number(&first, variant->function));
}

TEST_F(overlay, removed_with_a_file_open_its_calls_are_ENODEV)
{
	char path[64];
	struct job j;

	snprintf(path, sizeof(path), "/dev/ferrodma-%s%d", variant->function, self->number);
	ASSERT_EQ(0, access(path, F_OK));
	ASSERT_EQ(0, overlay_remove());
	EXPECT_NE(0, access(path, F_OK));
	EXPECT_EQ(-ENODEV, channel_info(self->c.fd, &self->c.info));
	job_copy(&j, &self->c, 0, self->c.size / 2, 64);
	EXPECT_EQ(-ENODEV, job_submit(&self->c, &j));
	EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
	EXPECT_EQ(POLLHUP, poll_events(&self->c, POLLIN, SOON_MS) & POLLHUP);
	if (!strcmp(variant->function, "coherent"))
		EXPECT_EQ(SIGBUS, touch_in_child(self->c.mem));
}

TEST_F(overlay, removed_with_jobs_queued_each_leaves_a_record)
{
	struct channel many[4];

	open_full(_metadata, many, ARRAY_SIZE(many), variant->function, self->number);
	ASSERT_EQ(0, overlay_remove());
	close_without_device(_metadata, many, ARRAY_SIZE(many));
}

TEST_F(overlay, applied_again_it_works_and_old_files_stay_dead)
{
	struct bound_device device;
	struct channel again;

	ASSERT_EQ(0, overlay_remove());
	ASSERT_EQ(0, overlay_apply());
	ASSERT_EQ(self->number, find_added(variant->function, &device));
	EXPECT_EQ(-ENODEV, channel_info(self->c.fd, &self->c.info));
	ASSERT_EQ(0, channel_open(&again, variant->function, self->number, 0));
	expect_works(_metadata, &again);
	channel_close(&again);
}

TEST_F_TIMEOUT(overlay, removed_and_applied_many_times_under_load, LONG_TIME)
{
	struct load *l = start_load(_metadata, variant->function, self->number);
	int before;

	for (int i = 0; i < effort(ROUNDS); i++) {
		before = l->moved[0] + l->moved[1];
		usleep(i % 50 * 200);
		ASSERT_EQ(0, overlay_remove()) l->stop = 1;
		ASSERT_EQ(0, overlay_apply()) l->stop = 1;
		/* Jobs run again on the next device. */
		for (int ms = 0; ms < SOON_MS; ms++) {
			if (l->moved[0] + l->moved[1] > before)
				break;
			sleep_ms(1);
		}
		EXPECT_LT(before, l->moved[0] + l->moved[1]) TH_LOG("in round %d", i);
	}
	stop_load(_metadata, l);
}

/* Finds a device of an overlay that no driver is bound to; returns whether there is one. */
static bool find_unbound(struct bound_device *b, const char *driver)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir = opendir("/sys/bus/platform/devices");
	bool found = false;

	snprintf(b->driver, sizeof(b->driver), "/sys/bus/platform/drivers/%s", driver);
	while (dir && !found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/driver", e->d_name);
		snprintf(b->device, sizeof(b->device), "%.100s", e->d_name);
		found = strstr(e->d_name, ADDED) && access(path, F_OK);
	}
	if (dir)
		closedir(dir);
	return found;
}

FIXTURE(large) {
	struct bound_device device;
	/* Three readers of the log, opened before the overlay is applied. */
	int told, warned, traced;
};

FIXTURE_SETUP(large)
{
	if (access("/proc/device-tree/ferrodma-overlays/large", F_OK))
		SKIP(return, "this machine has no overlay for run time");
	self->told = log_open();
	self->warned = log_open();
	self->traced = log_open();
	ASSERT_TRUE(self->told >= 0 && self->warned >= 0 && self->traced >= 0);
	ASSERT_EQ(0, module_insert(OVERLAY, "name=large"));
}

FIXTURE_TEARDOWN_PARENT(large)
{
	overlay_remove();
	EXPECT_FALSE(find_unbound(&self->device, "ferrodma_coherent"));
}

TEST_F(large, buffer_that_is_not_to_be_had_is_ENOMEM_and_one_line)
{
	struct bound_device *b = &self->device;

	ASSERT_TRUE(find_unbound(b, "ferrodma_coherent"));
	EXPECT_EQ(1, log_count(self->told, b->device,
			       "failed to allocate a coherent buffer of 3221225472 bytes"));
	EXPECT_EQ(-ENOMEM, device_bind(b));
	EXPECT_EQ(1, log_count(self->told, b->device, "failed to allocate"));
	EXPECT_EQ(0, log_count(self->warned, "WARNING", ""));
	EXPECT_EQ(0, log_count(self->traced, "Call", "trace"));
}

TEST_HARNESS_MAIN
