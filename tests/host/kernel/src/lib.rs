// SPDX-License-Identifier: GPL-2.0

//! What the files under test use of the kernel crate, for the host.
//!
//! Only that, and in the kernel's own shapes. Locks and condition variables are loom's, so that a
//! model goes through every order in which they can be taken. Memory can be made to run out.

pub mod alloc;
pub mod error;
pub mod sync;
pub mod task;
pub mod time;

pub mod dma {
    //! Directions of streaming mappings.

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

pub mod io {
    //! Registers.

    pub mod poll {
        //! Waits for what nothing tells.

        use crate::{
            error::{
                code::*,
                Result, //
            },
            time::Delta, //
        };

        /// Looks a few times; no time passes.
        pub fn read_poll_timeout<T>(
            mut look: impl FnMut() -> Result<T>,
            is_over: impl Fn(&T) -> bool,
            _poll: Delta,
            _limit: Delta,
        ) -> Result<T> {
            for _ in 0..2 {
                let seen = look()?;
                if is_over(&seen) {
                    return Ok(seen);
                }
            }
            Err(ETIMEDOUT)
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
        dev_err,
        error::{
            code::*,
            Error,
            Result, //
        },
        fmt::fmt,
        init::PinInit,
        try_pin_init,
    };
    pub use core::mem::size_of;
    pub use macros::pin_data;
}

/// Says nothing: what is logged is not tested here.
#[macro_export]
macro_rules! dev_err {
    ($dev:expr, $($format:tt)*) => {{
        let _ = (&$dev, format_args!($($format)*));
    }};
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
