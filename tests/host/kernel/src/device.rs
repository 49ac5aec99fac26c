// SPDX-License-Identifier: GPL-2.0

//! Devices.

use core::marker::PhantomData;

/// One that may not have a driver.
pub struct Normal;

/// One that has a driver.
pub struct Bound;

/// A device.
pub struct Device<State = Normal>(PhantomData<State>);

impl<State> Device<State> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}
