#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# CANCEL, signals, close() and unbind while the hardware has the job.

set -u

. ./lost_channel.sh
run_on_lost_channel coherent ./in_flight
