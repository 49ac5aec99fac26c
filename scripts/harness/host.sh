#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# host.sh [<argument>...]: build and run the tests of tests/host, which need no kernel; arguments
# are those of Rust's test runner, such as a part of a name. Runs with the toolchain, whose packages
# hold all crates: nothing is fetched.

# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/../lib.sh"

make_cache
lock_build
export CARGO_TARGET_DIR="$BUILD/host" CARGO_HOME="$BUILD/host/cargo" CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never
cd "$TOP/tests/host"
# The versions are those that the packages have, whatever they were before.
rm -f Cargo.lock
cargo test --quiet --package ferrodma-host --package ferrodma-host-engines --lib -- --format pretty --show-output "$@"
