#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Jobs that wait behind a paused one, on the sg channel of the in-kernel test module.

set -u

. ./test_module.sh
run_on_test_channel sg ./sg_held
