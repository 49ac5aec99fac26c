#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prepare Debian's kernel for building Rust modules, since its header package lacks the Rust metadata, and unpack
# the image that the guest boots. Prints the folder, which holds source/, build/ and guest/.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

make_cache
kernel=$(kernel_dir)
if [ -e "$kernel/complete" ]; then
	echo "$kernel"
	exit
fi

if [ -z "${FERRODMA_PREPARE:-}" ]; then
	# Outside: one of two runs does it, with the toolchain.
	"$TOP/scripts/root.sh" >/dev/null
	lock kernel
	if [ ! -e "$kernel/complete" ]; then
		need_space "$KERNEL_KIB" "the kernel tree"
		# Its files name its path, so it is made in place; the stamp, written last, says that it is whole.
		rm -rf -- "$kernel"
		trap '[ -e "$kernel/complete" ] || rm -rf -- "$kernel"' EXIT
		trap 'say "interrupted; removing what was made so far"; exit 130' INT
		trap 'exit 143' TERM HUP
		"$TOP/scripts/fetch.sh" "$kernel/debs"
		FERRODMA_PREPARE=1 "$TOP/scripts/enter.sh" "$TOP/scripts/kernel.sh" 9>&-
	fi
	echo "$kernel"
	exit
fi

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
"$TOP/scripts/parity.sh" "$kernel/build"

rm -rf debs unpacked
touch complete
say "kernel tree ready"
