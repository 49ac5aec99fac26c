#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a lost interrupt does to a job, its channel, and other channels.

set -u

. ./lost_channel.sh
run_on_lost_channel coherent ./lost_irq
