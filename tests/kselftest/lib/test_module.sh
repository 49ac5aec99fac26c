# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Loads the in-kernel test module, if the machine has a channel for it. The scripts of the tests
# source this file.

# has_test_channel <end of its compatible>
has_test_channel()
{
	grep -q "^OF_COMPATIBLE_.*=ferrodma,[^-]*-$1\$" /sys/bus/platform/devices/*/uevent
}

# Loads it with the parameters given.
load_test_module()
{
	if ! has_test_channel test && ! has_test_channel sg-test; then
		echo "1..0 # SKIP this machine has no channel for the in-kernel tests"
		exit 4
	fi
	insmod "${FERRODMA_MODULES:-/lib/modules/ferrodma}/ferrodma_test.ko" "$@" || exit 1
}

# rebind_test_channel <from> <to>: binds the channels of one driver to another that matches them.
rebind_test_channel()
{
	from=/sys/bus/platform/drivers/$1
	to=/sys/bus/platform/drivers/$2
	for device in "$from"/*; do
		[ -e "$device/of_node" ] || continue
		echo "${device##*/}" >"$from/unbind"
		echo "${device##*/}" >"$to/bind"
	done
}

# run_on_test_channel <function> <command>...: runs the command with the channel bound to the sg
# or to the pool driver of the test module.
run_on_test_channel()
{
	function=$1
	shift
	if ! has_test_channel "$function-test"; then
		echo "1..0 # SKIP this machine has no $function channel for the in-kernel tests"
		exit 4
	fi
	load_test_module selftest=0
	trap 'rmmod ferrodma_test' EXIT
	[ "$function" != pool ] || rebind_test_channel ferrodma_test_sg ferrodma_test_pool
	if [ ! -e "/dev/ferrodma-${function}test0" ]; then
		echo "# there is no channel; the log says why"
		exit 1
	fi
	"$@"
	status=$?

	trap - EXIT
	# The tests must leave nothing that keeps the module loaded.
	rmmod ferrodma_test || status=1
	exit $status
}
