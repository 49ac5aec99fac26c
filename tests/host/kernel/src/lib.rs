// SPDX-License-Identifier: GPL-2.0

//! The parts of the kernel crate that the files under test use, for the host.
//!
//! They have the same interfaces as the kernel's. Locks and condition variables are loom's, so that
//! a model runs through every order in which they can be taken. Allocations can be made to fail.
//! Tests implement the registers.

// As in the kernel: converts a box of a type to a box of a trait.
#![feature(coerce_unsized, unsize)]

pub mod alloc;
pub mod bytes;
pub mod clk;
pub mod device;
pub mod error;
pub mod io;
pub mod list;
pub mod num;
pub mod platform;
pub mod rbtree;
pub mod sync;
pub mod task;
pub mod time;

pub mod dma {
    //! Directions of streaming mappings.

    /// A bus address.
    pub type DmaAddress = u64;

    /// The direction of a mapping.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum DataDirection {
        /// The device reads and writes.
        Bidirectional,
        /// The device reads.
        ToDevice,
        /// The device writes.
        FromDevice,
    }
}

pub mod fmt {
    //! Formatting.

    pub use core::fmt::*;
    pub use core::format_args as fmt;
}

pub mod init {
    //! In-place initialisation.

    /// A type that can be all zero.
    pub trait Zeroable {
        /// Returns the value that is all zero.
        fn zeroed() -> Self;
    }

    /// An initialiser, which here makes the value anywhere.
    pub trait PinInit<T, E> {
        /// Returns the value.
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

    /// The result of an interrupt handler.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum IrqReturn {
        /// The interrupt came from another device.
        None,
        /// The interrupt came from this device.
        Handled,
    }
}

pub mod prelude {
    //! The names in the kernel's prelude.

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

/// A counter of log lines.
pub mod log {
    use std::cell::Cell;

    thread_local! {
        static LINES: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts a line.
    pub fn count() {
        LINES.set(LINES.get() + 1);
    }

    /// Returns the number of lines since the last call.
    pub fn take_lines() -> usize {
        LINES.take()
    }
}

/// Counts a line, and prints nothing.
#[macro_export]
macro_rules! dev_err {
    ($dev:expr, $($format:tt)*) => {{
        let _ = (&$dev, format_args!($($format)*));
        $crate::log::count();
    }};
}

/// Counts a line, and prints nothing.
#[macro_export]
macro_rules! dev_dbg {
    ($($all:tt)*) => {
        $crate::dev_err!($($all)*)
    };
}

/// Returns nothing, as lock classes are not checked here.
#[macro_export]
macro_rules! static_lock_class {
    () => {
        ()
    };
}

/// Returns an initialiser of a structure, field by field. The structure does not move once it is in
/// an `Arc`.
#[macro_export]
macro_rules! try_pin_init {
    (@ $t:ident [$($done:tt)*]) => {
        (|| Ok::<_, $crate::error::Error>($t { $($done)* }))()
    };
    (@ $t:ident [$($done:tt)*] $field:ident <- $value:expr, $($rest:tt)*) => {
        $crate::try_pin_init!(
            @ $t [$($done)* $field: $crate::init::PinInit::init($value)?,] $($rest)*
        )
    };
    (@ $t:ident [$($done:tt)*] $field:ident: $value:expr, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $t [$($done)* $field: $value,] $($rest)*)
    };
    (@ $t:ident [$($done:tt)*] $field:ident, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $t [$($done)* $field,] $($rest)*)
    };
    ($t:ident { $($fields:tt)* }) => { $crate::try_pin_init!(@ $t [] $($fields)*) };
}
