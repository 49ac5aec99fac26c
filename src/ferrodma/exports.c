// SPDX-License-Identifier: GPL-2.0

/*
 * Exports the helper's Rust symbols to drivers, in this tree or elsewhere. The build system does
 * not know Rust dependencies between modules yet; Kbuild generates the list of the symbols that
 * rustc makes visible to other crates.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
