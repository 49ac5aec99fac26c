// SPDX-License-Identifier: GPL-2.0

//! A rate limit for log lines about events.
//!
//! Programs can provoke these events as often as they like. debugfs counts those that are not
//! logged.

/// Most lines in each interval, as in printk's own rate limit.
const BURST: u32 = 10;
const INTERVAL_NS: i64 = 5_000_000_000;

/// Number of lines in the current interval.
#[derive(Default)]
pub(crate) struct RateLimit {
    since: i64,
    lines: u32,
}

impl RateLimit {
    /// Returns whether one more line may be logged at `time`, and counts it.
    pub(crate) fn allows(&mut self, time: i64) -> bool {
        if self.lines == 0 || time.saturating_sub(self.since) >= INTERVAL_NS {
            *self = Self {
                since: time,
                lines: 0,
            };
        }
        let allowed = self.lines < BURST;
        self.lines += u32::from(allowed);
        allowed
    }
}
