// SPDX-License-Identifier: GPL-2.0

//! A line in the log for each event, and no flood of them.
//!
//! Programs can bring such events about as often as they like. What the log does not have is
//! counted in debugfs.

/// CacheLines in each interval, as printk's own limit has them.
const BURST: u32 = 10;
const INTERVAL_NS: i64 = 5_000_000_000;

/// What was said lately.
#[derive(Default)]
pub(crate) struct RateLimit {
    since: i64,
    lines: u32,
}

impl RateLimit {
    /// Whether one more line may be written at `time`.
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
