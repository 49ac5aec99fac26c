#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# enter.sh <command>...: run a command with the toolchain. Where the host lacks it, that is inside
# the toolchain root, which sees the clone and the cache (and the folders named in FERRODMA_BIND)
# where the host has them.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
root=$(root_dir)
[ "$root" != / ] || exec "$@"
[ -d "$root" ] || root=$("$TOP/scripts/toolchain/root.sh")
need_namespaces

export FERRODMA_INSIDE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH PYTHONHOME

# A file system of its own on /tmp first: the clone may be a folder of the host's /tmp.
# shellcheck disable=SC2016
set -- 'set -eu
	root=$1 here=$2 binds=$3
	shift 3
	mount --bind "$root" "$root"
	mount --rbind /proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	for d in $binds; do
		mkdir -p "$root$d"
		mount --rbind "$d" "$root$d"
	done
	exec chroot "$root" /bin/sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$here" "$@"' \
	sh "$root" "$(pwd -P)" "$TOP $CACHE ${FERRODMA_BIND:-}" "$@"

if [ "$(id -u)" -eq 0 ]; then
	exec unshare --mount --propagation private -- /bin/sh -c "$@"
fi
exec unshare --user --map-root-user --map-auto --mount --propagation private -- /bin/sh -c "$@"
