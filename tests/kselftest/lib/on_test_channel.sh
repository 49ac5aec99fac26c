#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the program of this script's name, such as sg_held for sg_held.sh, on the channel that the
# in-kernel test module has of the function with which the name begins. The Makefile installs it
# under the name of each such program.

set -u

. ./test_module.sh
program=$(basename "$0" .sh)
run_on_test_channel "${program%%_*}" "./$program"
