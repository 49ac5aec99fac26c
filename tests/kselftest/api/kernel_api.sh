#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The in-kernel tests: the test module runs them when it is bound, and logs their results.

set -u

. ./test_module.sh
mark="ferrodma kernel_api $$"
echo "$mark" >/dev/kmsg
load_test_module
rebind_test_channel ferrodma_test_sg ferrodma_test_pool
rmmod ferrodma_test || exit 1

# The lines that the module has logged since, without their prefix: for each channel a plan, and
# then the results, which have no numbers.
dmesg | sed -n "1,/$mark/d; s/^.*ferrodma_test: //p" >/tmp/kernel_api
echo "KTAP version 1"
awk '
/^1\.\./ { planned += substr($1, 4) }
/^(not )?ok / { sub(/ok /, "ok " ++run " "); lines = lines $0 "\n"; bad += /^not/ }
END {
	printf "1..%d\n%s", planned, lines
	exit bad || !planned || run != planned
}' /tmp/kernel_api
