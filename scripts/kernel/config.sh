#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build the kernel in tests/kernels that FERRODMA_CONFIG names, from the source of Debian's. Called
# by kernel.sh, with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
debian=$(debian_dir)
kernel=$(kernel_dir)
cd "$kernel"
log=$CACHE/$CONFIG-kernel.log

# Beside it in the cache.
debian=../${debian##*/}
ln -s "$debian/source" source
mkdir build guest
ln -s "../$debian/guest/dtbs" "../$debian/guest/busybox" guest/

# configure: allnoconfig, and what is asked for, all of which must be there in the end.
configure() {
	options >build/asked
	kmake -C source O="$kernel/build" KCONFIG_ALLCONFIG="$kernel/build/asked" allnoconfig >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the kernel could not be configured; the whole log is $log"
	}
	grep -vxFf build/.config build/asked >&2 || return 0
	die "Kconfig does not grant these lines of tests/kernels/$CONFIG; each depends on another, or linux $KERNEL_DEB has it no longer"
}

configure

# Trace points of PROVE_LOCKING, which nothing listens to, would be a quarter of all that a guest
# executes: each asks whether RCU watches, and those for interrupts that are turned on and off are
# told the caller's caller, for which arm64 walks the stack.
untraced=$kernel/build/untraced.h
cat >"$untraced" <<END
#define NOTRACE
#include <linux/ftrace.h>
#undef CALLER_ADDR1
#define CALLER_ADDR1 0UL
END

say "building the $CONFIG kernel (once; ten to twenty minutes on two cores)"
{
	seconds=0
	while sleep 1; do
		seconds=$((seconds + 1))
		[ $((seconds % 60)) -ne 0 ] || say "$((seconds / 60)) min: $(tail -n 1 "$log")"
	done
} &
ticker=$!
trap 'kill $ticker' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
kmake -C source O="$kernel/build" CFLAGS_lockdep.o="-include $untraced" \
	CFLAGS_trace_preemptirq.o="-include $untraced" Image modules >>"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	die "the kernel could not be built; the whole log is $log"
}

mv build/arch/arm64/boot/Image guest/vmlinuz
# Modules need headers, tools and symbols, and none of these.
find build -path build/scripts -prune -o \( -name '*.o' -o -name '*.a' -o -name 'vmlinux*' \) -type f -exec rm -f {} +
