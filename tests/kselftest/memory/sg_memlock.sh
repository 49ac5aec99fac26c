#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# RLIMIT_MEMLOCK with jobs in flight, on the sg channel of the in-kernel test module.

set -u

. ./test_module.sh
run_on_test_channel sg ./sg_memlock
