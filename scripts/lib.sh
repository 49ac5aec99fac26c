# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034
#
# What the scripts share: where things are, how to speak, how to fail, how to wait for another run.
# The sourcing script is in a folder of scripts/, so $0 names the clone.

set -eu

TOP=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
# shellcheck source=scripts/toolchain/versions
. "$TOP/scripts/toolchain/versions"

CACHE=${FERRODMA_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/ferrodma}
# The kernel that all is for: the one in tests/kernels of this name; without a name, Debian's own.
CONFIG=${FERRODMA_CONFIG:-}
BUILD=$TOP/build${CONFIG:+/$CONFIG}
V=${V:-0}

# Everything below calls make afresh with its own variables.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CDPATH
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

[ "$V" = 0 ] || set -x

say() { printf '  %s\n' "$*" >&2; }

# die <what is wrong> [<the one command that helps>]
die() {
	printf 'ferrodma: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf '    %s\n' "$2" >&2
	exit 1
}

# as_root: what goes before a command that only root may run.
as_root() { [ "$(id -u)" -eq 0 ] || printf 'sudo '; }

# plain <what> <path> <command that helps>: kernel builds take no such path.
plain() {
	case $2 in
	*[[:space:]:]*) die "kernel builds allow no space or colon in a path, and $1 is $2:" "$3" ;;
	esac
}

# writable <what> <path> <command that helps>
writable() {
	[ -w "$2" ] || die "$(id -un) cannot write to $1 $2, which belongs to $(stat -c %U -- "$2"):" "$3"
}

# Make the cache and resolve it to one absolute path, since it is mounted at the same place in the
# root. The clone is looked at as well: everything begins here.
make_cache() {
	plain "the clone" "$TOP" "mv '$TOP' <path without them>"
	writable "the clone" "$TOP" "git clone $TOP <folder of your own>"
	[ ! -e "$TOP/build" ] || writable "what was built in" "$TOP/build" "sudo make clean"
	mkdir -p -- "$CACHE" 2>/dev/null ||
		die "$(id -un) cannot make the cache folder $CACHE; name another:" "make FERRODMA_CACHE=<folder> ..."
	CACHE=$(CDPATH='' cd -- "$CACHE" && pwd -P)
	plain "the cache folder" "$CACHE" "make FERRODMA_CACHE=<folder> ..."
	writable "the cache folder" "$CACHE" "make FERRODMA_CACHE=<folder> ..."
	export FERRODMA_CACHE="$CACHE"
}

# A name that changes with what defines a thing, and only then.
key_of() { printf '%s\n' "$*" | sha256sum | cut -c 1-12; }

root_key() {
	# shellcheck disable=SC2086 # the list's white space says nothing
	key_of "$(uname -m)" "$SUITE" "$QEMU_VERSION" $TOOL_PACKAGES "recipe 1"
}

kernel_key() { key_of "$KERNEL_DEB" "$(root_key)" "recipe 2"; }

# True when this system is the toolchain: either the root itself, or a Debian of the same release
# with all of it. dpkg is asked about every package at once, which is quick.
is_toolchain() {
	[ -z "${FERRODMA_INSIDE:-}" ] || return 0
	[ -r /etc/os-release ] || return 1
	# shellcheck disable=SC1091
	( . /etc/os-release && [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = "$SUITE_VERSION" ] ) || return 1
	# shellcheck disable=SC2086,SC2016
	_have=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' $TOOL_PACKAGES 2>/dev/null) || return 1
	# One package may be listed for two architectures; what is not installed has another status.
	for _p in $TOOL_PACKAGES; do
		printf '%s\n' "$_have" | grep -qF "installed $_p " || return 1
	done
	# shellcheck disable=SC2119
	has_pinned_tools
}

# has_pinned_tools [--admindir=<folder>]: the versions that matter are those in
# scripts/toolchain/versions.
# shellcheck disable=SC2120 # root.sh gives the argument
has_pinned_tools() {
	# shellcheck disable=SC2016
	_have=$(dpkg-query ${1:+"$1"} -W -f '${Package} ${Version}\n' 2>/dev/null) || return 1
	printf '%s\n' "$_have" | grep -q "^rustc ${RUSTC_VERSION}+" || return 1
	# Where QEMU is none of the tools, any will do.
	case " $TOOL_PACKAGES " in
	*" qemu-system-arm "*) printf '%s\n' "$_have" | grep -q "^qemu-system-arm ${QEMU_VERSION}\\." ;;
	esac
}

