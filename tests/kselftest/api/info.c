// SPDX-License-Identifier: GPL-2.0
/*
 * INFO, the device node, and commands that do not exist.
 */
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "channel_fixture.h"
#include "debugfs.h"

/* The layout is part of the ABI, and the same for 32-bit and 64-bit programs. */
_Static_assert(sizeof(struct ferrodma_seg) == 16, "seg");
_Static_assert(sizeof(struct ferrodma_info) == 72, "info");
_Static_assert(sizeof(struct ferrodma_completion) == 48, "completion");
_Static_assert(sizeof(struct ferrodma_submit) == 112, "submit");
_Static_assert(sizeof(struct ferrodma_wait) == 72, "wait");
_Static_assert(sizeof(struct ferrodma_cancel) == 16, "cancel");
_Static_assert(offsetof(struct ferrodma_info, buffer_size) == 16, "buffer_size");
_Static_assert(offsetof(struct ferrodma_info, version) == 64, "version");
_Static_assert(offsetof(struct ferrodma_submit, cookie) == 56, "cookie");
_Static_assert(offsetof(struct ferrodma_wait, completion) == 24, "completion");

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(sg, 1);
ON_CHANNEL(pool, 0);

/* A structure for INFO that is larger, as a later version's may be. */
struct longer_info {
	struct ferrodma_info info;
	uint8_t more[64];
};

TEST_F(channel, info_names_the_function_and_an_engine)
{
	const struct ferrodma_info *info = &self->c.info;
	static const char * const functions[] = {
		[FERRODMA_FUNCTION_COHERENT] = "coherent",
		[FERRODMA_FUNCTION_SG] = "sg",
		[FERRODMA_FUNCTION_POOL] = "pool",
	};

	ASSERT_LE(FERRODMA_FUNCTION_COHERENT, info->function);
	ASSERT_GE(FERRODMA_FUNCTION_POOL, info->function);
	EXPECT_STREQ(functions[info->function], variant->function);
}

/* The compatible of the node says which engine it is, and the engine which flags there are. */
TEST_F(channel, info_has_the_engine_of_the_device_tree_and_its_flags)
{
	const struct ferrodma_info *info = &self->c.info;
	char path[128], compatible[128] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s%d/device/of_node/compatible",
		 variant->function, variant->number);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, compatible, sizeof(compatible) - 1));
	close(fd);
	if (strstr(compatible, "bcm2835")) {
		EXPECT_EQ(FERRODMA_ENGINE_BCM2835, info->engine);
		EXPECT_EQ(0, info->flags);
	} else {
		EXPECT_EQ(FERRODMA_ENGINE_ZDMA, info->engine);
		EXPECT_EQ(FERRODMA_INFO_FAULT_IRQ, info->flags);
	}
}

TEST_F(channel, info_has_the_version_of_the_header)
{
	EXPECT_EQ(FERRODMA_VERSION, self->c.info.version);
	EXPECT_EQ(0, self->c.info.reserved);
}

TEST_F(channel, info_has_limits_that_allow_work)
{
	const struct ferrodma_info *info = &self->c.info;

	EXPECT_LE(1, info->max_segments);
	EXPECT_LE(1, info->queue_depth);
	EXPECT_LE(1, info->alignment);
	EXPECT_EQ(0, info->alignment & (info->alignment - 1));
	EXPECT_LE(1, info->max_job_bytes);
	EXPECT_LE(24, info->address_bits);
	EXPECT_GE(64, info->address_bits);
	EXPECT_NE(0, info->address_alignment);
	EXPECT_EQ(0, info->address_alignment & (info->address_alignment - 1));
	EXPECT_LE(info->address_alignment, info->alignment);
	/* Except for sg, addresses in a job need no alignment. */
	if (info->function != FERRODMA_FUNCTION_SG)
		EXPECT_EQ(1, info->address_alignment);
}

TEST_F(channel, info_has_a_buffer_only_where_the_function_has_one)
{
	const struct ferrodma_info *info = &self->c.info;

	EXPECT_EQ(info->function == FERRODMA_FUNCTION_COHERENT, !!info->buffer_size);
	EXPECT_EQ(info->function == FERRODMA_FUNCTION_POOL, !!info->block_size);
}

/* Returns a property of the channel's node that is a number, or @standard if it has none. */
static uint32_t property(const char *function, int number, const char *name, uint32_t standard)
{
	uint8_t cells[4];
	char path[128];
	int fd;
	bool found;

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s%d/device/of_node/%s", function,
		 number, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	found = fd >= 0 && read(fd, cells, 4) == 4;
	close(fd);
	return found ? cells[0] << 24 | cells[1] << 16 | cells[2] << 8 | cells[3] : standard;
}

/* The defaults are those of the bindings. */
TEST_F(channel, info_has_the_sizes_of_the_device_tree)
{
	const struct ferrodma_info *info = &self->c.info;
	size_t page = sysconf(_SC_PAGESIZE);
	uint32_t size;

	if (info->function == FERRODMA_FUNCTION_COHERENT) {
		size = property(variant->function, variant->number, "ferrodma,buffer-size", 4096);
		EXPECT_EQ((size + page - 1) / page * page, info->buffer_size);
	} else if (info->function == FERRODMA_FUNCTION_POOL) {
		EXPECT_EQ(property(variant->function, variant->number, "ferrodma,block-size", 64),
			  info->block_size);
		EXPECT_EQ(property(variant->function, variant->number, "ferrodma,nr-blocks", 512),
			  blocks_in_all(variant->function, variant->number));
	}
	EXPECT_EQ(64, info->queue_depth);
	if (info->function != FERRODMA_FUNCTION_POOL)
		EXPECT_EQ(256, info->max_segments);
}

