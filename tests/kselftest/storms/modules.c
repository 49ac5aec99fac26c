// SPDX-License-Identifier: GPL-2.0
/*
 * Removing and loading the modules, with and without users. The module under test is that of
 * the driver to which the channel is bound. The files of all modules are in the directory
 * FERRODMA_MODULES.
 */
#include "channel_checks.h"
#include "bind.h"

#define HELPER	"ferrodma"
#define ROUNDS	40
#define LONG_TIME	1800

/* The most drivers that are loaded at a time. */
#define MOST_DRIVERS	8

FIXTURE(module) {
	struct bound_device device;
	char name[64];
	/* All modules that use the helper, the one under test included. */
	char users[MOST_DRIVERS][64];
	int nr_users;
};

FIXTURE_VARIANT(module) {
	const char *function;
	int number;
};

FIXTURE_VARIANT_ADD(module, coherent0) {
	.function = "coherent", .number = 0,
};

FIXTURE_VARIANT_ADD(module, sg0) {
	.function = "sg", .number = 0,
};

FIXTURE_VARIANT_ADD(module, pool0) {
	.function = "pool", .number = 0,
};

static bool module_is_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return !access(path, F_OK);
}

/* Finds the modules that use the module @name; returns their number. */
static int module_holders(const char *name, char holders[MOST_DRIVERS][64])
{
	char path[128];
	struct dirent *e;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/module/%s/holders", name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (n < MOST_DRIVERS && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(holders[n++], 64, "%.63s", e->d_name);
	closedir(dir);
	return n;
}

/* Removes all modules that use the helper and are loaded. */
static int remove_users(const FIXTURE_DATA(module) *self)
{
	for (int i = 0; i < self->nr_users; i++) {
		int ret = module_is_loaded(self->users[i]) ? module_remove(self->users[i]) : 0;

		if (ret)
			return ret;
	}
	return 0;
}

static int insert_users(const FIXTURE_DATA(module) *self)
{
	for (int i = 0; i < self->nr_users; i++) {
		int ret = module_is_loaded(self->users[i]) ? 0 : module_insert(self->users[i], "");

		if (ret)
			return ret;
	}
	return 0;
}

/* Returns how many nodes of @function are in /dev. */
static int count_nodes(const char *function)
{
	char prefix[64];
	struct dirent *e;
	int n = 0;
	DIR *dir = opendir("/dev");

	snprintf(prefix, sizeof(prefix), "ferrodma-%s", function);
	while (dir && (e = readdir(dir)))
		n += !strncmp(e->d_name, prefix, strlen(prefix));
	if (dir)
		closedir(dir);
	return n;
}

static void expect_channel_works(struct __test_metadata *_metadata, const char *function,
				 int number)
{
	struct channel c;

	ASSERT_EQ(0, channel_open(&c, function, number, 0));
	expect_works(_metadata, &c);
	channel_close(&c);
}

FIXTURE_SETUP(module)
{
	char path[PATH_MAX + 16];

	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, variant->number));
	snprintf(path, sizeof(path), "%s/module", self->device.driver);
	ASSERT_EQ(0, link_name(path, self->name, sizeof(self->name)));
	self->nr_users = module_holders(HELPER, self->users);
	ASSERT_LE(1, self->nr_users);
}

