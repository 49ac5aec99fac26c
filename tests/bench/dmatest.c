// SPDX-License-Identifier: GPL-2.0-only

/* The kernel tree's test client for DMA drivers, which Debian does not build. */

#include "drivers/dma/dmatest.c"
