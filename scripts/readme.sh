#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The examples in README.md, its blocks of C, must be tests/example_*.c in the order of their names, which the suite
# compiles and runs.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

cd "$TOP"
cat tests/example_*.c >build/examples.c
awk '/^```/ { on = $0 == "```c"; next } on' README.md | diff -u build/examples.c - ||
	die "the examples in README.md are not tests/example_*.c"
