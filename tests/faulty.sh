#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hardware that goes wrong, on the channel of the in-kernel test module.

set -u

. ./test_module.sh
load_test_module
trap 'rmmod ferrodma_test' EXIT
if [ ! -e /dev/ferrodma-test0 ]; then
	echo "# the in-kernel tests have failed, so there is no channel; see kernel_api.sh"
	exit 1
fi
./faulty
