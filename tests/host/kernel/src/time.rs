// SPDX-License-Identifier: GPL-2.0

//! A clock that a test sets.

use std::{
    cell::Cell,
    ops::Add, //
};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// Advances the clock to `now`; 0 resets it.
pub fn set(now: i64) {
    NOW.with(|clock| clock.set(if now == 0 { 0 } else { now.max(clock.get()) }));
}

/// A clock.
pub trait ClockSource {
    /// Returns the time in nanoseconds.
    fn ktime_get() -> i64;
}

/// The clock that the driver uses.
pub struct Monotonic;

impl ClockSource for Monotonic {
    fn ktime_get() -> i64 {
        NOW.with(Cell::get)
    }
}

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta(i64);

impl Delta {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Returns a span of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns a span of microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros * 1_000)
    }

    /// Returns a span of milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Returns a span of seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// Returns the span in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns whether the span is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add for Delta {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}
