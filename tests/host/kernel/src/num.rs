// SPDX-License-Identifier: GPL-2.0

//! Numbers with a limited number of bits.

/// A number of at most `BITS` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded<T, const BITS: u32>(T);

impl<const BITS: u32> Bounded<u32, BITS> {
    /// Returns a number that is known to fit.
    pub fn from_expr(value: u32) -> Self {
        assert!(u64::from(value) < 1 << BITS, "too large");
        Self(value)
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for Bounded<u32, 32> {
    fn from(value: u32) -> Self {
        Self(value)
    }
}
