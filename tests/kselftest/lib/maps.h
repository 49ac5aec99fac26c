/* SPDX-License-Identifier: GPL-2.0 */
/* Areas of this program's memory, as /proc/self/maps shows them. */
#ifndef FERRODMA_MAPS_H
#define FERRODMA_MAPS_H

#include "ferrodma_test.h"

/**
 * struct area - one line of the file
 * @rights: as in "rw-s"
 * @name: what is mapped; empty where that has no name
 */
struct area {
	char rights[8];
	char name[256];
};

/* Finds the area that @p lies in. */
static inline bool find_area(const void *p, struct area *area)
{
	unsigned long start, end;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		area->name[0] = '\0';
		found = sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end,
			       area->rights, area->name) >= 3 &&
			start <= (uintptr_t)p && (uintptr_t)p < end;
	}
	if (f)
		fclose(f);
	return found;
}

#endif /* FERRODMA_MAPS_H */
