// SPDX-License-Identifier: GPL-2.0

//! What C knows of a device and the kernel crate keeps to itself.
//!
//! [`Device::as_raw`] is private to that crate; this is the one place that goes around it.
//!
//! [`Device::as_raw`]: kernel::device::Device

use kernel::{
    bindings,
    device::Device, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `shims.c`.
    fn ferrodma_is_dma_coherent(dev: *mut bindings::device) -> bool;
}

/// Whether the DMA API takes `dev` for one that snoops the CPU's caches.
pub(crate) fn is_dma_coherent(dev: &Device) -> bool {
    // SAFETY: The device is valid.
    unsafe { ferrodma_is_dma_coherent(device(dev)) }
}

/// Returns the C `struct device`, valid as long as the reference to `dev`.
pub(crate) fn device(dev: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `Opaque<bindings::device>`, which in turn has the
    // layout of `bindings::device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
