#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a lost interrupt does on an sg channel, which an overlay brings.

set -u

. ./lost_channel.sh
run_on_lost_channel sg ./lost_irq
