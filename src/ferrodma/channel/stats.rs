// SPDX-License-Identifier: GPL-2.0

//! Counters of a channel, shown in debugfs.
//!
//! They are plain numbers under the channel's lock, which is already held where they change.

use kernel::{
    fmt,
    prelude::*, //
};

/// Number of latency classes: below 1 µs, then each twice as wide as the one before; the last has
/// no upper bound.
const CLASSES: usize = 24;

/// The counters of a channel since it was bound.
#[derive(Default)]
pub(crate) struct Stats {
    /// Jobs that have ended, with any status.
    pub(crate) jobs: u64,
    /// Bytes written by jobs that succeeded.
    pub(crate) bytes: u64,
    /// Jobs that ended with -EIO.
    pub(crate) errors: u64,
    /// Jobs that ended with -ETIMEDOUT.
    pub(crate) timeouts: u64,
    /// Jobs that ended otherwise: cancelled by the user, suspend or unbind.
    pub(crate) cancelled: u64,
    /// Latencies of jobs that succeeded, from submission to completion.
    pub(crate) latency: Latency,
}

impl Stats {
    /// Counts a job that has ended with `status`, a negative errno or 0.
    pub(crate) fn count(&mut self, status: i32, bytes: u64, latency_ns: u64) {
        self.jobs += 1;
        if status == 0 {
            self.bytes += bytes;
            self.latency.count(latency_ns);
        } else if status == ETIMEDOUT.to_errno() {
            self.timeouts += 1;
        } else if status == EIO.to_errno() {
            self.errors += 1;
        } else {
            self.cancelled += 1;
        }
    }
}

/// A histogram of times.
#[derive(Clone, Copy, Default)]
pub(crate) struct Latency([u64; CLASSES]);

impl Latency {
    fn count(&mut self, ns: u64) {
        let class = (ns / 1000).checked_ilog2().map_or(0, |log| log + 1);
        // CAST: At most 64.
        if let Some(count) = self.0.get_mut((class as usize).min(CLASSES - 1)) {
            *count += 1;
        }
    }

    /// Writes a line for each class that is not empty: its lower bound in microseconds, and the
    /// number of jobs in it.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, count) in self.0.iter().enumerate() {
            if *count != 0 {
                let from = if class == 0 { 0u64 } else { 1 << (class - 1) };
                f.write_fmt(fmt!("{from} {count}\n"))?;
            }
        }
        Ok(())
    }
}
