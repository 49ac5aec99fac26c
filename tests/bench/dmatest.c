// SPDX-License-Identifier: GPL-2.0-only

/* The kernel tree's client of its DMA drivers, which Debian leaves out. */

#include "drivers/dma/dmatest.c"
