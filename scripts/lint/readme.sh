#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check the READMEs, as readmes.py says, and run those of their commands that it leaves to this
# script, as they are shown. Then have the check notice a mistake of each kind, planted in a copy of
# the tree. Runs with the toolchain.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

check=$(dirname -- "$0")/readmes.py
out=$BUILD/readme
rm -rf -- "$out"
mkdir -p "$out/build" "$out/planted"
cd "$TOP"

"$check" "$TOP" "$out/commands" ||
	die "the READMEs are wrong in what is said above; once corrected:" "make lint L=readme"

# A clone as far as a compiler looks, with a build/ of its own.
ln -s "$TOP/src" "$TOP/tests" "$TOP/Makefile" "$TOP/scripts" "$out/"
cd "$out"
while read -r command; do
	sh -c "$command" >log 2>&1 </dev/null || echo "it ends with $?" >>log
	# A compiler has nothing to say.
	case $command in
	make*) said=$(grep '^it ends with' log || :) ;;
	*) said=$(cat log) ;;
	esac
	[ -z "$said" ] || {
		cat log >&2
		die "a command that a README shows fails or warns:" "$command"
	}
done <commands
cd "$TOP"

# planted <what is complained of> <sed command> [<file>]: the check notices this mistake.
planted() {
	_file=$out/planted/${3:-README.md}
	rm -rf -- "$out/planted"
	mkdir "$out/planted"
	tar -cf - --exclude=./build --exclude=./.git . | tar -xf - -C "$out/planted"
	cp "$_file" "$out/before"
	sed "$2" "$out/before" >"$_file"
	! cmp -s "$out/before" "$_file" || die "this changes nothing in ${3:-README.md}: sed '$2'"
	! "$check" "$out/planted" "$out/none" >"$out/log" 2>&1 ||
		die "the check does not notice a planted mistake: $1"
	grep -qE "$1" "$out/log" || {
		cat "$out/log" >&2
		die "the check does not say '$1' of a planted mistake"
	}
}
planted 'leads nowhere: src/no/README.md' 's|(src/README.md)|(src/no/README.md)|'
planted 'no heading for #no-boards' 's|(#boards)|(#no-boards)|'
planted 'no heading for src/uapi/README.md#no-engines' 's|#what-engines-differ-in|#no-engines|'
planted 'more than 200 lines' "\$r README.md"
planted 'more than 100 columns' '3s|.*|& and & again|'
planted 'is not one of the examples' 's|memcpy(buffer, text|memmove(buffer, text|'
planted 'there is no target nope' 's|^make check$|make nope|'
planted 'no machine is called nope' 's|^make check$|make check BOARD=nope|'
planted 'nothing runs: rmmod ferrodma' '/^# Not tried/d; s|^insmod ferrodma.ko|rmmod ferrodma|'
planted 'a command outside of a block of sh' 's|^\.\.\.$|make check|'
planted 'a block without a language' "s|^\`\`\`text\$|\`\`\`|"
planted 'there is no src/uapi/nope.h' "s|\`src/uapi/ferrodma.h\`|\`src/uapi/nope.h\`|"
# It must not occur here, either.
name=FERRODMA_SUBMIT
planted "occurs nowhere: ${name}_NOPE" "s|FERRODMA_SUBMIT_WAIT|${name}_NOPE|" src/uapi/README.md
rm -rf -- "$out/planted"
