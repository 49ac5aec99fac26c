#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# RLIMIT_MEMLOCK with jobs in flight, on the sg channel of the in-kernel test module.

set -u

. ./test_module.sh
if ! has_test_channel sg-test; then
	echo "1..0 # SKIP this machine has no sg channel for the in-kernel tests"
	exit 4
fi
load_test_module selftest=0
trap 'rmmod ferrodma_test' EXIT
if [ ! -e /dev/ferrodma-sgtest0 ]; then
	echo "# there is no channel; the log says why"
	exit 1
fi
./sg_memlock
