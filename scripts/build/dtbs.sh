#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile the overlays, and merge each board's onto its tree: build/dtbs/<board>.dtb for use on the
# board, build/dtbs/<board>-machine.dtb for QEMU, build/dtbs/<board>-faults.dtb for the tests, and
# build/dtbs/<board>-bench.dtb and -scale.dtb for the benchmark where there are such. The tree is
# that of the machine of this name, or for a board that QEMU cannot boot the one that the head of
# its overlay names. A warning of dtc is an error. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel/kernel.sh")
out=$BUILD/dtbs
lock_build
mkdir -p "$out"

# What is not made anew is not to be found.
rm -f -- "$out"/*.dtb "$out"/*.dtbo

# overlay <source>: compile it, by way of the C preprocessor as the kernel does, to
# build/dtbs/<name>.dtbo.
overlay() {
	_name=$(basename "$1" .dtso)
	say "DTC     ${1#"$TOP/"}"
	"gcc-$GCC_VERSION" -E -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I "$kernel/source/include" \
		-o "$out/$_name.pp" "$1"
	# An interrupt parent is in the tree underneath, which dtc does not see.
	dtc -I dts -O dtb -Wno-interrupts_property -o "$out/$_name.dtbo" "$out/$_name.pp" 2>"$out/$_name.log" ||
		echo "dtc failed" >>"$out/$_name.log"
	if [ -s "$out/$_name.log" ]; then
		sed "s|$out/$_name.pp|${1#"$TOP/"}|" "$out/$_name.log" >&2
		die "dtc warns of ${1#"$TOP/"}"
	fi
	rm -f -- "$out/$_name.pp" "$out/$_name.log"
}

# In the order of their names: those for run time (-added) are data of those for the tests
# (-faults).
for source in "$TOP"/dts/overlays/*.dtso "$TOP"/tests/dts/overlays/*.dtso; do
	overlay "$source"
done

# base <board>: build/dtbs/<board>.base, the tree that its overlay is for.
base() {
	_machine=$TOP/tests/boards/$1
	if [ -e "$_machine" ]; then
		_tree=$(sed -n 's/^dtb = //p' "$_machine")
	else
		_tree=$(sed -n 's/^ \* Tree: //p' "$TOP/dts/overlays/$1.dtso")
	fi
	case $_tree in
	"") die "no machine is called $1, and dts/overlays/$1.dtso has no line \" * Tree: <file of Debian>\"" ;;
	machine)
		# shellcheck disable=SC2046 # the arguments are words
		qemu-system-aarch64 $(sed -n 's/^qemu = //p' "$_machine") -M "dumpdtb=$out/$1.base" -display none \
			>"$out/qemu.log" 2>&1 || {
			cat "$out/qemu.log" >&2
			die "QEMU does not write the device tree of $1"
		}
		;;
	*)
		[ -e "$kernel/guest/dtbs/$_tree" ] || die "Debian ships no $_tree, which $1 is to be merged onto"
		cp "$kernel/guest/dtbs/$_tree" "$out/$1.base"
		;;
	esac
}

# merge <tree> <overlay> <result>
merge() {
	fdtoverlay -i "$1" -o "$3" "$2" || die "${2##*/} does not apply to ${1##*/}"
}

for source in "$TOP"/dts/overlays/*.dtso; do
	board=$(basename "$source" .dtso)
	tree=$out/$board
	# An arm64 host has no QEMU to ask, nor a use for what only QEMU boots.
	if ! command -v qemu-system-aarch64 >/dev/null && grep -qsx 'dtb = machine' "$TOP/tests/boards/$board"; then
		continue
	fi
	base "$board"
	merge "$tree.base" "$tree.dtbo" "$tree.dtb"
	[ -e "$TOP/tests/boards/$board" ] || continue
	# What QEMU lacks of the board, and what only the tests want.
	if [ -e "$tree-machine.dtbo" ]; then
		merge "$tree.dtb" "$tree-machine.dtbo" "$tree-machine.dtb"
	else
		cp "$tree.dtb" "$tree-machine.dtb"
	fi
	# What another kernel than Debian's does not bear.
	if [ -n "$CONFIG" ] && [ -e "$tree-$CONFIG.dtbo" ]; then
		merge "$tree-machine.dtb" "$tree-$CONFIG.dtbo" "$tree-$CONFIG.dtb"
		mv "$tree-$CONFIG.dtb" "$tree-machine.dtb"
	fi
	merge "$tree-machine.dtb" "$tree-faults.dtbo" "$tree-faults.dtb"
	for kind in bench scale; do
		[ ! -e "$tree-$kind.dtbo" ] || merge "$tree-machine.dtb" "$tree-$kind.dtbo" "$tree-$kind.dtb"
	done
done
