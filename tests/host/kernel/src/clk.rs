// SPDX-License-Identifier: GPL-2.0

//! Clocks, which do not exist here.

use core::ffi::CStr;
use std::cell::Cell;

use crate::{
    device::{
        Bound,
        Device, //
    },
    error::{
        code::EBUSY,
        Result, //
    }, //
};

thread_local! {
    static ANSWER: Cell<Result> = const { Cell::new(Ok(())) };
    static ENABLED: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// Sets the result of the next attempts to get a clock.
pub fn set_answer(answer: Result) {
    ANSWER.set(answer);
}

/// Sets how many clocks can be enabled at once.
pub fn set_most(clocks: isize) {
    MOST.set(clocks);
}

/// Returns how many clocks are enabled.
pub fn enabled() -> isize {
    ENABLED.get()
}

/// A clock that a device may lack.
pub struct OptionalClk;

impl OptionalClk {
    /// Returns a clock of a device.
    pub fn get(_: &Device<Bound>, _: Option<&CStr>) -> Result<Self> {
        ANSWER.get().map(|()| Self)
    }

    /// Enables the clock.
    pub fn prepare_enable(&self) -> Result {
        if ENABLED.get() == MOST.get() {
            return Err(EBUSY);
        }
        ENABLED.set(ENABLED.get() + 1);
        Ok(())
    }

    /// Disables the clock.
    pub fn disable_unprepare(&self) {
        ENABLED.set(ENABLED.get() - 1);
    }
}
