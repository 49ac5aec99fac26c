#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [test|check|all|host]: set up what is needed and run tests, as scripts/check explains. Whatever fails, the last line
# is `N passed, N failed`.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

FERRODMA_KERNEL=$("$TOP/scripts/settings.sh" "${1:-check}" && "$TOP/scripts/kernel.sh") || {
	status=$?
	[ $status -lt 128 ] || exit $status
	echo "  FAIL  setup     a variable is wrong, or the toolchain or the kernel tree could not be made (the reason is above)"
	echo "0 passed, 1 failed"
	exit 1
}
export FERRODMA_KERNEL
exec "$TOP/scripts/enter.sh" "$TOP/scripts/check" "$@"
