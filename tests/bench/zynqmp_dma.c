// SPDX-License-Identifier: GPL-2.0-or-later

/* The driver of the kernel tree, which Debian leaves out. */

#include "drivers/dma/xilinx/zynqmp_dma.c"
