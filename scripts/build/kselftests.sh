#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build the kselftests and install them with the kernel's own runner to build/kselftest. Runs with
# the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
ksrc=$("$TOP/scripts/kernel/kernel.sh")/source
out=$BUILD/kselftest
mkdir -p "$BUILD/tests"
lock_build

run() {
	make --no-print-directory -j "$(nproc)" -C "$TOP/tests/kselftest" OUTPUT="$BUILD/tests" KSRC="$ksrc" ARCH=arm64 \
		CC="aarch64-linux-gnu-gcc-$GCC_VERSION" CROSS_COMPILE=aarch64-linux-gnu- \
		CC32="arm-linux-gnueabihf-gcc-$GCC_VERSION" "$@"
}

if [ "$V" = 0 ]; then quiet=-s; else quiet=; fi

# A test that the Makefile no longer names must not stay installed.
rm -rf -- "$out"
say "CC      tests"
run $quiet INSTALL_PATH="$out/ferrodma" install
run -s COLLECTION=ferrodma emit_tests >"$out/kselftest-list.txt"
cp -r "$ksrc/tools/testing/selftests/kselftest" "$ksrc/tools/testing/selftests/run_kselftest.sh" "$out/"
