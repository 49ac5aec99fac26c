#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compile tests/lifetimes: as it is without a word, and once for each line in it that is marked with
# an error, which then has to be the one that there is. Runs with the toolchain, on modules that are
# built.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
lock_build
source=$TOP/tests/lifetimes/lifetimes.rs
out=$BUILD/lifetimes
mkdir -p "$out"
cd "$BUILD/modules" || die "no modules in $BUILD/modules; build them:" "make modules"

# As kbuild has compiled a driver, but for the file and what is made of it.
command=$(sed -n 's/^savedcmd_[^ ]* := //p' src/sg/.ferrodma_sg.o.cmd | sed 's/--out-dir .*//; s/-Cdebuginfo=2//')
export RUSTC_BOOTSTRAP=1

# compile [<case>]
compile() {
	eval "$command" --emit=metadata="$out/lifetimes.rmeta" --error-format=short '--check-cfg "cfg(case, values(any()))"' \
		${1:+"--cfg 'case=\"$1\"'"} "$source" 2>"$out/log"
}

if ! compile || [ -s "$out/log" ]; then
	cat "$out/log" >&2
	die "tests/lifetimes does not compile as it is"
fi

failed=
sed -n 's/.*#\[cfg(case = "\(.*\)")\] \/\/ \(E[0-9]*\)$/\1 \2/p' "$source" >"$out/cases"
cases=$(wc -l <"$out/cases")
marked=$(grep -c '#\[cfg(case =' "$source") || die "$source has no line with #[cfg(case = "
[ "$cases" -eq "$marked" ] ||
	die "$((marked - cases)) of the $marked cases in $source do not name their error as: #[cfg(case = \"...\")] // E0000" \
		"grep -n 'cfg(case' $source"
while read -r name error; do
	if compile "$name"; then
		say "$name compiles, and should not: $error"
	elif [ "$(grep -c ': error' "$out/log")" -ne 1 ] || ! grep -qF ": error[$error]: " "$out/log"; then
		say "$name fails in another way than with $error:"
		grep -F ': error' "$out/log" >&2
	else
		continue
	fi
	failed=1
done <"$out/cases"
[ -z "$failed" ] || die "what uses a device that may not be bound has to fail to compile"
say "$cases uses of a device that may not be bound do not compile"
