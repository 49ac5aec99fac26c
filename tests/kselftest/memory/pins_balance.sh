#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The last of the tests: checks that all pages that the tests have pinned are unpinned.

exec ./pins balance