/* Loads the modules that the test has left removed. */
FIXTURE_TEARDOWN_PARENT(module)
{
	if (!module_is_loaded(HELPER))
		EXPECT_EQ(0, module_insert(HELPER, ""));
	EXPECT_EQ(0, insert_users(self));
	if (bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

TEST_F(module, open_file_keeps_the_driver)
{
	int fd = channel_open_fd(variant->function, variant->number, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, module_remove(self->name));
	expect_channel_works(_metadata, variant->function, variant->number);
	close(fd);
	EXPECT_EQ(0, module_remove(self->name));
}

TEST_F(module, mapping_of_a_closed_file_keeps_the_helper_only)
{
	struct channel c;

	ASSERT_EQ(0, channel_open(&c, variant->function, variant->number, 0));
	if (!c.info.buffer_size)
		SKIP(return, "the function has no buffer");
	close(c.fd);
	c.fd = -1;
	c.mem[0] ^= 0xff;
	ASSERT_EQ(0, remove_users(self));
	EXPECT_EQ(SIGBUS, touch_in_child(c.mem));
	EXPECT_EQ(-EWOULDBLOCK, module_remove(HELPER));
	channel_close(&c);
	ASSERT_EQ(0, insert_users(self));
	expect_channel_works(_metadata, variant->function, variant->number);
}

TEST_F(module, open_file_of_an_unbound_device_keeps_the_driver)
{
	struct channel c;

	ASSERT_EQ(0, channel_open(&c, variant->function, variant->number, 0));
	ASSERT_TRUE(queue_some(&c, 3));
	ASSERT_EQ(0, device_unbind(&self->device));
	EXPECT_EQ(-EWOULDBLOCK, module_remove(self->name));
	channel_close(&c);
	EXPECT_EQ(0, module_remove(self->name));
}

TEST_F(module, driver_keeps_the_helper)
{
	/* Load only this driver. */
	for (int i = 0; i < self->nr_users; i++)
		if (strcmp(self->users[i], self->name))
			ASSERT_EQ(0, module_remove(self->users[i]));
	EXPECT_EQ(-EWOULDBLOCK, module_remove(HELPER));
	expect_channel_works(_metadata, variant->function, variant->number);
}

TEST_F(module, driver_comes_and_goes_beside_the_others)
{
	struct channel other;
	int beside = -ENOENT;

	/* A channel of another driver, whose file stays open. */
	if (strcmp(variant->function, "coherent"))
		beside = channel_open(&other, "coherent", 0, 0);
	if (beside && strcmp(variant->function, "sg"))
		beside = channel_open(&other, "sg", 0, 0);
	if (beside && strcmp(variant->function, "pool"))
		beside = channel_open(&other, "pool", 0, 0);
	if (beside)
		SKIP(return, "no other driver is loaded");
	ASSERT_EQ(0, module_remove(self->name));
	expect_works(_metadata, &other);
	ASSERT_EQ(0, module_insert(self->name, ""));
	expect_works(_metadata, &other);
	channel_close(&other);
	expect_channel_works(_metadata, variant->function, variant->number);
}

TEST_F(module, nodes_go_with_the_driver_and_come_back)
{
	int nodes = count_nodes(variant->function);

	ASSERT_LE(1, nodes);
	ASSERT_EQ(0, module_remove(self->name));
	EXPECT_EQ(0, count_nodes(variant->function));
	ASSERT_EQ(0, module_insert(self->name, ""));
	EXPECT_EQ(nodes, count_nodes(variant->function));
	EXPECT_EQ(variant->number, bound_device_number(&self->device, variant->function));
	expect_channel_works(_metadata, variant->function, variant->number);
}

TEST_F_TIMEOUT(module, driver_with_users_comes_and_goes_many_times, LONG_TIME)
{
	struct channel c;

	/* An open file with jobs keeps the driver loaded; a mapping does not. */
	for (int i = 0; i < effort(ROUNDS); i++) {
		ASSERT_EQ(0, channel_open(&c, variant->function, variant->number, 0));
		ASSERT_TRUE(queue_some(&c, 3));
		ASSERT_EQ(-EWOULDBLOCK, module_remove(self->name));
		close(c.fd);
		c.fd = -1;
		ASSERT_EQ(0, module_remove(self->name));
		ASSERT_EQ(0, module_insert(self->name, ""));
		channel_close(&c);
		expect_channel_works(_metadata, variant->function, variant->number);
	}
}

TEST_F(module, all_modules_go_and_come_back)
{
	ASSERT_EQ(0, remove_users(self));
	ASSERT_EQ(0, module_remove(HELPER));
	EXPECT_NE(0, access("/sys/kernel/debug/ferrodma", F_OK));
	ASSERT_EQ(0, module_insert(HELPER, ""));
	ASSERT_EQ(0, insert_users(self));
	expect_channel_works(_metadata, variant->function, variant->number);
}

TEST_HARNESS_MAIN
