#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fmt.sh [--check]: format the Rust sources by the kernel's settings, or say which are not. Runs
# with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel/kernel.sh")
find "$TOP/src" "$TOP/tests" -name '*.rs' -exec \
	rustfmt --edition 2021 --config-path "$kernel/source/.rustfmt.toml" "$@" {} +
