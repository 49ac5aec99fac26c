// SPDX-License-Identifier: GPL-2.0

//! Access to a device that C code has and the kernel crate does not offer.
//!
//! [`Device::as_raw`] is private to the kernel crate; this is the only module that works around it.
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

/// Returns whether the DMA API treats `dev` as cache-coherent (snooping the CPU's caches).
pub(crate) fn is_dma_coherent(dev: &Device) -> bool {
    // SAFETY: The device is valid.
    unsafe { ferrodma_is_dma_coherent(device(dev)) }
}

/// Returns the width in bits of the memory addresses that `dev` reaches without a bounce buffer. It
/// may be less than the width of the bus addresses. With an IOMMU it is 64.
pub(crate) fn memory_bits(dev: &Device<Bound>) -> u32 {
    // SAFETY: The device is valid, and its masks do not change any more once it is bound.
    unsafe { ferrodma_memory_bits(device(dev)) }
}

/// Checks that the device tree leaves the BCM2835 DMA channel with its registers at `start` to
/// drivers other than the kernel's own.
///
/// # Errors
///
/// EBUSY: the channel belongs to the kernel's driver. ENODEV: the channel has 40-bit addresses.
pub(crate) fn bcm2835_channel(start: PhysAddr) -> Result {
    // SAFETY: The function takes any address, and locks the device tree itself.
    to_result(unsafe { ferrodma_bcm2835_channel(start) })
}

/// Returns the flags for an allocation whose size a program decides: it is charged to the program's
/// memory cgroup, and logs no warning when it fails.
pub(crate) fn user_sized() -> Flags {
    GFP_KERNEL_ACCOUNT | __GFP_NOWARN
}

/// Returns `flags` as C takes them.
pub(crate) fn gfp(flags: Flags) -> bindings::gfp_t {
    const { assert!(size_of::<Flags>() == size_of::<bindings::gfp_t>()) };
    // SAFETY: `Flags` is a struct with one field, a `gfp_t`, whose bits are all valid.
    unsafe { core::mem::transmute(flags) }
}

/// Lets an entry of a scatter list cross any address; by default none crosses a multiple of 4 GiB.
///
/// # Safety
///
/// No memory is mapped, or is being mapped, for `dev`.
pub(crate) unsafe fn set_no_segment_boundary(dev: &Device<Bound>) {
    // SAFETY: The device is valid; the caller promises the rest.
    unsafe { ferrodma_set_no_seg_boundary(device(dev)) }
}

/// Returns the longest entry of a scatter list that the DMA API can map for `dev`, in bytes: whole
/// pages, and at most 1 GiB, so that the length fits in the 32 bits that C has for it.
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
