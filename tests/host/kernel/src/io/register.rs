// SPDX-License-Identifier: GPL-2.0

//! Traits and types for the code that [`register!`](super::register) generates.

use core::marker::PhantomData;

use super::IoLoc;
use crate::num::Bounded;

/// A register of 32 bits.
pub trait Register: Sized {
    /// Offset in bytes from the start of the block, or from its base.
    const OFFSET: usize;

    /// Returns the raw value.
    fn into_raw(self) -> u32;

    /// Returns the register with a raw value.
    fn from_raw(raw: u32) -> Self;
}

/// A register with a fixed offset.
pub trait FixedRegister: Register {}

/// The location of such a register.
pub struct At<T>(PhantomData<T>);

impl<T> At<T> {
    /// Returns the location of `T`.
    #[expect(clippy::new_without_default, reason = "for constants")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: FixedRegister> IoLoc<T> for At<T> {
    fn offset(self) -> usize {
        T::OFFSET
    }
}

/// A type that gives the base of the register family `T`.
pub trait RegisterBase<T> {
    /// Offset of the base in bytes.
    const BASE: usize;
}

/// A register relative to a base.
pub trait WithBase: Register {
    /// The family of the register.
    type BaseFamily;

    /// Returns the location of the register relative to the base that `B` gives.
    fn of<B: RegisterBase<Self::BaseFamily>>() -> AtBase<Self, B> {
        AtBase(PhantomData)
    }
}

/// The location of such a register.
pub struct AtBase<T, B>(PhantomData<(T, B)>);

impl<T: WithBase, B: RegisterBase<T::BaseFamily>> IoLoc<T> for AtBase<T, B> {
    fn offset(self) -> usize {
        B::BASE + T::OFFSET
    }
}

/// An array of registers.
pub trait Array: Register {
    /// Number of registers.
    const COUNT: usize;

    /// Returns the location of one of them.
    fn try_at(index: usize) -> Option<AtIndex<Self>> {
        (index < Self::COUNT).then_some(AtIndex(index, PhantomData))
    }
}

/// The location of a register in an array.
pub struct AtIndex<T>(usize, PhantomData<T>);

impl<T: Array> IoLoc<T> for AtIndex<T> {
    fn offset(self) -> usize {
        T::OFFSET + 4 * self.0
    }
}

/// The type of a field.
pub trait Field {
    /// Returns the bits of the value.
    fn bits(self) -> u32;

    /// Returns the value of these bits.
    fn from_bits(bits: u32) -> Self;
}

impl Field for bool {
    fn bits(self) -> u32 {
        self.into()
    }

    fn from_bits(bits: u32) -> Self {
        bits != 0
    }
}

impl Field for u32 {
    fn bits(self) -> u32 {
        self
    }

    fn from_bits(bits: u32) -> Self {
        bits
    }
}

impl<const BITS: u32> Field for Bounded<u32, BITS> {
    fn bits(self) -> u32 {
        self.get()
    }

    fn from_bits(bits: u32) -> Self {
        Self::from_expr(bits)
    }
}
