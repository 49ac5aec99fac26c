#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check what the built modules say of themselves: what they are, under which licence, what they bind
# to, and that the drivers need the helper. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

# has <module> <field> <extended regular expression>: a line of the field matches.
has() {
	modinfo -F "$2" "$1" | grep -qE "$3" || die "$1: modinfo shows no $2 that matches $3"
}

found=0
for module in "$BUILD"/modules/*.ko; do
	[ -e "$module" ] || die "no modules in $BUILD/modules; build them:" "make modules"
	has "$module" description .
	has "$module" license '^GPL$'
	case $module in
	*/ferrodma.ko | */ferrodma_overlay_test.ko) ;;
	*)
		has "$module" depends '^ferrodma$'
		has "$module" alias '^of:.*Cferrodma,'
		;;
	esac
	found=$((found + 1))
done
say "$found modules say what they are"