# root_dir: the folder to enter, or / where this system will do.
root_dir() {
	if is_toolchain; then
		echo /
	else
		echo "$CACHE/root-$(root_key)"
	fi
}

debian_dir() { echo "$CACHE/kernel-$KERNEL_DEB-$(kernel_key)"; }

# kernel_dir: the folder of the kernel that all is for. A name in tests/kernels and what Kconfig is
# told there make a key.
kernel_dir() {
	if [ -z "$CONFIG" ]; then
		debian_dir
		return
	fi
	[ -f "$TOP/tests/kernels/$CONFIG" ] ||
		die "FERRODMA_CONFIG: no kernel is called $CONFIG; there are: $(ls "$TOP/tests/kernels")" \
			"make FERRODMA_CONFIG=debug ..."
	echo "$CACHE/$CONFIG-$KERNEL_DEB-$(key_of "$(kernel_key)" "$(options)" "recipe 2")"
}

# options: what the kernel in tests/kernels asks of Kconfig.
options() { grep '^CONFIG_' "$TOP/tests/kernels/$CONFIG"; }

# lock <name>: hold file descriptor 9 until this process ends; the second of two runs waits and says
# so.
lock() {
	[ ! -e "$CACHE/$1.lock" ] || writable "the cache's" "$CACHE/$1.lock" "make FERRODMA_CACHE=<folder> ..."
	exec 9>"$CACHE/$1.lock"
	flock -n 9 && return
	say "another run is making the $1; waiting for it to finish"
	flock 9
}

# lock_build: the same for a build step, since two runs in one clone share build/.
lock_build() {
	mkdir -p "$BUILD"
	[ ! -e "$BUILD/lock" ] || writable "what was built in" "$BUILD/lock" "sudo make clean"
	exec 8>"$BUILD/lock"
	flock -n 8 && return
	say "another run is building in $BUILD; waiting for it to finish"
	flock 8
}

# need_space <KiB> <for what>
need_space() {
	_free=$(df -Pk -- "$CACHE" | awk 'NR == 2 { print $4 }')
	[ "$_free" -ge "$1" ] ||
		die "$2 needs $(($1 / 1000)) MB in $CACHE, where $((_free / 1000)) MB are free; name a roomier folder:" \
			"make FERRODMA_CACHE=<folder> ..."
}

# need_namespaces: nothing to ask for as root.
need_namespaces() {
	[ "$(id -u)" -ne 0 ] || return 0
	unshare --user --map-root-user --map-auto --mount true 2>/dev/null && return
	_user=$(id -un)
	command -v newuidmap >/dev/null ||
		die "not root, and uidmap, without which $_user has no user namespaces, is not installed:" "sudo apt-get install uidmap"
	_line="^\($_user\|$(id -u)\):"
	if ! grep -qs "$_line" /etc/subuid || ! grep -qs "$_line" /etc/subgid; then
		# Behind those of all others.
		_from=$(cat /etc/subuid /etc/subgid 2>/dev/null | awk -F : '$2 + $3 > n { n = $2 + $3 } END { print n ? n : 100000 }')
		_range=$_from-$((_from + 65535))
		die "not root, and $_user has no range in /etc/subuid and /etc/subgid:" \
			"sudo usermod --add-subuids $_range --add-subgids $_range $_user"
	fi
	die "not root, and this kernel gives $_user no user namespaces; run as root:" "sudo make ..."
}

# in_namespace <command>...: own mounts, and root's rights over the files of the root folder.
in_namespace() {
	if [ "$(id -u)" -eq 0 ]; then
		unshare --mount --propagation private -- "$@"
	else
		unshare --user --map-root-user --map-auto --mount --propagation private -- "$@"
	fi
}

# make for the pinned kernel, with the variables that built Debian's own; with clang for another,
# which Rust with KASAN needs.
kmake() {
	if [ -z "$CONFIG" ]; then
		set -- CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc-$GCC_VERSION \
			KERNELRELEASE="$KERNEL_ABI-arm64" "$@"
	else
		set -- LLVM=-$LLVM_VERSION KERNELRELEASE="$KERNEL_ABI-$CONFIG" "$@"
	fi
	make --no-print-directory -j "$(nproc)" ARCH=arm64 LIBCLANG_PATH=/usr/lib/llvm-$LLVM_VERSION/lib V="$V" "$@"
}
