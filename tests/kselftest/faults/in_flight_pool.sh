#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# CANCEL, signals, close() and unbind while the hardware has the job of a pool channel, which an
# overlay brings.

set -u

. ./lost_channel.sh
run_on_lost_channel pool ./in_flight
