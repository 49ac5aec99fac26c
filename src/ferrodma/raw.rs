// SPDX-License-Identifier: GPL-2.0

//! What C knows of a device and the kernel crate keeps to itself.
//!
//! [`Device::as_raw`] is private to that crate; this is the one place that goes around it.
//!
//! [`Device::as_raw`]: kernel::device::Device

use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    bindings,
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    ffi::{
        c_int,
        c_uint, //
    },
    io::PhysAddr,
    page::PAGE_SIZE,
    prelude::*, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `helpers.c`.
    fn ferrodma_is_dma_coherent(dev: *mut bindings::device) -> bool;
    /// See `helpers.c`.
    fn ferrodma_set_no_seg_boundary(dev: *mut bindings::device);
    /// See `helpers.c`.
    fn ferrodma_memory_bits(dev: *mut bindings::device) -> c_uint;
    /// See `helpers.c`.
    fn ferrodma_bcm2835_channel(start: PhysAddr) -> c_int;
}

/// Whether the DMA API takes `dev` for one that snoops the CPU's caches.
pub(crate) fn is_dma_coherent(dev: &Device) -> bool {
    // SAFETY: The device is valid.
    unsafe { ferrodma_is_dma_coherent(device(dev)) }
}

/// Width of the addresses of memory that `dev` reaches, which may be narrower than its bus addresses
/// are; at least as much as any has if there is an IOMMU between.
pub(crate) fn memory_bits(dev: &Device<Bound>) -> u32 {
    // SAFETY: The device is valid, and its masks do not change any more once it is bound.
    unsafe { ferrodma_memory_bits(device(dev)) }
}

/// Whether a driver other than the kernel's own may have the channel of a BCM2835 DMA controller whose
/// registers are at `start`, as the device tree says.
///
/// # Errors
///
/// EBUSY: it may not. ENODEV: the channel is one of those with 40-bit addresses.
pub(crate) fn bcm2835_channel(start: PhysAddr) -> Result {
    // SAFETY: The tree is locked inside.
    to_result(unsafe { ferrodma_bcm2835_channel(start) })
}

/// Returns how to allocate memory of which a program says how much: charged to its memory cgroup,
/// and without a trace in the log where there is none.
pub(crate) fn user_sized() -> Flags {
    GFP_KERNEL_ACCOUNT | __GFP_NOWARN
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
