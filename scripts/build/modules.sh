#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build the modules to build/modules, against Debian's kernel or the prepared tree that KDIR names.
# Further arguments go to kbuild (CLIPPY=1). Runs with the toolchain, or with the host's for a tree
# that was made with that.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

# CONFIG_DEBUG_INFO_BTF_MODULES= below: the type information of a module in Rust is empty, and its
# tool is not quiet.
make_cache
out=${OUT:-$BUILD/modules}

if [ -z "${KDIR:-}" ]; then
	kernel=$("$TOP/scripts/kernel/kernel.sh")
	if ! is_toolchain; then
		exec "$TOP/scripts/toolchain/enter.sh" "$0" "$@"
	fi
	lock_build
	mkdir -p "$out"
	kmake -C "$kernel/build" M="$TOP" MO="$out" CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules
	exit
fi

[ -d "$KDIR" ] || die "KDIR is not a folder: $KDIR" "make KDIR=<prepared kernel tree> modules"
KDIR=$(CDPATH='' cd -- "$KDIR" && pwd -P)
plain KDIR "$KDIR" "mv '$KDIR' <path without them>"
wants=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$KDIR/include/config/auto.conf" 2>/dev/null) || :
if [ -z "$wants" ] || [ ! -e "$KDIR/rust/libkernel.rmeta" ]; then
	die "$KDIR is not prepared for Rust modules (CONFIG_RUST=y); in its source tree:" "make rustavailable modules_prepare"
fi

# A tree takes only the compiler that prepared it: the host's, or else that of the toolchain root.
if [ "$(rustc --version 2>/dev/null)" != "$wants" ]; then
	[ -z "${FERRODMA_INSIDE:-}" ] ||
		die "$KDIR was prepared by '$wants', which is neither on this system nor in the toolchain root; put it in PATH:" \
			"PATH=<folder of that rustc>:\$PATH make KDIR=$KDIR modules"
	FERRODMA_BIND="$KDIR $(readlink -f "$KDIR/source" || :)"
	export KDIR FERRODMA_BIND
	exec "$TOP/scripts/toolchain/enter.sh" "$0" "$@"
fi

lock_build
mkdir -p "$out"
make --no-print-directory -j "$(nproc)" -C "$KDIR" M="$TOP" MO="$out" V="$V" \
	CONFIG_DEBUG_INFO_BTF_MODULES= ${ARCH:+ARCH="$ARCH"} ${CROSS_COMPILE:+CROSS_COMPILE="$CROSS_COMPILE"} ${LLVM:+LLVM="$LLVM"} ${CC:+CC="$CC"} \
	"$@" modules
