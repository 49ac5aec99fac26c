#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# bindings.sh schemas: check the schemas of dts/bindings and tests/dts/bindings, and their examples.
# bindings.sh trees: check the merged trees in build/dtbs against them. What dtc or dt-validate says
# of a merged tree but not of the tree underneath is the overlay's fault; the rest is not ours.
# Trees first need dtbs.sh.
#
# Runs with the toolchain. dt-validate ends with 0 whatever it finds, so whatever is said is an
# error.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
linux=$("$TOP/scripts/kernel/kernel.sh")/source
out=$BUILD/bindings
lock_build
mkdir -p "$out"
cd "$TOP"

what=${1:-}
set -- dts/bindings/*.yaml tests/dts/bindings/*.yaml

# quietly <what is wrong otherwise> <command>...
quietly() {
	_wrong=$1
	shift
	"$@" >"$out/log" 2>&1 || echo "$1 ended with $?" >>"$out/log"
	[ ! -s "$out/log" ] || {
		cat "$out/log" >&2
		die "$_wrong"
	}
}

# schemas <file>...: make build/bindings/schemas.json of them, of those that dt-schema has, and of
# the kernel's own for what else overlays name: the controller that those of Raspberry Pi take
# channels from, and a clock.
schemas() {
	_linux=$linux/Documentation/devicetree/bindings
	quietly "the schemas cannot be used" dt-mk-schema -j -o "$out/schemas.json" "$@" "$_linux/dma/dma-common.yaml" \
		"$_linux/dma/dma-controller.yaml" "$_linux/dma/brcm,bcm2835-dma.yaml" "$_linux/clock/fixed-clock.yaml"
}

# example <schema>: the examples in it, compiled as the kernel does. An address may be there twice.
example() {
	_name=$out/$(basename "$1" .yaml).example
	dt-extract-example "$1" >"$_name.dts"
	"gcc-$GCC_VERSION" -E -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I "$linux/include" \
		-o "$_name.pp" "$_name.dts"
	quietly "dtc warns of the example in $1" dtc -I dts -O dtb -Wno-avoid_unnecessary_addr_size \
		-Wno-unique_unit_address -o "$_name.dtb" "$_name.pp"
	quietly "the example in $1 does not match" dt-validate -m -s "$out/schemas.json" "$_name.dtb"
}

# shared <tree>: what no schema can say of the channels of Raspberry Pi's controller, most of which
# the kernel's driver keeps. It shares an interrupt with others only if it has two channels there
# itself.
shared() {
	_dma=/soc/dma-controller@7e007000
	_mask=$(fdtget "$1" $_dma brcm,dma-channel-mask 2>/dev/null) || return 0
	_lines=$(fdtget "$1" $_dma interrupts)
	_bytes=$(fdtget "$1" $_dma reg | cut -d " " -f 2)
	for _node in $(fdtget -l "$1" /soc | grep '^dma-channel@'); do
		_at=$((0x${_node#*@} - 0x7e007000))
		[ $_at -lt "$_bytes" ] || echo "$_node: not in the registers of $_dma"
		[ $((_mask >> _at / 0x100 & 1)) -eq 0 ] || echo "$_node: brcm,dma-channel-mask has its bit"
		_line=$(fdtget "$1" "/soc/$_node" interrupts)
		_users=$(echo "$_lines" | xargs -n "$(echo "$_line" | wc -w)" | {
			_channel=0
			while read -r _other; do
				[ "$_other" != "$_line" ] || [ $((_mask >> _channel & 1)) -eq 0 ] || echo "$_channel"
				_channel=$((_channel + 1))
			done
		})
		case $_users in
		"" | *[![:digit:]]*) ;;
		*) echo "$_node: channel $_users is the kernel's, and would not share the interrupt" ;;
		esac
	done
}

# complaints <tree>: each on a line that does not name the tree. Only the schemas that concern
# overlays are used, as all of them take long.
complaints() {
	{
		dtc -I dtb -O dtb -Wno-unique_unit_address -o /dev/null "$1" &&
			dt-validate -m -l ferrodma:bcm2835-dma:aliases:generated-compatibles -s "$out/schemas.json" "$1"
	} >"$out/log" 2>&1 || {
		cat "$out/log" >&2
		die "dtc or dt-validate fails on $1"
	}
	sed 's/^[^ ]*: //' "$out/log"
	shared "$1"
}

case $what in
schemas)
	quietly "the schemas are not as they should be" dt-doc-validate "$@"
	quietly "the style is not the kernel's" "$linux/scripts/dtc/dt-check-style" --mode=strict "$@"
	schemas "$@"
	for schema; do
		! grep -q '^examples:' "$schema" || example "$schema"
	done
	;;
trees)
	schemas "$@"
	for overlay in dts/overlays/*.dtso; do
		board=$(basename "$overlay" .dtso)
		complaints "$BUILD/dtbs/$board.base" >"$out/$board.base.log"
		for tree in "$board" "$board-faults" "$board-bench" "$board-scale"; do
			[ "$tree" = "$board" ] || [ -e "tests/dts/overlays/$tree.dtso" ] || continue
			[ -e "$BUILD/dtbs/$tree.dtb" ] || die "there is no build/dtbs/$tree.dtb" "make dtbs"
			complaints "$BUILD/dtbs/$tree.dtb" >"$out/$tree.log"
			! grep -vxFf "$out/$board.base.log" "$out/$tree.log" >&2 ||
				die "the tree of $board with the overlay $tree is not as it should be"
		done
	done
	;;
*) die "bindings.sh schemas|trees" ;;
esac
