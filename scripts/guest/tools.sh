#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Have what a person wants in a guest, and the tests do not: strace, and the libraries of programs
# that are not static. Prints its folder, which holds root/. Made once for all clones.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
tools=$CACHE/tools-$(key_of "$SUITE" "$STRACE_DEB" "recipe 1")
if [ -e "$tools/complete" ]; then
	echo "$tools"
	exit
fi

lock tools
if [ ! -e "$tools/complete" ]; then
	rm -rf -- "$tools"
	trap '[ -e "$tools/complete" ] || rm -rf -- "$tools"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	"$TOP/scripts/toolchain/fetch.sh" tools "$tools/debs"
	libraries=usr/lib/aarch64-linux-gnu
	mkdir -p "$tools/root/lib" "$tools/root/usr/bin" "$tools/root/$libraries"
	for deb in "$tools"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tools/unpacked"
	done
	cp "$tools/unpacked/usr/bin/strace" "$tools/root/usr/bin/"
	cp -P "$tools/unpacked/$libraries"/*.so* "$tools/root/$libraries/"
	# Where programs expect it.
	cp -L "$tools/unpacked/$libraries/ld-linux-aarch64.so.1" "$tools/root/lib/"
	rm -rf -- "$tools/debs" "$tools/unpacked"
	touch "$tools/complete"
fi
echo "$tools"
