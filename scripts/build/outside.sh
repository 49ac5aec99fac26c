#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build tests/outside, a driver from elsewhere, against what scripts/build/modules.sh has left: to
# build/outside. And once more to build/stale, against a helper whose sources have one line more.
# Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
kernel=$("$TOP/scripts/kernel/kernel.sh")
lock_build

# outside <folder with ferrodma.ko> <folder to build in>
outside() {
	mkdir -p "$2"
	kmake -C "$kernel/build" M="$TOP/tests/outside" MO="$2" FERRODMA="$1" CONFIG_DEBUG_INFO_BTF_MODULES= modules
}

outside "$BUILD/modules" "$BUILD/outside"

# What it leaves out of the public functions that are exported. Others are too: what inline and
# generic ones use.
exported=$BUILD/outside/exported
sed -n 's/.*(\(_R.*\));/\1/p' "$BUILD/modules/src/ferrodma/exports_generated.h" >"$exported"
modules=$(sed -n 's/^pub mod \(.*\);/\1/p' "$TOP/src/ferrodma/ferrodma.rs" | paste -s -d '|')
functions=$(grep -rhoE '^ *pub (const |unsafe )*fn \w+' "$TOP/src/ferrodma" | sed 's/.* //' | sort -u | paste -s -d '|')
"llvm-cxxfilt-$LLVM_VERSION" <"$exported" >"$exported.names" || die "the exported names cannot be read"
paste "$exported" "$exported.names" |
	grep -E "	<?ferrodma::($modules)(::\w+)*>?::($functions)\$" >"$exported.public" ||
	die "no public function is among what ferrodma.ko exports, which cannot be; see:" "less $exported.names"
unused=$(aarch64-linux-gnu-nm -u "$BUILD/outside/ferrodma_outside_test.o" | sed 's/.* //' |
	grep -vwFf - "$exported.public" | cut -f 2)
# What a debugging kernel's options have rustc put inline differs.
[ -z "$unused" ] || [ -n "$CONFIG" ] ||
	die "tests/outside leaves out public functions, so that no test links them: $(echo "$unused" | paste -s -d ' ')" \
		"\${EDITOR:-vi} tests/outside/ferrodma_outside_test.rs"

# Whole but for what only others need; with its times, so that it is built again only where it has
# changed.
stale=$BUILD/stale/source
rm -rf -- "$stale"
mkdir -p "$stale/tests" "$BUILD/stale/helper"
cp -pr "$TOP/Kbuild" "$TOP/src" "$stale/"
cp -pr "$TOP/tests/module" "$stale/tests/"
echo '// One line more.' >>"$stale/src/ferrodma/ferrodma.rs"
touch -r "$TOP/src/ferrodma/ferrodma.rs" "$stale/src/ferrodma/ferrodma.rs"
kmake -C "$kernel/build" M="$stale" MO="$BUILD/stale/helper" CONFIG_DEBUG_INFO_BTF_MODULES= ferrodma.ko
outside "$BUILD/stale/helper" "$BUILD/stale"
