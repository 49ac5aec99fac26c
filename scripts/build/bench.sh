#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build what only the benchmark needs, on top of a guest that is built: the modules that ferrodma is
# compared with to build/bench/modules, and build/bench/initramfs.cpio. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel/kernel.sh")
out=$BUILD/bench
lock_build
mkdir -p "$out/modules"

kmake -C "$kernel/build" M="$TOP/tests/bench" MO="$out/modules" CONFIG_DEBUG_INFO_BTF_MODULES= \
	KBUILD_EXTRA_SYMBOLS="$BUILD/modules/Module.symvers" modules

say "CC      tests/bench"
root=$out/initramfs
rm -rf -- "$root"
mkdir -p "$root/bench"
for name in users scale; do
	"aarch64-linux-gnu-gcc-$GCC_VERSION" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Wno-sign-compare -static -s \
		-I"$TOP/src/uapi" -I"$TOP/tests/kselftest/lib" -I"$TOP/tests/bench" -o "$root/bench/$name" "$TOP/tests/bench/$name.c"
done
cp "$TOP/tests/bench/guest" "$TOP/tests/bench/dmatest" "$root/bench/"
for ko in "$out"/modules/*.ko; do
	aarch64-linux-gnu-strip --strip-debug -o "$root/bench/${ko##*/}" "$ko"
done

# QEMU's, and so the host's.
"gcc-$GCC_VERSION" -std=gnu11 -O2 -Wall -Wextra -Wshadow -shared -fPIC -fvisibility=hidden -o "$out/plugin.so" \
	"$TOP/tests/bench/plugin.c"

# The kernel unpacks one archive behind the other.
say "CPIO    build/bench/initramfs.cpio"
cd "$root"
find bench | LC_ALL=C sort | cpio --quiet -o -H newc --owner 0:0 --reproducible |
	cat "$BUILD/initramfs.cpio" - >"$out/initramfs.cpio.part"
mv "$out/initramfs.cpio.part" "$out/initramfs.cpio"
