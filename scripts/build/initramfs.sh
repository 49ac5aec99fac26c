#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Pack what the guest boots into build/initramfs.cpio: busybox, the modules, the kselftests. Not
# compressed, since reading it costs the guest less than unpacking. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
guest=$("$TOP/scripts/kernel/kernel.sh")/guest
root=$BUILD/initramfs
lock_build

say "CPIO    build/initramfs.cpio"
rm -rf -- "$root"
mkdir -p "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/etc" "$root/root" "$root/tmp" "$root/run" \
	"$root/dev" "$root/proc" "$root/sys" "$root/lib/modules/ferrodma"
cp "$guest/busybox" "$root/bin/"
cp "$TOP/scripts/guest/init" "$root/init"
# Tests become this user by number, and a person by su.
echo 'root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:without rights:/tmp:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
user:x:1000:' >"$root/etc/group"
cp "$TOP/scripts/guest/timeout" "$TOP/scripts/guest/aftermath" "$root/usr/bin/"

# modules.order names what this build made, and no leftover of another.
sed -n 's/o$/ko/p' "$BUILD/modules/modules.order" | while read -r ko; do
	aarch64-linux-gnu-strip --strip-debug -o "$root/lib/modules/ferrodma/${ko##*/}" "$BUILD/modules/${ko##*/}"
done
# Drivers that are built elsewhere, where a test that is run wants them.
for folder in outside stale; do
	[ -e "$BUILD/$folder/ferrodma_outside_test.ko" ] || continue
	mkdir "$root/lib/modules/ferrodma/$folder"
	aarch64-linux-gnu-strip --strip-debug -o "$root/lib/modules/ferrodma/$folder/ferrodma_outside_test.ko" \
		"$BUILD/$folder/ferrodma_outside_test.ko"
done

cp -r "$BUILD/kselftest" "$root/kselftest"
find "$root/kselftest/ferrodma" -type f -exec sh -c '
	for f; do
		! head -c 4 "$f" | grep -q ELF || aarch64-linux-gnu-strip --strip-debug "$f"
	done' sh {} +

# Whatever the umask was here, that user may look at it all.
chmod -R u=rwX,go=rX "$root"

cd "$root"
find . | LC_ALL=C sort | cpio --quiet -o -H newc --owner 0:0 --reproducible >"$BUILD/initramfs.cpio.part"
mv "$BUILD/initramfs.cpio.part" "$BUILD/initramfs.cpio"
