# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs a test program on a channel whose interrupt number in the device tree is
# wrong. Such a channel fails its probe-time proof, so the driver is loaded
# without the proof here; the channel that only then appears is the one. Nor may it
# poll for what the interrupt should tell. A coherent one is there from the start,
# others come with an overlay. Read by the scripts of the tests.

modules=${FERRODMA_MODULES:-/lib/modules/ferrodma}
overlays=/proc/device-tree/ferrodma-overlays

fail()
{
	echo "# $*"
	exit 1
}

# All nodes of the function, each between spaces.
channels()
{
	printf ' '
	for node in /dev/ferrodma-"$function"*; do
		[ -e "$node" ] && printf '%s ' "${node#/dev/ferrodma-}"
	done
	return 0
}

# Devices that the driver would take, and has not.
unbound()
{
	grep -l "^OF_COMPATIBLE_.*=ferrodma,.*-$function\$" /sys/bus/platform/devices/*/uevent |
		while read -r event; do
			device=${event%/uevent}
			[ -e "$device/driver" ] || echo "${device##*/}"
		done
}

load()
{
	rmmod "$driver" && insmod "$modules/$driver.ko" "$@"
}

# Name of the first channel that is not among the given ones.
find_lost()
{
	for channel in $(channels); do
		case "$1" in
		*" $channel "*) ;;
		*)
			echo "$channel"
			return
			;;
		esac
	done
}

# Whatever has come, leave the driver as it was found.
restore()
{
	trap - EXIT
	! grep -q '^ferrodma_overlay_test ' /proc/modules || rmmod ferrodma_overlay_test || return
	load
}

# run_on_lost_channel <function> <command>...
run_on_lost_channel()
{
	function=$1
	driver=ferrodma_$1
	shift
	before=$(channels)
	[ "$before" != " " ] || fail "no /dev/ferrodma-$function device: is $driver loaded?"
	if [ "$function" != coherent ] && [ -e $overlays/lost ]; then
		trap restore EXIT
		insmod "$modules/ferrodma_overlay_test.ko" name=lost || fail "cannot apply the overlay"
		[ -n "$(unbound)" ] || fail "the channel that the overlay brings does not lose interrupts"
	fi
	if [ -z "$(unbound)" ]; then
		echo "# this machine has no channel that loses interrupts"
		echo "1..0 # SKIP this machine has no channel that loses interrupts"
		exit 4
	fi

	trap restore EXIT
	load selftest=0 poll_bytes=0 || fail "cannot load $driver with selftest=0"
	lost=$(find_lost "$before")
	[ -n "$lost" ] || fail "stays unbound even with selftest=0: $(unbound)"

	export FERRODMA_LOST="$lost"
	"$@"
	status=$?

	restore || fail "cannot load $driver again"
	[ "$(channels)" = "$before" ] || fail "channels now:$(channels), before:$before"
	exit $status
}
