#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# README.md holds what works: its blocks of C are three of tests/kselftest/examples, in the order of their names, which the suite
# compiles and runs, and each command that compiles something does so without a word, exactly as it is shown. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

out=$BUILD/readme
rm -rf -- "$out"
mkdir -p "$out/build"
cd "$TOP"
( cd tests/kselftest/examples && cat example_coherent.c example_pool.c example_sg.c ) >"$out/examples.c"
awk '/^```/ { on = $0 == "```c"; next } on' README.md | diff -u "$out/examples.c" - ||
	die "the examples in README.md are not those of coherent, pool and sg; put the files in place of its blocks of C"

# A clone as far as a compiler looks, with a build/ of its own.
ln -s "$TOP/src" "$TOP/tests" "$out/"
sed -n 's/^    \(\(gcc\|cc\|c++\|clang\|rustc\) .*\)$/\1/p' README.md >"$out/commands"
for example in tests/kselftest/examples/example_*.c; do
	echo "gcc -O2 -Isrc/uapi -o build/example $example"
done >>"$out/commands"

cd "$out"
while read -r command; do
	sh -c "$command" >log 2>&1 </dev/null || echo "it failed" >>log
	[ ! -s log ] || {
		cat log >&2
		die "a command that README.md shows, or one like it, fails or warns: $command"
	}
done <commands
