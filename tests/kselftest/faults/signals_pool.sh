#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What signals, SIGSTOP, freezers and debuggers do to programs that wait for jobs of a pool channel, which an
# overlay brings.

set -u

. ./lost_channel.sh
run_on_lost_channel pool ./signals
