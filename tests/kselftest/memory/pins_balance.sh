#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The last of the tests: what they have pinned is unpinned, as pins.c tells it.

exec ./pins balance
