#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The example in README.md, its one block of C, must be tests/example_coherent.c, which the suite compiles and runs.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

cd "$TOP"
awk '/^```/ { on = $0 == "```c"; next } on' README.md | diff -u tests/example_coherent.c - ||
	die "the example in README.md is not tests/example_coherent.c"
