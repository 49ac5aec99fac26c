#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Write rust-project.json at the top of the clone: the kernel's crates as its own generator lists
# them, and ours.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel/kernel.sh")
root=$(root_dir)
if [ "$root" != / ]; then
	export FERRODMA_ROOT="$root"
	exec "$TOP/scripts/toolchain/enter.sh" "$0"
fi

out=$BUILD/rust-analyzer
mkdir -p "$out"
lock_build
kmake -s -C "$kernel/build" M="$TOP" MO="$out" rust-analyzer
"$TOP/scripts/build/rust-project" "$out/rust-project.json" "${FERRODMA_ROOT:-/}" >"$out/complete.json"
mv "$out/complete.json" "$TOP/rust-project.json"
say "rust-project.json written"
