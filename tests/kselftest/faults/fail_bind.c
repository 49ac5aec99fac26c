// SPDX-License-Identifier: GPL-2.0
/* Binding, unbinding and loading a driver while an allocation fails. */
#include <sys/stat.h>

#include "fail_fixture.h"

static struct ferrodma_completion record;

/*
 * Writes the name of the device to an open file of its driver in sysfs; returns 0 or a negative
 * errno.
 */
static int tell_driver(const FIXTURE_DATA(fail) *self, int fd)
{
	return pwrite(fd, self->device.device, strlen(self->device.device), 0) < 0 ? -errno : 0;
}

static int driver_file(const FIXTURE_DATA(fail) *self, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", self->device.driver, name);
	return open(path, O_WRONLY | O_CLOEXEC);
}

TEST_F_TIMEOUT(fail, unbind_with_records, LONG_TIME)
{
	int fd = driver_file(self, "unbind"), ret;
	bool failed = true;

	ASSERT_LE(0, fd);
	for (int n = 1; failed; n++) {
		make_job(self, n);
		ASSERT_EQ(0, job_submit(&self->c, &self->job));
		arm(self->nth, n);
		ret = tell_driver(self, fd);
		failed = has_failed(self->nth);
		/* The write itself has failed, before the driver saw it. */
		if (ret)
			ASSERT_EQ(0, device_unbind(&self->device));
		EXPECT_EQ(1, read_records(&self->c, &record, 1));
		EXPECT_TRUE(!record.status || record.status == -ENODEV);
		EXPECT_EQ(-ENODEV, read_records(&self->c, &record, 1));
		EXPECT_EQ(self->pins, pins_held());
		ASSERT_EQ(0, device_bind(&self->device));
		ASSERT_TRUE(open_afresh(self));
		failed = another(_metadata, self, n, ret, failed);
	}
	close(fd);
}

/* Returns whether the channel is complete: its node and its files in debugfs. */
static bool is_whole(const FIXTURE_DATA(fail) *self)
{
	char node[64];

	snprintf(node, sizeof(node), "/dev/ferrodma-%s%d", self->function, self->number);
	return !access(node, F_OK) && blocks_now(self) == self->blocks;
}

/*
 * Fails each of the allocations of a probe and its self-test in turn, or FERRODMA_EFFORT percent
 * of them: there are some hundreds. A driver that is bound all the same may lack optional
 * things, such as files in debugfs, and is then bound again.
 */
TEST_F_TIMEOUT(fail, bind, LONG_TIME)
{
	int fd = driver_file(self, "bind"), ret, step = 100 / effort(100);
	bool failed = true;

	ASSERT_LE(0, fd);
	for (int n = 1; failed; n += step) {
		channel_close(&self->c);
		ASSERT_EQ(0, device_unbind(&self->device));
		EXPECT_EQ(self->pins, pins_held());
		arm(self->nth, n);
		ret = tell_driver(self, fd);
		failed = has_failed(self->nth);
		EXPECT_EQ(!ret, bound_device_number(&self->device, self->function) >= 0);
		if (!ret && failed && !is_whole(self)) {
			ASSERT_EQ(0, device_unbind(&self->device));
			ASSERT_EQ(0, device_bind(&self->device));
		}
		if (ret)
			ASSERT_EQ(0, device_bind(&self->device)) TH_LOG("after failure %d", n);
		ASSERT_TRUE(is_whole(self));
		ASSERT_TRUE(open_afresh(self));
		failed = another(_metadata, self, n, ret, failed);
	}
	EXPECT_LT(0, self->refused);
	close(fd);
}

/*
 * Fails each tenth of the allocations while the module is loaded in turn, or FERRODMA_EFFORT
 * percent of those: there are thousands. What fails may be the kernel's own preparations for the
 * module, or a probe, in which case the module stays without that channel. The self-tests are
 * skipped, since the test above covers them. The module is loaded from memory, because reading
 * its file would log a warning.
 */
TEST_F_TIMEOUT(fail, insert_of_the_driver, LONG_TIME)
{
	char path[PATH_MAX + 16], name[64];
	int ret, file, step = 1000 / effort(100);
	bool failed = true;
	struct stat st;
	void *image;

	snprintf(path, sizeof(path), "%s/module", self->device.driver);
	ASSERT_EQ(0, link_name(path, name, sizeof(name)));
	file = module_open(name);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fstat(file, &st));
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
	ASSERT_TRUE(image != MAP_FAILED);
	close(file);
	for (int n = 1; failed; n += step) {
		channel_close(&self->c);
		ASSERT_EQ(0, module_remove(name));
		EXPECT_EQ(self->pins, pins_held());
		arm(self->nth, n);
		ret = syscall(SYS_init_module, image, st.st_size, "selftest=0") ? -errno : 0;
		failed = has_failed(self->nth);
		/* module_add_driver() returns this if it has no memory for the driver's folder. */
		if (failed && ret == -EINVAL)
			ret = -ENOMEM;
		/* Either the whole driver is there, or nothing of it. */
		EXPECT_EQ(!ret, !access(self->device.driver, F_OK));
		if (!ret && failed && !is_whole(self))
			ASSERT_EQ(0, module_remove(name));
		if (ret || (failed && access(self->device.driver, F_OK)))
			ASSERT_EQ(0, module_insert(name, "selftest=0"))
				TH_LOG("after failure %d", n);
		ASSERT_TRUE(is_whole(self));
		ASSERT_TRUE(open_afresh(self));
		failed = another(_metadata, self, n, ret, failed);
	}
	EXPECT_LT(0, self->refused);
	/* Load the driver as it was before, with the self-test. */
	channel_close(&self->c);
	ASSERT_EQ(0, module_remove(name));
	ASSERT_EQ(0, module_insert(name, ""));
}

int main(int argc, char **argv)
{
	return run_fail_tests(argc, argv);
}
