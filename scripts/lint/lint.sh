#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh [<lint>]...: runs the named lints, or all if none is named; lint.sh names prints their
# names, on any host. A warning is an error. Runs with the toolchain, on modules and device trees
# that are built; dtc's warnings are errors whenever overlays are compiled.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

lints="shellcheck checkpatch layers rustfmt clippy lifetimes modinfo readme bindings dtbs frontdoor"
if [ "${1:-}" = names ]; then
	echo "$lints"
	exit
fi

make_cache
# shellcheck disable=SC2086 # the names are words
[ $# -gt 0 ] || set -- $lints
cd "$TOP"

for lint; do
	say "LINT    $lint"
	case $lint in
	shellcheck)
		# Every shell script by its first line, and the parts that others source.
		# shellcheck disable=SC2046 # no path here has a space
		shellcheck -x -P SCRIPTDIR:SCRIPTDIR/../lib:. $(grep -lrE '^(#!/bin/(sh|bash|busybox sh)|#!/usr/bin/env bash|# shellcheck shell=)' \
			scripts tests .ci 2>/dev/null)
		;;
	checkpatch) "$TOP/scripts/lint/checkpatch.sh" ;;
	layers)
		"$TOP/scripts/lint/layers.py" || die "src/ferrodma imports from a layer above"
		tmp=$(mktemp -d)
		cp -r src/ferrodma/. "$tmp"
		# Imports that go up are found, however they are written.
		while IFS='|' read -r file planted; do
			echo "$planted" >>"$tmp/$file"
			! "$TOP/scripts/lint/layers.py" "$tmp" >/dev/null ||
				die "scripts/lint/layers.py overlooks this in $file: $planted"
			cp "src/ferrodma/$file" "$tmp/$file"
		done <<-'END'
			queue.rs|use crate::driver::Driver;
			job.rs|use crate::{channel::Channel, raw};
			job.rs|    use crate::{raw, channel::{Channel, State}};
			job.rs|type Up = crate::channel::Channel;
			job.rs|use super::channel::Channel;
			queue/client.rs|use super::super::channel::Channel;
			job.rs|use crate::*;
			job.rs|use crate::{self as root};
			job.rs|const URL: &str = "http://x"; use crate::channel::Channel;
			job.rs|/* http://x */ use crate::channel::Channel;
			ferrodma.rs|pub(crate) mod ring;
		END
		rm -r -- "$tmp"
		;;

	rustfmt) "$TOP/scripts/lint/fmt.sh" --check ;;
	clippy) OUT=$BUILD/clippy "$TOP/scripts/build/modules.sh" CLIPPY=1 KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror ;;
	lifetimes) "$TOP/scripts/lint/lifetimes.sh" ;;
	modinfo) "$TOP/scripts/lint/modinfo.sh" ;;
	readme) "$TOP/scripts/lint/readme.sh" ;;
	bindings) "$TOP/scripts/lint/bindings.sh" schemas ;;
	dtbs) "$TOP/scripts/lint/bindings.sh" trees ;;
	frontdoor) "$TOP/scripts/lint/frontdoor.sh" ;;
	*) die "no lint is called $lint" ;;
	esac
done
