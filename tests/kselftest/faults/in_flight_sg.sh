#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# CANCEL, signals, close() and unbind while the hardware has the job of an sg channel, which an
# overlay brings.

set -u

. ./lost_channel.sh
run_on_lost_channel sg ./in_flight
