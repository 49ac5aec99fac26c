// SPDX-License-Identifier: GPL-2.0

/*
 * Exports the helper's Rust symbols to drivers, in this tree or elsewhere. The
 * build system knows no Rust dependencies between modules yet; Kbuild makes the
 * list of what rustc lets other crates reach.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
