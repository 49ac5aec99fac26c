// SPDX-License-Identifier: GPL-2.0

//! Registers of a device, which a test implements.

use core::marker::PhantomData;
use std::sync::Arc;

use crate::error::Result;

pub use macros::register;

pub mod poll {
    //! Polling.

    use std::cell::Cell;

    use crate::{
        error::{
            code::*,
            Result, //
        },
        time::Delta, //
    };

    thread_local! {
        static LAST_LIMIT: Cell<Delta> = const { Cell::new(Delta::ZERO) };
    }

    /// Returns the time limit of the last wait.
    pub fn last_limit() -> Delta {
        LAST_LIMIT.with(Cell::get)
    }

    /// Calls `look` twice at most; no time passes.
    pub fn read_poll_timeout<T>(
        mut look: impl FnMut() -> Result<T>,
        is_over: impl Fn(&T) -> bool,
        _poll: Delta,
        limit: Delta,
    ) -> Result<T> {
        LAST_LIMIT.with(|last| last.set(limit));
        for _ in 0..2 {
            let seen = look()?;
            if is_over(&seen) {
                return Ok(seen);
            }
        }
        Err(ETIMEDOUT)
    }
}

pub mod mem {
    //! Register blocks.

    pub use super::IoMem;
}

pub mod register;

use self::register::{
    FixedRegister,
    Register, //
};

/// A physical address.
pub type PhysAddr = u64;

/// The implementation of a register block.
pub trait Registers: Send + Sync {
    /// Returns the value of the register at `offset`.
    fn read(&self, offset: usize) -> u32;

    /// Writes the register at `offset`.
    fn write(&self, offset: usize, value: u32);
}

/// The location of a `T`.
pub trait IoLoc<T> {
    /// Returns the offset in bytes from the start of the block.
    fn offset(self) -> usize;
}

/// A register block of `SIZE` bytes.
pub struct IoMem<'a, const SIZE: usize> {
    registers: Arc<dyn Registers>,
    bound: PhantomData<&'a ()>,
}

/// A register block that can be mapped.
pub struct IoRequest<'a> {
    pub(crate) registers: Arc<dyn Registers>,
    pub(crate) bound: PhantomData<&'a ()>,
}

impl<'a> IoRequest<'a> {
    /// Maps `SIZE` bytes.
    pub fn iomap_sized<const SIZE: usize>(self) -> Result<IoMem<'a, SIZE>> {
        Ok(IoMem {
            registers: self.registers,
            bound: self.bound,
        })
    }
}

/// Access to registers.
pub trait Io {
    /// Reads the register at `offset`.
    fn read32(&self, offset: usize) -> u32;

    /// Writes the register at `offset`.
    fn write32(&self, offset: usize, value: u32);

    /// Reads a register.
    fn read<T: Register>(&self, at: impl IoLoc<T>) -> T {
        T::from_raw(self.read32(at.offset()))
    }

    /// Writes a register.
    fn write<T: Register>(&self, at: impl IoLoc<T>, value: T) {
        self.write32(at.offset(), value.into_raw());
    }

    /// Writes a register with a fixed offset.
    fn write_reg<T: FixedRegister>(&self, value: T) {
        self.write32(T::OFFSET, value.into_raw());
    }

    /// Reads, changes and writes a register.
    fn update<T: Register>(&self, at: impl IoLoc<T>, change: impl FnOnce(T) -> T) {
        let offset = at.offset();
        let value = change(T::from_raw(self.read32(offset)));
        self.write32(offset, value.into_raw());
    }
}

impl<const SIZE: usize> Io for IoMem<'_, SIZE> {
    fn read32(&self, offset: usize) -> u32 {
        assert!(offset + 4 <= SIZE, "beyond what is mapped");
        self.registers.read(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        assert!(offset + 4 <= SIZE, "beyond what is mapped");
        self.registers.write(offset, value);
    }
}
