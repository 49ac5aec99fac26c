/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The channel whose interrupt never comes. lost_channel.sh loads the driver so that there is one,
 * and names it in FERRODMA_LOST ("coherent3").
 */
#ifndef FERRODMA_LOST_H
#define FERRODMA_LOST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Finds the function and the number of the channel. */
static inline bool lost_channel(char function[16], int *number)
{
	const char *name = getenv("FERRODMA_LOST");

	return name && sscanf(name, "%15[a-z]%d", function, number) == 2;
}

#endif /* FERRODMA_LOST_H */
