// SPDX-License-Identifier: GPL-2.0
/* A channel that loses the contents of its registers while the system is suspended. */
#include "channel_fixture.h"
#include "registers.h"
#include "suspend.h"

ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

TEST_F(channel, registers_lost_in_suspend_are_written_again)
{
	size_t len = self->c.size / 4;
	struct bound_device device;
	struct registers right;
	volatile uint8_t *block;

	if (!can_suspend())
		SKIP(return, "the kernel cannot suspend, or lacks CONFIG_PM_DEBUG to come back");
	ASSERT_EQ(0, bound_device_find(&device, variant->function, variant->number));
	block = registers_map(&self->c, device.device);
	if (!block)
		SKIP(return, "the channel is no ZDMA, or there is no /dev/mem");
	right = registers_read(block);
	LOSE_REGISTERS(right, block);
	ASSERT_EQ(0, suspend_and_resume("devices", 0));
	EXPECT_REGISTERS(right, block);
	expect_works(_metadata, &self->c);
	if (self->c.info.block_size)
		return;
	/* A job that ends with an interrupt. */
	job_copy(&self->job, &self->c, 0, self->c.size / 2, len);
	expect_runs(_metadata, &self->c, &self->job);
	EXPECT_EQ(-1, area_differs(self->c.mem, self->c.mem + self->c.size / 2, len));
}

TEST_HARNESS_MAIN
