#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The in-kernel tests: the test module runs them when it is bound, and writes its
# results to the log.

set -u

. ./test_module.sh
mark="ferrodma kernel_api $$"
echo "$mark" >/dev/kmsg
load_test_module
rmmod ferrodma_test || exit 1

# What the module has said since, without the log's prefix.
dmesg | sed -n "1,/$mark/d; s/^.*ferrodma_test: //p" | tee /tmp/kernel_api
! grep -q '^not ok' /tmp/kernel_api && grep -q '^ok' /tmp/kernel_api
