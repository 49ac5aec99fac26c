#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile the overlays, and merge those of BOARD onto its tree: build/dtbs/<board>.dtb for use and
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

machine=$TOP/tests/machines/$BOARD
[ -r "$machine" ] || die "no machine is called $BOARD; there are:" "$(cd "$TOP/tests/machines" && echo BOARD=*)"
base=$(sed -n 's/^dtb = //p' "$machine")
case $base in
machine)
	base=$out/$BOARD.base
	# shellcheck disable=SC2046 # the arguments are words
	qemu-system-aarch64 $(sed -n 's/^qemu = //p' "$machine") -M "dumpdtb=$base" -display none >"$out/qemu.log" 2>&1 || {
		cat "$out/qemu.log" >&2
		die "QEMU does not write the device tree of $BOARD"
	}
	;;
*) base=$kernel/guest/dtbs/$base ;;
esac

fdtoverlay -i "$base" -o "$out/$BOARD.dtb" "$out/$BOARD.dtbo"
faults=$out/$BOARD-faults
if [ -e "$faults.dtbo" ]; then
	fdtoverlay -i "$out/$BOARD.dtb" -o "$faults.dtb" "$faults.dtbo"
else
	cp "$out/$BOARD.dtb" "$faults.dtb"
fi
