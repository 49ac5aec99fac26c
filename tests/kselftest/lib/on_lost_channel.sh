#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the program of this script's name on a channel whose interrupt is lost: lost_irq.sh runs
# lost_irq on a coherent channel, lost_irq_sg.sh on an sg channel, and lost_irq_pool.sh on a pool
# channel. The Makefile installs it under all names of this kind.

set -u

. ./lost_channel.sh
name=$(basename "$0" .sh)
case $name in
*_sg | *_pool) run_on_lost_channel "${name##*_}" "./${name%_*}" ;;
*) run_on_lost_channel coherent "./$name" ;;
esac
