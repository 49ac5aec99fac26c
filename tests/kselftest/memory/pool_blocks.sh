#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The blocks of a pool, on the pool channel of the in-kernel test module.

set -u

. ./test_module.sh
run_on_test_channel pool ./pool_blocks
