#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Make the toolchain root: a folder with the tools that built Debian's kernel, for hosts that lack
# them. Prints its path, or / where this system has the tools. Made aside and renamed, so it is
# whole or absent.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"
# shellcheck source=scripts/toolchain/apt.sh
. "$TOP/scripts/toolchain/apt.sh"

make_cache
root=$(root_dir)
if [ "$root" = / ] || [ -d "$root" ]; then
	echo "$root"
	exit
fi

[ "$(uname -m)" = x86_64 ] ||
	die "this host is $(uname -m), and the toolchain root is for amd64. Debian $SUITE_VERSION on arm64 builds with its own tools, of which not all are installed, or not with rustc $RUSTC_VERSION:" \
		"$(as_root)apt-get install --no-install-recommends $TOOL_PACKAGES"
need_namespaces

if ! command -v mmdebstrap >/dev/null; then
	[ "$(id -u)" -eq 0 ] || die "mmdebstrap is missing:" "sudo apt-get install mmdebstrap"
	say "installing mmdebstrap"
	mkdir -p "$BUILD"
	{ apt-get update && apt-get install -y --no-install-recommends mmdebstrap; } >"$BUILD/apt.log" 2>&1 </dev/null || {
		tail -n 5 "$BUILD/apt.log" >&2
		die "apt of this system cannot install mmdebstrap, for what it says above:" "apt-get install mmdebstrap"
	}
fi

lock root
if [ -d "$root" ]; then
	echo "$root"
	exit
fi
need_space $((ROOT_KIB + KERNEL_KIB)) "the toolchain with the kernel tree"

part=$root.part
prefs=$root.prefs
log=$CACHE/root.log

job=

# End mmdebstrap, and remove what it made. Files may belong to mapped users; and never across a
# mount.
sweep() {
	if [ -n "$job" ]; then
		kill -KILL "$job" 2>/dev/null || :
		wait "$job" 2>/dev/null || :
		job=
	fi
	rm -f -- "$prefs" "$root.sources"
	# What is being killed may still add a file.
	for _try in 1 2 3 4 5; do
		[ -e "$part" ] || break
		in_namespace rm -rf --one-file-system -- "$part" 2>/dev/null || sleep 1
	done
}
sweep
trap sweep EXIT
trap 'say "interrupted; removing what was made so far"; exit 130' INT
trap 'exit 143' TERM HUP

base=$(mirror)
cat >"$prefs" <<END
Package: qemu-system-arm qemu-system-common qemu-system-data
Pin: version $QEMU_VERSION.*
Pin-Priority: 990
END

packages=$(echo "$TOOL_PACKAGES" | tr ' ' ,)
# shellcheck disable=SC2016 # $1 is for the shell of the hook
set -- mmdebstrap --variant=apt --keyring="$(keyring)" --include="$packages" \
	--aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::http::Timeout "30"' \
	--dpkgopt='force-unsafe-io' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
	--setup-hook="cp '$prefs' \"\$1/etc/apt/preferences.d/ferrodma\"" \
	"$SUITE" "$part" -
if [ "$(id -u)" -eq 0 ]; then
	# A process namespace: when its first process is killed the rest and their mounts go too.
	set -- unshare --mount --pid --fork --kill-child --mount-proc --propagation private -- "$@" --mode=root
else
	set -- "$@" --mode=unshare
fi

say "making the toolchain root in $CACHE (once; about two minutes)"
sources "$base" >"$root.sources"
"$@" <"$root.sources" >"$log" 2>&1 9>&- &
job=$!
seconds=0
while kill -0 "$job" 2>/dev/null; do
	sleep 1
	seconds=$((seconds + 1))
	[ $((seconds % 10)) -ne 0 ] || say "$seconds s: $(sed -n 's/^I: //p' "$log" | tail -n 1)"
done
done=$job
job=
wait "$done" || explain "$log" "$base" "the toolchain"
has_pinned_tools --admindir="$part/var/lib/dpkg" || {
	echo "E: rustc $RUSTC_VERSION or qemu-system-arm $QEMU_VERSION was not found" >>"$log"
	explain "$log" "$base" "the toolchain"
}

mv -- "$part" "$root"
say "toolchain root ready after $seconds s"
echo "$root"
