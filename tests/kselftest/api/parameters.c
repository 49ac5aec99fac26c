// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters of the drivers in sysfs: the values that they were loaded with, and later
 * changes.
 */
#include <sys/stat.h>

#include "channel_checks.h"
#include "bind.h"
#include "interrupts.h"

/* Number of jobs, each of which interrupts if it is not polled for. */
#define SOME	8

FIXTURE(driver) {
	/* The value that the guest's init has loaded the driver with. */
	char poll_bytes[32];
};

FIXTURE_VARIANT(driver) {
	const char *function;
};

FIXTURE_VARIANT_ADD(driver, coherent) { .function = "coherent" };
FIXTURE_VARIANT_ADD(driver, sg) { .function = "sg" };
FIXTURE_VARIANT_ADD(driver, pool) { .function = "pool" };

static void parameter_path(char path[128], const char *function, const char *name)
{
	snprintf(path, 128, "/sys/module/ferrodma_%s/parameters/%s", function, name);
}

/* Reads the value of a parameter, without the newline. */
static int read_parameter(const char *function, const char *name, char value[32])
{
	char path[128];
	ssize_t n;
	int fd;

	parameter_path(path, function, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, value, 31);
	close(fd);
	if (n <= 0)
		return -EIO;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int write_parameter(const char *function, const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	parameter_path(path, function, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE_SETUP(driver)
{
	ASSERT_EQ(0, read_parameter(variant->function, "poll_bytes", self->poll_bytes));
}

FIXTURE_TEARDOWN(driver)
{
	EXPECT_EQ(0, write_parameter(variant->function, "poll_bytes", self->poll_bytes));
}

/* Runs jobs of @len bytes; returns how many interrupts they have raised, or -1. */
static long interrupts_of_jobs(struct channel *c, const char *name, size_t len)
{
	long before = interrupts_named(name);
	struct job j;

	for (int i = 0; i < SOME; i++) {
		job_copy(&j, c, 0, c->size / 2, len);
		if (job_run(c, &j))
			return -1;
	}
	return before < 0 ? -1 : interrupts_named(name) - before;
}

TEST_F(driver, parameters_are_as_the_driver_was_loaded)
{
	char module[64], value[32];

	snprintf(module, sizeof(module), "ferrodma_%s", variant->function);
	ASSERT_EQ(0, module_remove(module));
	ASSERT_EQ(0, module_insert(module, ""));
	EXPECT_EQ(0, read_parameter(variant->function, "selftest", value));
	EXPECT_STREQ("Y", value);
	EXPECT_EQ(0, read_parameter(variant->function, "poll_bytes", value));
	EXPECT_STREQ("4096", value);

	ASSERT_EQ(0, module_remove(module));
	ASSERT_EQ(0, module_insert(module, "selftest=0 poll_bytes=0x80"));
	EXPECT_EQ(0, read_parameter(variant->function, "selftest", value));
	EXPECT_STREQ("N", value);
	EXPECT_EQ(0, read_parameter(variant->function, "poll_bytes", value));
	EXPECT_STREQ("128", value);

	ASSERT_EQ(0, module_remove(module));
	EXPECT_EQ(-EINVAL, module_insert(module, "poll_bytes=some"));
	EXPECT_EQ(0, module_insert(module, ""));
}

TEST_F(driver, poll_bytes_alone_can_be_written)
{
	struct stat st;
	char path[128];

	parameter_path(path, variant->function, "poll_bytes");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
	parameter_path(path, variant->function, "selftest");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0444, st.st_mode & 07777);
	EXPECT_EQ(-EACCES, write_parameter(variant->function, "selftest", "0"));
}

TEST_F(driver, poll_bytes_goes_for_the_next_job_of_a_bound_channel)
{
	struct channel c;
	char name[64];

	snprintf(name, sizeof(name), "ferrodma-%s0", variant->function);
	/*
	 * On another CPU, an interrupt could come before the polling submitter sees the end of
	 * the job.
	 */
	stay_on_first_cpu();
	ASSERT_EQ(0, channel_open(&c, variant->function, 0, 0));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, write_parameter(variant->function, "poll_bytes", "0"));
		EXPECT_LE(SOME, interrupts_of_jobs(&c, name, 64));
		ASSERT_EQ(0, write_parameter(variant->function, "poll_bytes", "64"));
		EXPECT_EQ(0, interrupts_of_jobs(&c, name, 64));
		EXPECT_LE(SOME, interrupts_of_jobs(&c, name, 128));
	}
	channel_close(&c);
}

TEST_F(driver, bad_poll_bytes_changes_nothing)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "-1", -EINVAL }, { "many", -EINVAL }, { "64x", -EINVAL }, { "\n", -EINVAL },
		{ "6 4", -EINVAL }, { "4294967296", -ERANGE },
	};
	char value[32];

	ASSERT_EQ(0, write_parameter(variant->function, "poll_bytes", "77"));
	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(bad[i].error,
			  write_parameter(variant->function, "poll_bytes", bad[i].text));
		EXPECT_EQ(0, read_parameter(variant->function, "poll_bytes", value));
		EXPECT_STREQ("77", value);
	}
	EXPECT_EQ(0, write_parameter(variant->function, "poll_bytes", "4294967295"));
	EXPECT_EQ(0, read_parameter(variant->function, "poll_bytes", value));
	EXPECT_STREQ("4294967295", value);
}

TEST_HARNESS_MAIN
