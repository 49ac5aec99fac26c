// SPDX-License-Identifier: GPL-2.0

//! What C knows of a device and the kernel crate keeps to itself.
//!
//! [`Device::as_raw`] is private to that crate; this is the one place that goes around it.
//!
//! [`Device::as_raw`]: kernel::device::Device

use kernel::{
    alloc::Flags,
    bindings,
    device::{
        Bound,
        Device, //
    },
    page::PAGE_SIZE, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `shims.c`.
    fn ferrodma_is_dma_coherent(dev: *mut bindings::device) -> bool;
    /// See `shims.c`.
    fn ferrodma_set_no_seg_boundary(dev: *mut bindings::device);
}

/// Whether the DMA API takes `dev` for one that snoops the CPU's caches.
pub(crate) fn is_dma_coherent(dev: &Device) -> bool {
    // SAFETY: The device is valid.
    unsafe { ferrodma_is_dma_coherent(device(dev)) }
}

/// The flags as C takes them.
pub(crate) fn gfp(flags: Flags) -> bindings::gfp_t {
    const { assert!(size_of::<Flags>() == size_of::<bindings::gfp_t>()) };
    // SAFETY: `Flags` is a struct with one field, a `gfp_t`, whose bits are all valid.
    unsafe { core::mem::transmute(flags) }
}

/// Lets an entry of a scatter list be anywhere; the default is not across 4 GiB.
///
/// # Safety
///
/// Nothing of `dev` is mapped or being mapped.
pub(crate) unsafe fn set_no_segment_boundary(dev: &Device<Bound>) {
    // SAFETY: The device is valid; the rest the caller promises.
    unsafe { ferrodma_set_no_seg_boundary(device(dev)) }
}

/// Longest entry of a scatter list that the DMA API can map for `dev`, in bytes: whole pages, and
/// far from what C counts in 32 bits.
pub(crate) fn max_mapping_size(dev: &Device<Bound>) -> usize {
    // SAFETY: The device is valid.
    let size = unsafe { bindings::dma_max_mapping_size(device(dev)) };
    size.clamp(PAGE_SIZE, 1 << 30) & !(PAGE_SIZE - 1)
}

/// Returns the C `struct device`, valid as long as the reference to `dev`.
pub(crate) fn device(dev: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `Opaque<bindings::device>`, which in turn has the
    // layout of `bindings::device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
