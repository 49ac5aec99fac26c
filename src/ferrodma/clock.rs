// SPDX-License-Identifier: GPL-2.0

//! The clock of jobs, `CLOCK_MONOTONIC`.
//!
//! C header: [`include/linux/time_namespace.h`](srctree/include/linux/time_namespace.h)

use kernel::time::{
    ClockSource,
    Monotonic, //
};

extern "C" {
    /// See `helpers.c`.
    fn ferrodma_timens_offset() -> i64;
}

/// Nanoseconds of `CLOCK_MONOTONIC` in the initial time namespace.
pub(crate) fn now() -> i64 {
    Monotonic::ktime_get()
}

/// How far the caller's `CLOCK_MONOTONIC` is ahead of that of [`now`], in nanoseconds, as its time
/// namespace has it.
pub(crate) fn caller_offset() -> i64 {
    // SAFETY: Called in the context of a program that makes a system call.
    unsafe { ferrodma_timens_offset() }
}
