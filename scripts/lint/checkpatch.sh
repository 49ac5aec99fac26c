#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check all C with the kernel's checkpatch --strict. A finding is an error. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
linux=$("$TOP/scripts/kernel/kernel.sh")/source
# checkpatch leaves a file where it runs.
mkdir -p "$BUILD/checkpatch"
cd "$BUILD/checkpatch"

# Types of findings that are not used:
# - AVOID_EXTERNS: the helpers of Rust code and the API of QEMU's plugins have no header;
# - EXPORT_SYMBOL: the symbols that exports.c exports are Rust's;
# - MACRO_ARG_REUSE, MACRO_ARG_PRECEDENCE: the arguments of these macros are names and strings;
# - UNDOCUMENTED_DT_STRING: the bindings are in this tree.
ignored=AVOID_EXTERNS,EXPORT_SYMBOL,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,UNDOCUMENTED_DT_STRING

# In programs also:
# - BIT_MACRO, ENOSYS, PREFER_DEFINED_ATTRIBUTE_MACRO, PREFER_KERNEL_TYPES: these are for code of
#   the kernel, or for what the kernel does not export to programs;
# - VOLATILE: the tests access registers, and memory that must be read or written there and then;
# - COMPARISON_TO_NULL: the harness compares integers, so that a pointer alone is no condition;
# - CAMELCASE, LINE_SPACING: checkpatch does not know _Atomic, _Alignas and PRIx64;
# - SPACING: it takes FIXTURE_DATA(name) *self of the kselftest harness for a multiplication;
# - COMPLEX_MACRO, MACRO_WITH_FLOW_CONTROL: macros declare variants and skip tests, as the
#   harness's own do.
program=BIT_MACRO,CAMELCASE,COMPARISON_TO_NULL,COMPLEX_MACRO,ENOSYS,LINE_SPACING
program=$program,MACRO_WITH_FLOW_CONTROL,PREFER_DEFINED_ATTRIBUTE_MACRO,PREFER_KERNEL_TYPES,SPACING,VOLATILE

# files [!]: those of the kernel, or with ! all others.
files() {
	find "$TOP/src" "$TOP/tests" -name '*.[ch]' ! -name '*_generated.h' "$@" \
		'(' -path "$TOP/src/ferrodma/*" -o -path "$TOP/tests/module/*" \
		-o -name 'twin*' -o -name meter.c -o -name ledger.c ')'
}

# check <ignored types>: the files whose names come from standard input.
check() {
	xargs -r -n 12 -P "$(nproc)" "$linux/scripts/checkpatch.pl" --root="$linux" --strict \
		--terse --no-summary --show-types --color=never --ignore "$1" -f
}

{
	files | check "$ignored" && files ! | check "$ignored,$program"
} >&2 || die "checkpatch finds what is listed above"
