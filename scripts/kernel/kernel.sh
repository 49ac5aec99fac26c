#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Have the kernel that all is for: Debian's (debian.sh), or the one in tests/kernels that
# FERRODMA_CONFIG names (config.sh). Prints its folder, which holds source/, build/ and guest/. Made
# once for all clones.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$(kernel_dir)
# Every other kernel is made of the source of Debian's.
[ -z "$CONFIG" ] || FERRODMA_CONFIG='' "$TOP/scripts/kernel/kernel.sh" >/dev/null
if [ -e "$kernel/complete" ]; then
	echo "$kernel"
	exit
fi

# One of two runs does it, with the toolchain.
"$TOP/scripts/toolchain/root.sh" >/dev/null
lock "${CONFIG:+$CONFIG-}kernel"
if [ ! -e "$kernel/complete" ]; then
	need_space "$KERNEL_KIB" "the kernel tree"
	# Its files name its path, so it is made in place; the stamp, written last, says that it is
	# whole.
	rm -rf -- "$kernel"
	trap '[ -e "$kernel/complete" ] || rm -rf -- "$kernel"' EXIT
	trap 'say "interrupted; removing what was made so far"; exit 130' INT
	trap 'exit 143' TERM HUP
	if [ -z "$CONFIG" ]; then
		"$TOP/scripts/toolchain/fetch.sh" kernel "$kernel/debs"
		"$TOP/scripts/toolchain/enter.sh" "$TOP/scripts/kernel/debian.sh" 9>&-
	else
		mkdir "$kernel"
		"$TOP/scripts/toolchain/enter.sh" "$TOP/scripts/kernel/config.sh" 9>&-
	fi
	touch "$kernel/complete"
	say "kernel tree ready"
fi
echo "$kernel"
