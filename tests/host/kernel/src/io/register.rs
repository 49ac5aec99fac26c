// SPDX-License-Identifier: GPL-2.0

//! What [`register!`](super::register) makes.

use core::marker::PhantomData;

use super::IoLoc;
use crate::num::Bounded;

/// A register of 32 bits.
pub trait Register: Sized {
    /// Where it is, or how far from its base.
    const OFFSET: usize;

    /// As hardware has it.
    fn into_raw(self) -> u32;

    /// From what hardware has.
    fn from_raw(raw: u32) -> Self;
}

/// A register that is at one place.
pub trait FixedRegister: Register {}

/// That place.
pub struct At<T>(PhantomData<T>);

impl<T> At<T> {
    /// The place of `T`.
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

/// Who has registers of the family `T`.
pub trait RegisterBase<T> {
    /// Where they start.
    const BASE: usize;
}

/// A register of a family.
pub trait WithBase: Register {
    /// The family.
    type BaseFamily;

    /// Where `B` has it.
    fn of<B: RegisterBase<Self::BaseFamily>>() -> AtBase<Self, B> {
        AtBase(PhantomData)
    }
}

/// That place.
pub struct AtBase<T, B>(PhantomData<(T, B)>);

impl<T: WithBase, B: RegisterBase<T::BaseFamily>> IoLoc<T> for AtBase<T, B> {
    fn offset(self) -> usize {
        B::BASE + T::OFFSET
    }
}

/// Several registers of a kind.
pub trait Array: Register {
    /// How many.
    const COUNT: usize;

    /// One of them.
    fn try_at(index: usize) -> Option<AtIndex<Self>> {
        (index < Self::COUNT).then_some(AtIndex(index, PhantomData))
    }
}

/// The place of one of them.
pub struct AtIndex<T>(usize, PhantomData<T>);

impl<T: Array> IoLoc<T> for AtIndex<T> {
    fn offset(self) -> usize {
        T::OFFSET + 4 * self.0
    }
}

/// What some bits of a register say.
pub trait Field {
    /// As bits.
    fn bits(self) -> u32;

    /// From bits.
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
