# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs a test program on a channel whose interrupt number in the device tree is wrong. Such a
# channel fails its self-test, so that the driver is loaded without self-test here; the channel
# that appears only then is the one to test. The driver is also told not to poll. A coherent channel
# of this kind is in the device tree, the others come with an overlay. The scripts of the tests
# source this file.
#
# One function at a time: a coherent channel of this kind listens to the interrupt line that the
# hardware of the others raises.

modules=${FERRODMA_MODULES:-/lib/modules/ferrodma}
overlays=/proc/device-tree/ferrodma-overlays

fail()
{
	echo "# $*"
	exit 1
}

# Prints all nodes of the function, each between spaces.
channels()
{
	printf ' '
	for node in /dev/ferrodma-"$function"*; do
		[ -e "$node" ] && printf '%s ' "${node#/dev/ferrodma-}"
	done
	return 0
}

# Prints the devices that match the driver and are not bound.
unbound()
{
	grep -l "^OF_COMPATIBLE_.*=ferrodma,.*-$function\$" /sys/bus/platform/devices/*/uevent |
		while read -r event; do
			device=${event%/uevent}
			[ -e "$device/driver" ] || echo "${device##*/}"
		done
}

# load [<parameter>...]: loads the driver again.
load()
{
	rmmod "$driver" && insmod "$modules/$driver.ko" "$@"
}

# find_lost <nodes>: prints the first channel that is not among these.
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

# Loads the driver as it was before, even if a test or a step has failed.
restore()
{
	trap - EXIT
	! grep -q '^ferrodma_overlay_test ' /proc/modules || rmmod ferrodma_overlay_test || return
	load
}

# run_on_lost_channel <function> <command>...: runs the command with the name of such a channel in
# FERRODMA_LOST.
run_on_lost_channel()
{
	function=$1
	driver=ferrodma_$1
	shift
	before=$(channels)
	[ "$before" != " " ] || fail "no /dev/ferrodma-$function device: is $driver loaded?"
	if [ "$function" != coherent ] && [ -e $overlays/lost ]; then
		trap restore EXIT
		insmod "$modules/ferrodma_overlay_test.ko" name=lost ||
			fail "cannot apply the overlay"
		[ -n "$(unbound)" ] || fail "the channel of the overlay does not lose interrupts"
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
