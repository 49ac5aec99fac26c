#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a lost interrupt does on a pool channel, which an overlay brings.

set -u

. ./lost_channel.sh
run_on_lost_channel pool ./lost_irq
