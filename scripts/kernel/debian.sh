#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prepare Debian's kernel for building Rust modules, since its header package lacks the Rust
# metadata, and unpack the image that the guest boots. Called by kernel.sh, with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$(kernel_dir)
cd "$kernel"
log=$CACHE/kernel.log
: >"$log"

say "unpacking linux $KERNEL_DEB (about half a minute)"
mkdir -p unpacked build guest
for deb in debs/*.deb; do
	dpkg-deb -x "$deb" unpacked
done
tar -xf "unpacked/usr/src/linux-source-$KERNEL_SERIES.tar.xz"
mv "linux-source-$KERNEL_SERIES" source

headers=unpacked/usr/src/linux-headers-$KERNEL_ABI-arm64
cp "$headers/.config" "$headers/Module.symvers" "$headers/vmlinux" build/
mv "unpacked/usr/lib/modules/$KERNEL_ABI-arm64/vmlinuz" guest/
mv "unpacked/usr/lib/modules/$KERNEL_ABI-arm64/dtb" guest/dtbs
mv unpacked/usr/bin/busybox guest/

say "preparing the kernel tree (about a minute)"
kmake -C source O="$kernel/build" olddefconfig modules_prepare >>"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	die "the kernel tree could not be prepared; the whole log is $log"
}
"$TOP/scripts/kernel/parity.sh" "$kernel/build"

rm -rf debs unpacked
