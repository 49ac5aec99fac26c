// SPDX-License-Identifier: GPL-2.0

//! Raw pointers of kernel-crate types that the crate keeps to itself.
//!
//! [`Device::as_raw`] is private to the kernel crate; this is the one place that goes around it.
//!
//! [`Device::as_raw`]: kernel::device::Device

use kernel::{
    bindings,
    device::Device, //
};

/// Returns the C `struct device`, valid as long as the reference to `dev`.
pub(crate) fn device(dev: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `Opaque<bindings::device>`, which in turn has the
    // layout of `bindings::device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
