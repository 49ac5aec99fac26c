// SPDX-License-Identifier: GPL-2.0

/*
 * Exports the helper's Rust symbols to the drivers. The build system knows no
 * Rust dependencies between modules yet; the list is made by Kbuild from what
 * the drivers leave undefined.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
