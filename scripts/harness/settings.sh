#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# settings.sh run|shell|bench|test|check|all|host|lint|self-test|mutants: refuse a value that `make
# <target>` cannot use in the variables it reads, before anything is fetched or built. Runs on any
# host.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

target=$1
make=$target
case $target in
check) [ "$CONFIG" != debug ] || make=check-debug ;;
all) make=check-all ;;
esac
# A wildcard is no name.
set -f

# names <folder> [<suffix>]: those of the files there.
names() { find "$TOP/$1" -maxdepth 1 -type f -name "*${2:-}" | sed "s|.*/||; s|${2:-}\$||" | sort; }

# known <variable> <what it names> <name>...: each name in the variable is one of these. The .sh of
# a test may be left out.
known() {
	_variable=$1 _what=$2
	shift 2
	eval "_value=\${$_variable:-}"
	# shellcheck disable=SC2154 # eval sets it
	for _name in $(printf '%s' "$_value" | tr , ' '); do
		case " $* " in
		*" $_name "* | *" $_name.sh "*) ;;
		*) die "$_variable: no $_what is called $_name; there are: $*" "make $make $_variable=$1" ;;
		esac
	done
}

# matches <variable> <regular expression> <what it is> <an example>
matches() {
	eval "_value=\${$1:-}"
	[ -z "$_value" ] || printf '%s' "$_value" | grep -qxE "$2" || die "$1 is $3, and not '$_value'" "make $make $1=$4"
}

# with: what WITH names can be brought into the guest, and for make run, executed there.
with() {
	[ -e "$WITH" ] || die "WITH: there is no $WITH" "make $make WITH=<path>"
	[ "$target" = run ] || return 0
	if [ ! -f "$WITH" ] || [ ! -x "$WITH" ]; then
		die "WITH: make run executes a program, and $WITH is none; to look at it in the guest:" "make shell WITH=$WITH"
	fi
	case ${WITH##*/} in
	*[![:alnum:]._+-]*) die "WITH: the name of $WITH has a character that the kernel's command line does not take" \
		"cp '$WITH' program && make run WITH=program" ;;
	esac
	# An ELF header: the machine is at 18, and that of arm64 is 183, of arm 40.
	case $(od -An -tx1 -N 20 "$WITH" | tr -d ' \n') in
	7f454c46*b700 | 7f454c46*2800) ;;
	7f454c46*) die "WITH: $WITH is a program for another machine than arm64; build it with:" \
		"aarch64-linux-gnu-gcc -Isrc/uapi -o ${WITH##*/} <source>" ;;
	esac
}

machines=$(names tests/boards)
# Those that it is made for.
[ "$target" != bench ] || machines=$(names tests/dts/overlays -bench.dtso)

kernel_dir >/dev/null
# shellcheck disable=SC2046,SC2086 # the lists are words
{
	known BOARD machine $machines
	case $target in
	test | check | all) tests=$(make -s -C "$TOP/tests/kselftest" names) ;;
	esac
	case $target in
	test)
		[ -n "${T:-}" ] || die "T names no test; there are: $tests" "make test T=${tests%% *}"
		known T test $tests
		;;
	check | all) known TESTS test $tests ;;
	lint) known L lint $("$TOP/scripts/lint/lint.sh" names) ;;
	esac
	case $target in
	self-test | all) known BUGS bug $(names tests/bugs .patch) ;;
	esac
}
case $target in
run | shell) matches BOARD '[^, ]+' "one machine for make $target" "$(printf '%s' "${BOARD:-}" | sed 's/[, ].*//')" ;;
esac

case $target in
run | shell) [ -z "${WITH:-}" ] || with ;;
esac
matches FERRODMA_TIMEOUT '[1-9][0-9]{0,6}' "a number of seconds" 900
matches FERRODMA_EFFORT '[1-9][0-9]{0,4}' "a percentage without its sign" 25
matches FERRODMA_CALLS '[1-9][0-9]{0,11}' "a number of calls" 50000
matches FERRODMA_SEED '0x[0-9a-fA-F]{1,16}|[0-9]{1,19}' "the number that fuzz has printed" 0x1a
matches FERRODMA_TURN '[0-9]{1,9}' "a number" 1
matches N '[1-9][0-9]{0,5}' "a number of changes" 20
matches SEED '[0-9]{1,10}' "the number that make mutants has printed" 1
matches SKIPS update "update, or nothing" update
