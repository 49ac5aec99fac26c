#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the front door says to those who ask for what cannot be: a sentence with the cause and the one command that helps, before
# anything is fetched or built. Tries it in a copy of what the front door is made of. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

unset V BOARD TESTS BUGS FERRODMA_CONFIG FERRODMA_TIMEOUT FERRODMA_EFFORT FERRODMA_CALLS FERRODMA_SEED FERRODMA_MIRROR
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
clone=$tmp/clone
mkdir "$clone"
cd "$TOP"
tar -cf - .ci Makefile scripts tests | tar -xf - -C "$clone"
cd "$clone"

# says <extended regular expression> <command>...: it fails with these words, and has made nothing in the cache or the clone.
says() {
	_words=$1
	shift
	mkdir "$tmp/cache"
	! env FERRODMA_CACHE="$tmp/cache" timeout 20 "$@" >"$tmp/log" 2>&1 </dev/null || die "this does not fail: $*"
	tr '\n' ' ' <"$tmp/log" | grep -qE "$_words" || {
		cat "$tmp/log" >&2
		die "this does not say '$_words': $*"
	}
	rmdir "$tmp/cache" || die "this has made something: $*"
	[ ! -e build ] || die "this has built something: $*"
}

# A value that there is not: the names that there are.
boards='amd-versal-virt amd-versal2-virt raspi3b raspi4b'
for target in run shell check check-debug; do
	says "BOARD: .* nope; there are: $boards +make $target BOARD=amd-versal-virt" make $target BOARD=nope
	says "FERRODMA_TIMEOUT .* '1m' +make $target FERRODMA_TIMEOUT=[0-9]+" make $target FERRODMA_TIMEOUT=1m
done
says 'there are: amd-versal-virt raspi3b +make bench BOARD=' make bench BOARD=raspi4b
says 'make bench FERRODMA_TIMEOUT=' make bench FERRODMA_TIMEOUT=0
says 'one machine .* make run BOARD=raspi3b ' make run BOARD=raspi3b,raspi4b
says 'TESTS: .* nope; there are: pins .*fuzz .*info_32 .*faulty.sh .*make check TESTS=pins' make check TESTS=fuzz,nope
says '0 passed, 1 failed' make check TESTS=nope
says 'TESTS: .* make check-debug TESTS=' make check-debug TESTS='*'
says 'BUGS: .* nope; there are: bound-off-by-one .*make self-test BUGS=' make self-test BUGS=nope
says "FERRODMA_EFFORT .* '10%' .*FERRODMA_EFFORT=25" make check FERRODMA_EFFORT=10%
says "FERRODMA_CALLS .* 'many' " make check-debug FERRODMA_CALLS=many
says "FERRODMA_SEED .* '0xyz' " make check FERRODMA_SEED=0xyz
says 'FERRODMA_CONFIG: .* nope; there are: debug ' make run FERRODMA_CONFIG=nope
says 'FERRODMA_CONFIG: .* nope; there are: debug ' make modules FERRODMA_CONFIG=nope
