#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A fault at each place of a queue and of a list, on the channels of the in-kernel test module.

set -u

. ./test_module.sh
load_test_module selftest=0
trap 'rmmod ferrodma_test' EXIT
./sweep
