// SPDX-License-Identifier: GPL-2.0
/*
 * A channel has one name, wherever the kernel shows what belongs to it.
 */
#include <ctype.h>

#include "channel_fixture.h"
#include "maps.h"

ON_CHANNEL(coherent, 0);
ON_CHANNEL(coherent, 1);
ON_CHANNEL(sg, 0);
ON_CHANNEL(pool, 0);

/* Interrupts that /proc/interrupts says are of @name. */
static int interrupts_named(const char *name)
{
	FILE *f = fopen("/proc/interrupts", "re");
	size_t len = strlen(name);
	char line[1024];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		/* Of a line that is shared, each device is named. */
		for (const char *at = line; (at = strstr(at, name)); at += len)
			n += isspace(at[-1]) && !isalnum(at[len]);
	}
	if (f)
		fclose(f);
	return n;
}

TEST_F(channel, interrupt_has_the_name_of_the_node)
{
	char name[64];

	snprintf(name, sizeof(name), "ferrodma-%s%d", variant->function, variant->number);
	EXPECT_EQ(1, interrupts_named(name));
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
