#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile the overlays, and merge those of each machine onto its tree: build/dtbs/<board>.dtb for use and
# build/dtbs/<board>-faults.dtb for the tests. A warning of dtc is an error. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel.sh")
out=$BUILD/dtbs
lock_build
mkdir -p "$out"

# overlay <source>: compile it, by way of the C preprocessor as the kernel does, to build/dtbs/<name>.dtbo.
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

for source in "$TOP"/dts/overlays/*.dtso "$TOP"/tests/overlays/*.dtso; do
	overlay "$source"
done

# merge <board>: the overlays of a machine, one upon the other.
merge() {
	_machine=$TOP/tests/machines/$1
	_base=$(sed -n 's/^dtb = //p' "$_machine")
	case $_base in
	machine)
		_base=$out/$1.base
		# shellcheck disable=SC2046 # the arguments are words
		qemu-system-aarch64 $(sed -n 's/^qemu = //p' "$_machine") -M "dumpdtb=$_base" -display none \
			>"$out/qemu.log" 2>&1 || {
			cat "$out/qemu.log" >&2
			die "QEMU does not write the device tree of $1"
		}
		;;
	*) _base=$kernel/guest/dtbs/$_base ;;
	esac
	# What QEMU lacks of the board comes first, what only the tests want last.
	if [ -e "$out/$1-machine.dtbo" ]; then
		fdtoverlay -i "$_base" -o "$out/$1.base" "$out/$1-machine.dtbo"
		_base=$out/$1.base
	fi
	fdtoverlay -i "$_base" -o "$out/$1.dtb" "$out/$1.dtbo"
	fdtoverlay -i "$out/$1.dtb" -o "$out/$1-faults.dtb" "$out/$1-faults.dtbo"
}

for machine in "$TOP"/tests/machines/*; do
	merge "${machine##*/}"
done
