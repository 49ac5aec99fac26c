#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [test|check|all|host]: set up what is needed and run tests, as scripts/harness/check
# explains. Whatever fails, the last line is `N passed, N failed`.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

FERRODMA_KERNEL=$("$TOP/scripts/harness/settings.sh" "${1:-check}" && "$TOP/scripts/kernel/kernel.sh") || {
	status=$?
	[ $status -lt 128 ] || exit $status
	echo "  FAIL  setup     a variable is wrong, or the toolchain or the kernel tree could not be made (the reason is above)"
	echo "0 passed, 1 failed"
	exit 1
}
export FERRODMA_KERNEL
# Where the whole suite is run, a person's guest is tried, too.
case ${1:-check},$CONFIG,${TESTS:-},${FERRODMA_VARIANT:-} in
check,,, | all,,,)
	"$TOP/scripts/guest/tools.sh" >/dev/null || {
		echo "  FAIL  setup     the tools of a person's guest could not be had (the reason is above)"
		echo "0 passed, 1 failed"
		exit 1
	}
	;;
esac
exec "$TOP/scripts/toolchain/enter.sh" "$TOP/scripts/harness/check" "$@"
