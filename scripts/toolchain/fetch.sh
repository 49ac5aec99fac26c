#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh kernel|tools <folder>: download the pinned kernel's packages and the guest's busybox into
# the folder, or strace with all that it depends on. The host's apt does it with lists of its own,
# so it verifies every byte and touches nothing of the system.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"
# shellcheck source=scripts/toolchain/apt.sh
. "$TOP/scripts/toolchain/apt.sh"

make_cache
what=$1 folder=$2
log=$CACHE/fetch.log
state=$(mktemp -d "$CACHE/apt.XXXXXX")
trap 'rm -rf -- "$state"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

base=$(mirror)
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/etc/preferences.d" "$folder"
: >"$state/status"
sources "$base" >"$state/etc/sources.list"
cat >"$state/apt.conf" <<END
Dir::State "$state";
Dir::State::status "$state/status";
Dir::State::lists "$state/lists";
Dir::Cache "$state/cache";
Dir::Etc::sourcelist "$state/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::http::Timeout "30";
Acquire::Retries "2";
END
apt_get() { APT_CONFIG=$state/apt.conf apt-get -q "$@" >>"$log" 2>&1 </dev/null; }

: >"$log"
say "fetching the package lists of Debian $SUITE"
apt_get update --error-on=any || explain "$log" "$base" "the package lists"

case $what in
kernel)
	say "fetching linux $KERNEL_DEB (source, headers, image; 190 MB) and busybox"
	cd "$folder"
	apt_get download \
		"linux-source-$KERNEL_SERIES=$KERNEL_DEB" \
		"linux-headers-$KERNEL_ABI-arm64=$KERNEL_DEB" \
		"linux-binary-$KERNEL_ABI-arm64=$KERNEL_DEB" \
		"linux-base-$KERNEL_ABI-arm64=$KERNEL_DEB" \
		busybox-static || explain "$log" "$base" "linux $KERNEL_DEB"
	;;
tools)
	say "fetching strace $STRACE_DEB and its libraries (4 MB)"
	apt_get install -y --download-only --no-install-recommends "strace=$STRACE_DEB" ||
		explain "$log" "$base" "strace $STRACE_DEB"
	mv "$state"/cache/archives/*.deb "$folder/"
	;;
*) die "fetch.sh kernel|tools <folder>" ;;
esac
