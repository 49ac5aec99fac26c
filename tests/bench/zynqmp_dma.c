// SPDX-License-Identifier: GPL-2.0-or-later

/* The kernel tree's driver, which Debian does not build. */

#include "drivers/dma/xilinx/zynqmp_dma.c"
