// SPDX-License-Identifier: GPL-2.0

//! What the files under test use of the kernel crate, for the host.
//!
//! Only that, and in the kernel's own shapes. Locks and condition variables are loom's, so that a
//! model goes through every order in which they can be taken. Memory can be made to run out. Registers
//! are a test's own.

// As in the kernel: a box of a trait.
#![feature(coerce_unsized, unsize)]

pub mod alloc;
pub mod bytes;
pub mod clk;
pub mod device;
pub mod error;
pub mod io;
pub mod num;
pub mod platform;
pub mod sync;
pub mod task;
pub mod time;

pub mod dma {
    //! Directions of streaming mappings.

    /// An address of a device.
    pub type DmaAddress = u64;

    /// For whom memory is mapped.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum DataDirection {
        /// Both.
        Bidirectional,
        /// The device reads.
        ToDevice,
        /// The device writes.
        FromDevice,
    }
}

pub mod fmt {
    //! Text.

    pub use core::fmt::*;
    pub use core::format_args as fmt;
}

pub mod init {
    //! What makes a value at the place where it stays.

    /// What may be all zero.
    pub trait Zeroable {
        /// That.
        fn zeroed() -> Self;
    }

    /// It here makes it anywhere.
    pub trait PinInit<T, E> {
        /// The value.
        fn init(self) -> Result<T, E>;
    }

    impl<T, E> PinInit<T, E> for Result<T, E> {
        fn init(self) -> Self {
            self
        }
    }
}

pub mod irq {
    //! Interrupts.

    /// What a handler says.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum IrqReturn {
        /// It was not this device's.
        None,
        /// It was.
        Handled,
    }
}

pub mod prelude {
    //! What the kernel's prelude has.

    pub use crate::{
        alloc::{
            flags::*,
            KBox,
            KVVec,
            KVec, //
        },
        bytes::{
            FromBytes,
            IntoBytes, //
        },
        dev_dbg, dev_err,
        error::{
            code::*,
            Error,
            Result, //
        },
        fmt::fmt,
        init::{
            PinInit,
            Zeroable, //
        },
        try_pin_init,
    };
    pub use core::{
        ffi::CStr,
        mem::size_of, //
    };
    pub use macros::{
        pin_data,
        FromBytes,
        IntoBytes, //
    };
}

/// Counts what is logged.
pub mod log {
    use std::cell::Cell;

    thread_local! {
        static LINES: Cell<usize> = const { Cell::new(0) };
    }

    /// Takes note of a line.
    pub fn count() {
        LINES.set(LINES.get() + 1);
    }

    /// Returns how many there were since the last call.
    pub fn take_lines() -> usize {
        LINES.take()
    }
}

/// Counts, and says nothing.
#[macro_export]
macro_rules! dev_err {
    ($dev:expr, $($format:tt)*) => {{
        let _ = (&$dev, format_args!($($format)*));
        $crate::log::count();
    }};
}

/// The same.
#[macro_export]
macro_rules! dev_dbg {
    ($($all:tt)*) => {
        $crate::dev_err!($($all)*)
    };
}

/// Nothing is checked by classes of locks here.
#[macro_export]
macro_rules! static_lock_class {
    () => {
        ()
    };
}

/// A structure made of its fields, which does not move when it is in an `Arc`.
#[macro_export]
macro_rules! try_pin_init {
    (@ $t:ident [$($done:tt)*]) => {
        (|| Ok::<_, $crate::error::Error>($t { $($done)* }))()
    };
    (@ $t:ident [$($done:tt)*] $field:ident <- $value:expr, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $t [$($done)* $field: $crate::init::PinInit::init($value)?,] $($rest)*)
    };
    (@ $t:ident [$($done:tt)*] $field:ident: $value:expr, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $t [$($done)* $field: $value,] $($rest)*)
    };
    (@ $t:ident [$($done:tt)*] $field:ident, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $t [$($done)* $field,] $($rest)*)
    };
    ($t:ident { $($fields:tt)* }) => { $crate::try_pin_init!(@ $t [] $($fields)*) };
}
