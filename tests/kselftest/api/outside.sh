#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Drivers that were not built together with the helper: one was built later, against the helper
# that is loaded, and one was built against another helper.

set -u

. ./test_module.sh
modules=${FERRODMA_MODULES:-/lib/modules/ferrodma}
if ! has_test_channel test; then
	echo "1..0 # SKIP this machine has no channel for the in-kernel tests"
	exit 4
fi
echo "KTAP version 1"
echo "1..2"
failed=0

# report <number> <name> <exit status>
report()
{
	if [ "$3" -eq 0 ]; then
		echo "ok $1 $2"
	else
		echo "not ok $1 $2"
		failed=1
	fi
}

# The probe of this driver calls all functions that the helper exports; there is a device only if
# all succeed.
loads_and_moves_bytes()
{
	insmod "$modules/outside/ferrodma_outside_test.ko" || return
	[ -e /dev/ferrodma-outside0 ]
	found=$?
	rmmod ferrodma_outside_test && return $found
}

# The kernel must also log that it refuses the module for its symbols.
stale_is_refused()
{
	mark="ferrodma outside $$"
	echo "$mark" >/dev/kmsg
	if insmod "$modules/stale/ferrodma_outside_test.ko"; then
		rmmod ferrodma_outside_test
		return 1
	fi
	dmesg | sed "1,/$mark/d" | grep -q 'ferrodma_outside_test: Unknown symbol _R.* (err -2)'
}

loads_and_moves_bytes
report 1 driver_from_elsewhere_links_and_moves_bytes $?
stale_is_refused
report 2 driver_of_another_helper_is_refused $?
exit $failed
