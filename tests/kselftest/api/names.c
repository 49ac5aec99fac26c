// SPDX-License-Identifier: GPL-2.0
/* The name of a channel is the same wherever the kernel shows it. */
#include "channel_fixture.h"
#include "interrupts.h"
#include "maps.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

TEST_F(channel, interrupt_has_the_name_of_the_node)
{
	char name[64];

	snprintf(name, sizeof(name), "ferrodma-%s%d", variant->function, variant->number);
	EXPECT_LE(0, interrupts_named(name));
}

TEST_F(channel, mapping_has_the_name_of_the_node)
{
	struct area area;
	char name[64];

	SKIP_WITHOUT_BUFFER();
	snprintf(name, sizeof(name), "anon_inode:[ferrodma-%s%d]", variant->function,
		 variant->number);
	ASSERT_TRUE(find_area(self->c.mem, &area));
	EXPECT_STREQ(name, area.name);
}

TEST_HARNESS_MAIN
