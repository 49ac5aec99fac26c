// SPDX-License-Identifier: GPL-2.0

//! Platform devices, with one register block.

use core::marker::PhantomData;
use std::sync::Arc;

use crate::{
    device,
    io::{
        IoRequest,
        PhysAddr,
        Registers, //
    }, //
};

/// A register block in the device tree.
pub struct Resource(PhysAddr);

impl Resource {
    /// Returns its start.
    pub fn start(&self) -> PhysAddr {
        self.0
    }
}

/// A device.
pub struct Device<State = device::Normal> {
    device: device::Device<State>,
    resource: Resource,
    registers: Arc<dyn Registers>,
}

impl Device<device::Bound> {
    /// Returns a device with these registers.
    pub fn new(start: PhysAddr, registers: Arc<dyn Registers>) -> Self {
        Self {
            device: device::Device::new(),
            resource: Resource(start),
            registers,
        }
    }

    /// Returns the register block, if `index` is 0.
    pub fn io_request_by_index(&self, index: u32) -> Option<IoRequest<'_>> {
        (index == 0).then(|| IoRequest {
            registers: self.registers.clone(),
            bound: PhantomData,
        })
    }
}

impl<State> Device<State> {
    /// Returns the resource of the register block, if `index` is 0.
    pub fn resource_by_index(&self, index: u32) -> Option<&Resource> {
        (index == 0).then_some(&self.resource)
    }
}

impl<State> AsRef<device::Device<State>> for Device<State> {
    fn as_ref(&self) -> &device::Device<State> {
        &self.device
    }
}
