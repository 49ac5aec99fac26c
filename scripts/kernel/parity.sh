#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# parity.sh <build tree>: the Rust symbols that a module would link to must be those of Debian's
# kernel. Their names carry the compiler's hash of the crate, so one that is missing says that
# compiler or configuration differ. Without MODVERSIONS nothing else would notice before insmod, or
# worse, after it.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

tree=$1
ours=$(sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$tree"/rust/exports_*_generated.h | sort -u)
[ -n "$ours" ] || die "no Rust symbols in $tree/rust: the tree was prepared without CONFIG_RUST"

missing=$(printf '%s\n' "$ours" | awk '
	NR == FNR { has[$2] = 1; next }
	!($1 in has)' "$tree/Module.symvers" -)
[ -n "$missing" ] || exit 0

printf '%s\n' "$missing" | head -n 5 >&2
die "$(printf '%s\n' "$missing" | wc -l) of $(printf '%s\n' "$ours" | wc -l) Rust symbols (the first are above) are not in Debian's $KERNEL_ABI kernel, so the modules would not load: compiler or configuration differ. Debian used rustc $RUSTC_VERSION, and this tree was prepared by $(rustc --version 2>/dev/null || echo 'none'). With that compiler in place, remove the tree and have it made again:" \
	"rm -rf ${tree%/build}"
