// SPDX-License-Identifier: GPL-2.0

//! Clocks, none of which there is.

use core::ffi::CStr;

use crate::{
    device::{
        Bound,
        Device, //
    },
    error::Result, //
};

/// A clock that may not be there.
pub struct OptionalClk;

impl OptionalClk {
    /// A clock of a device.
    pub fn get(_: &Device<Bound>, _: Option<&CStr>) -> Result<Self> {
        Ok(Self)
    }

    /// Lets it run.
    pub fn prepare_enable(&self) -> Result {
        Ok(())
    }

    /// Stops it.
    pub fn disable_unprepare(&self) {}
}
