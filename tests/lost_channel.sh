# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs a test program on a channel whose interrupt number in the device tree is
# wrong. Such a channel fails its probe-time proof, so the driver is loaded
# without the proof here; the channel that only then appears is the one. Read by
# the scripts of the tests.

modules=${FERRODMA_MODULES:-/lib/modules/ferrodma}
driver=ferrodma_coherent
function=coherent

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
	for device in /sys/bus/platform/devices/*; do
		[ -e "$device/driver" ] && continue
		[ -e "$device/of_node/compatible" ] || continue
		tr '\0' '\n' <"$device/of_node/compatible" |
			grep -q "^ferrodma,.*-$function\$" && echo "${device##*/}"
	done
	return 0
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

run_on_lost_channel()
{
	before=$(channels)
	[ "$before" != " " ] || fail "no /dev/ferrodma-$function device: is $driver loaded?"
	if [ -z "$(unbound)" ]; then
		echo "# this machine has no channel that loses interrupts"
		echo "1..0 # SKIP this machine has no channel that loses interrupts"
		exit 4
	fi

	# Whatever comes, leave the driver as it was found.
	trap 'load' EXIT
	load selftest=0 || fail "cannot load $driver with selftest=0"
	lost=$(find_lost "$before")
	[ -n "$lost" ] || fail "stays unbound even with selftest=0: $(unbound)"

	FERRODMA_LOST=$lost "$@"
	status=$?

	trap - EXIT
	load || fail "cannot load $driver again"
	[ "$(channels)" = "$before" ] || fail "channels now:$(channels), before:$before"
	exit $status
}
