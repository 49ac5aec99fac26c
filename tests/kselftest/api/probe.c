// SPDX-License-Identifier: GPL-2.0
/* Devices that must not be bound, and what the log says then. */
#include <glob.h>

#include "bind.h"
#include "channel_checks.h"
#include "log.h"

#define TREE	"ferrodma_overlay_test"

/* Values of a property, behind the last one that is in range. */
struct property {
	const char *name;
	/* 0 ends the list, except for the first. */
	uint32_t bad[6];
};

FIXTURE(probe) {
	struct bound_device device;
	char node[PATH_MAX];
};

FIXTURE_VARIANT(probe) {
	const char *function;
	struct property properties[5];
};

#define MAX_TIMEOUT	"ferrodma,max-timeout-ms"
#define TIMEOUT		"ferrodma,timeout-ms"

/* The longest time limit is an hour, and the default one cannot be longer than the maximum. */
#define OF_ALL								\
	{ MAX_TIMEOUT, { 0, 3600001, UINT32_MAX } },			\
	{ TIMEOUT, { 0, 3600001, UINT32_MAX } }

FIXTURE_VARIANT_ADD(probe, coherent) {
	.function = "coherent",
	.properties = { OF_ALL, { "ferrodma,buffer-size", { 0 } } },
};

FIXTURE_VARIANT_ADD(probe, sg) {
	.function = "sg",
	.properties = { OF_ALL },
};

FIXTURE_VARIANT_ADD(probe, pool) {
	.function = "pool",
	.properties = {
		OF_ALL,
		{ "ferrodma,block-size", { 0, 16, 48, 4097, 8192 } },
		{ "ferrodma,nr-blocks", { 0, 1, 65537, UINT32_MAX } },
	},
};

FIXTURE_SETUP(probe)
{
	char path[128], full[PATH_MAX];

	ASSERT_EQ(0, bound_device_find(&self->device, variant->function, 0));
	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s0/device/of_node",
		 variant->function);
	ASSERT_TRUE(realpath(path, full) != NULL);
	ASSERT_TRUE(strstr(full, "/base/") != NULL);
	snprintf(self->node, sizeof(self->node), "%s", strstr(full, "/base/") + strlen("/base"));
}

FIXTURE_TEARDOWN_PARENT(probe)
{
	module_remove(TREE);
	if (self->node[0] && bound_device_number(&self->device, variant->function) < 0)
		EXPECT_EQ(0, device_bind(&self->device));
}

TEST_F(probe, value_of_a_property_that_is_out_of_range_is_EINVAL_and_one_line)
{
	char parameters[PATH_MAX + 128];
	struct channel c;

	ASSERT_EQ(0, device_unbind(&self->device));
	for (const struct property *p = variant->properties; p->name; p++) {
		for (int i = 0; i < ARRAY_SIZE(p->bad) && (!i || p->bad[i]); i++) {
			int log = log_open();

			snprintf(parameters, sizeof(parameters), "node=%s property=%s value=%u",
				 self->node, p->name, p->bad[i]);
			ASSERT_EQ(0, module_insert(TREE, parameters));
			EXPECT_EQ(-EINVAL, device_bind(&self->device))
				TH_LOG("%s", parameters);
			EXPECT_EQ(1, log_count(log, self->device.device, p->name));
			ASSERT_EQ(0, module_remove(TREE));
			close(log);
		}
	}
	/* All is as before. */
	ASSERT_EQ(0, device_bind(&self->device));
	ASSERT_EQ(0, channel_open(&c, variant->function, 0, 0));
	expect_works(_metadata, &c);
	channel_close(&c);
}

FIXTURE(nowhere) {
	int log;
};

FIXTURE_SETUP(nowhere)
{
	if (access("/proc/device-tree/ferrodma-overlays/nowhere", F_OK))
		SKIP(return, "on this machine each bus address is one of memory");
	self->log = log_open();
	ASSERT_LE(0, self->log);
	ASSERT_EQ(0, module_insert(TREE, "name=nowhere"));
}

FIXTURE_TEARDOWN_PARENT(nowhere)
{
	module_remove(TREE);
}

/* The engine reports success, and has moved nothing. */
TEST_F(nowhere, engine_that_moves_nothing_is_not_bound)
{
	glob_t found;

	EXPECT_EQ(1, log_count(self->log, "dma-nowhere", "self-test failed"));
	ASSERT_EQ(0, glob("/sys/bus/platform/devices/*.dma-nowhere", 0, NULL, &found));
	ASSERT_EQ(0, chdir(found.gl_pathv[0]));
	EXPECT_NE(0, access("driver", F_OK));
	globfree(&found);
}

TEST_HARNESS_MAIN
