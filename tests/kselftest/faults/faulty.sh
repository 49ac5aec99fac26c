#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hardware that goes wrong, on the channels of the in-kernel test module.

set -u

. ./test_module.sh
load_test_module selftest=0
trap 'rmmod ferrodma_test' EXIT
for kind in test sg-test; do
	if has_test_channel $kind && [ ! -e "/dev/ferrodma-$(echo $kind | tr -d -)0" ]; then
		echo "# there is no $kind channel; the log says why"
		exit 1
	fi
done
# faulty_pool.sh runs the tests on the pool channel.
./faulty -V pooltest
