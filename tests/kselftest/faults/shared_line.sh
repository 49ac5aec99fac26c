#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Two devices on one interrupt line, one of them the test module's.

set -u

. ./lost_channel.sh
. ./test_module.sh

# shellcheck disable=SC2317 # called by run_on_lost_channel
with_test_module()
{
	load_test_module selftest=0
	[ -e /dev/ferrodma-test0 ] || fail "there is no channel; the log says why"
	./shared_line
	status=$?
	rmmod ferrodma_test || status=1
	return "$status"
}

run_on_lost_channel coherent with_test_module
