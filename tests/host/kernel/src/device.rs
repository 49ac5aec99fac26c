// SPDX-License-Identifier: GPL-2.0

//! Devices.

use core::marker::PhantomData;

/// The state of a device that may have no driver.
pub struct Normal;

/// The state of a device that is bound to a driver.
pub struct Bound;

/// A device.
pub struct Device<State = Normal>(PhantomData<State>);

impl<State> Device<State> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}