/* It is 10 s if the device tree has no property for it. */
TEST_F(channel, info_has_the_longest_time_limit_of_the_device_tree)
{
	uint64_t ms = property(variant->function, variant->number, "ferrodma,max-timeout-ms",
			       10000);

	EXPECT_EQ(ms * NSEC_PER_MSEC, self->c.info.max_timeout_ns);
}

TEST_F(channel, info_ignores_out_fields)
{
	struct ferrodma_info info;

	memset(&info, 0xff, sizeof(info));
	info.size = sizeof(info);
	ASSERT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, &info));
	EXPECT_EQ(0, memcmp(&info, &self->c.info, sizeof(info)));
}

TEST_F(channel, info_refuses_a_short_structure)
{
	static const uint32_t sizes[] = {
		0, 1, 4, 16, sizeof(struct ferrodma_info) - 1,
	};
	struct ferrodma_info info;

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&info, 0, sizeof(info));
		info.size = sizes[i];
		EXPECT_EQ(-EINVAL, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, &info));
		EXPECT_EQ(0, info.engine);
	}
}

TEST_F(channel, info_accepts_a_longer_structure_with_zeros)
{
	struct longer_info l = { .info.size = sizeof(l) };

	ASSERT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, &l));
	EXPECT_EQ(self->c.info.queue_depth, l.info.queue_depth);
	EXPECT_EQ(-1, value_differs(l.more, sizeof(l.more), 0));
}

TEST_F(channel, info_refuses_a_longer_structure_with_garbage)
{
	for (int i = 0; i < 64; i += 21) {
		struct longer_info l = { .info.size = sizeof(l) };

		l.more[i] = 1;
		EXPECT_EQ(-E2BIG, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, &l));
		EXPECT_EQ(0, l.info.engine);
	}
}

TEST_F(channel, info_refuses_a_size_beyond_the_memory)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = page_before_a_hole();
	struct ferrodma_info *info = (void *)(p + page - sizeof(*info));
	int ret;

	ASSERT_TRUE(p != NULL);
	info->size = UINT32_MAX;
	ret = fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, info);
	EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT) TH_LOG("%s", strerror(-ret));
	info->size = sizeof(*info) + 8;
	EXPECT_EQ(-EFAULT, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, info));
	info->size = sizeof(*info);
	EXPECT_EQ(0, fdma_ioctl(self->c.fd, FERRODMA_IOC_INFO, info));
}

TEST_F(channel, info_refuses_a_bad_pointer)
{
	static const struct ferrodma_info constant = { .size = sizeof(constant) };
	int fd = self->c.fd;

	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_INFO, NULL));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_INFO, (void *)UNMAPPED_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_INFO, (void *)KERNEL_ADDR));
	EXPECT_EQ(-EFAULT, fdma_ioctl(fd, FERRODMA_IOC_INFO, (void *)&constant));
}

TEST_F(channel, info_works_on_a_file_that_is_only_read_or_only_written)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	struct ferrodma_info info;

	for (int i = 0; i < ARRAY_SIZE(modes); i++) {
		int fd = channel_open_fd(variant->function, variant->number, modes[i]);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, channel_info(fd, &info));
		close(fd);
	}
}

TEST_F(channel, unknown_commands_are_ENOTTY)
{
	static const unsigned long commands[] = {
		_IO(FERRODMA_IOC_TYPE, 4),
		_IO(FERRODMA_IOC_TYPE, 255),
		_IO(FERRODMA_IOC_TYPE + 1, 0),
		_IOR(FERRODMA_IOC_TYPE, 0, struct ferrodma_info),
		_IOWR(FERRODMA_IOC_TYPE, 1, struct ferrodma_submit),
		0x5401, /* TCGETS */
		0xffffffff,
	};

	for (int i = 0; i < ARRAY_SIZE(commands); i++) {
		job_copy(&self->job, &self->c, 0, self->c.size / 2, unit(&self->c));
		EXPECT_EQ(-ENOTTY, fdma_ioctl(self->c.fd, commands[i], &self->job))
			TH_LOG("command %#lx", commands[i]);
	}
	expect_untouched(_metadata, &self->c);
}

TEST_F(channel, node_is_a_character_device_for_owner_and_group)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->c.fd, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0660, st.st_mode & 0777);
}

TEST_F(channel, sysfs_links_the_node_to_its_device)
{
	struct bound_device b;
	struct stat st;
	char text[32] = "", path[96];
	int fd;

	ASSERT_EQ(0, bound_device_find(&b, variant->function, variant->number));
	EXPECT_NE(0, strlen(b.device));
	EXPECT_EQ(variant->number, bound_device_number(&b, variant->function));

	snprintf(path, sizeof(path), "/sys/class/misc/ferrodma-%s%d/dev",
		 variant->function, variant->number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	ASSERT_EQ(0, fstat(self->c.fd, &st));
	snprintf(path, sizeof(path), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
	EXPECT_STREQ(path, text);
}

TEST_F(channel, write_and_seek_do_nothing)
{
	uint8_t byte = 1;

	EXPECT_GT(0, write(self->c.fd, &byte, 1));
	EXPECT_EQ(-1, lseek(self->c.fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	expect_untouched(_metadata, &self->c);
}

TEST_HARNESS_MAIN
