// SPDX-License-Identifier: GPL-2.0

//! Time, which passes when a test says so.

use std::{
    cell::Cell,
    ops::Add, //
};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// Moves the clock on to `now`; 0 starts over.
pub fn set(now: i64) {
    NOW.with(|clock| clock.set(if now == 0 { 0 } else { now.max(clock.get()) }));
}

/// A clock.
pub trait ClockSource {
    /// Nanoseconds.
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
    /// None.
    pub const ZERO: Self = Self(0);

    /// That of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// That of microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros * 1_000)
    }

    /// That of milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// That of seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whether it is none.
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
