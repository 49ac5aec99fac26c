#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# tiers.sh ci|all: several targets of make, with one total of their results as the last line. ci is
# what every commit has to pass, in less than an hour of two cores and from an empty cache; all is
# everything, for a night. ci leaves a part of the machines and of the planted bugs to all: the hash
# of the commit says which, so that the same commit is always tried in the same way. A part that
# cannot be run has failed.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

tier=${1:?ci or all}
passed=0 failed=0
# What failed, of all parts: only the end of a log of CI is shown.
failures=()

# has_failed <what>: no test says so.
has_failed() {
	echo "$1: that is a failure"
	failed=$((failed + 1))
	failures+=("$1")
}

# part <minute> <command>...: run it, and add its results to the total. For CI it must begin before
# that minute, as there would not be enough left of its 90.
part() {
	local latest=$1 last='' line
	shift
	if [ "$tier" = ci ] && [ "$SECONDS" -ge $((latest * 60)) ]; then
		has_failed "$*: left out after $((SECONDS / 60)) minutes, as it must begin before $latest"
		return
	fi
	echo "$*"
	while IFS= read -r line; do
		[ -z "$last" ] || printf '%s\n' "$last"
		last=$line
		[[ $line != "  FAIL  "* ]] || failures+=("$*: ${line#"  FAIL  "}")
	done < <("$@" </dev/null)
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
		echo "$*: $last; $((SECONDS / 60)) minutes so far"
	else
		printf '%s\n' "$last"
		has_failed "$*: ended without its last line"
	fi
}

# some_bugs <how many>: names from tests/bugs, others on another turn, and all of them on as many
# turns as it takes.
some_bugs() {
	local bugs=(tests/bugs/*.patch) names='' i
	local turns=$(((${#bugs[@]} + $1 - 1) / $1))
	for ((i = FERRODMA_TURN % turns; i < ${#bugs[@]}; i += turns)); do
		names+=,$(basename "${bugs[i]}" .patch)
	done
	echo "${names#,}"
}

case $tier in
ci)
	# The clone may belong to another user.
	if ! commit=$(git -c safe.directory='*' rev-parse HEAD 2>/dev/null); then
		echo "this is no clone of a commit, so it has turn 0"
		commit=0
	fi
	export FERRODMA_TURN=$((16#${commit:0:7}))
	echo "turn $FERRODMA_TURN, by the commit $commit"
	part 40 make check
	# Random calls of fuzz on each of the two machines: about four minutes of them. The machines are
	# always the same, since the eight CPUs of amd-versal2-virt take too long for an hour.
	FERRODMA_TURN=0 FERRODMA_CALLS=${FERRODMA_CALLS:-200000} part 45 make check-debug
	part 70 make bench
	part 75 make self-test BUGS="$(some_bugs 6)"
	;;
all)
	scripts/harness/settings.sh all
	part 0 scripts/harness/check.sh all
	FERRODMA_CONFIG=debug part 0 scripts/harness/check.sh all
	part 0 make bench
	part 0 make self-test
	;;
*)
	echo "tiers.sh ci|all" >&2
	exit 1
	;;
esac
[ "${#failures[@]}" -eq 0 ] || printf '%s\n' "what failed:" "${failures[@]/#/    }"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
