#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Pack what a person's guest boots into build/with.cpio: that of the tests, which is built, the
# tools of tools.sh, and what WITH names, a program or what is in a folder, at /with.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
tools=$("$TOP/scripts/guest/tools.sh")
root=$BUILD/with
lock_build
rm -rf -- "$root"
mkdir -p "$root/with"
cp -r "$tools/root/." "$root/"
# The toolchain root does not see it where it is. A folder is copied with what its links lead to.
if [ -d "${WITH:-}" ]; then
	cp -rL -- "$WITH/." "$root/with/"
elif [ -n "${WITH:-}" ]; then
	cp -L -- "$WITH" "$root/with/"
fi
# Every user of the guest may look at it.
chmod -R u=rwX,go=rX "$root"

# The kernel unpacks one archive behind the other.
# shellcheck disable=SC2016 # the arguments are those of the inner shell
"$TOP/scripts/toolchain/enter.sh" sh -c 'cd "$1" && find . | LC_ALL=C sort |
	cpio --quiet -o -H newc --owner 0:0 --reproducible | cat "$2/initramfs.cpio" - >"$2/with.cpio"' sh "$root" "$BUILD"
