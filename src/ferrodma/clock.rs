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

/// Returns the time of `CLOCK_MONOTONIC` in the initial time namespace, in nanoseconds.
pub(crate) fn now() -> i64 {
    Monotonic::ktime_get()
}

/// Returns by how many nanoseconds the `CLOCK_MONOTONIC` of the caller's time namespace is ahead of
/// [`now`].
pub(crate) fn caller_offset() -> i64 {
    // SAFETY: The function reads the current task's time namespace, and is called by a system call.
    unsafe { ferrodma_timens_offset() }
}
