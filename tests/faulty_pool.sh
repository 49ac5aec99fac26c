#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hardware that goes wrong, on the pool channel of the in-kernel test module.

set -u

. ./test_module.sh
load_pool_channel
./faulty -v pooltest
status=$?

unload_pool_channel || status=1
exit $status
