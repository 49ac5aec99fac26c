// SPDX-License-Identifier: GPL-2.0

//! Coherent buffers that hardware, the kernel and user space share.
//!
//! The CPU and the device may access this memory at the same time, without syncs. So there are no
//! slices of it, only copies in and out.

use core::marker::PhantomData;

use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::{
        attrs::{
            DMA_ATTR_FORCE_CONTIGUOUS,
            DMA_ATTR_NO_WARN, //
        },
        Coherent, //
    },
    error::to_result,
    ffi::c_ulong,
    io::{
        io_project,
        Io, //
    },
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::page_align,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::Opaque, //
};

use crate::{
    dma::span::Span,
    raw, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `helpers.c`.
    fn ferrodma_fault_in(
        vma: *mut bindings::vm_area_struct,
        address: usize,
        sgt: *mut bindings::sg_table,
    ) -> bindings::vm_fault_t;
}

/// Attributes of the allocation, as C takes them. Without this one an IOMMU would map single pages,
/// and `dma_mmap_attrs()` would make an area without VM_PFNMAP, which faults cannot fill.
// CAST: A small number.
const ATTRS: c_ulong = bindings::DMA_ATTR_FORCE_CONTIGUOUS as c_ulong;

/// A coherent buffer of whole pages, zero at first.
///
/// Freeing it needs the device's DMA mappings, as for the blocks of a
/// [`DmaPool`](crate::dma::pool::DmaPool), so the device is bound for `'a`.
#[pin_data(PinnedDrop)]
pub struct CoherentBuffer<'a> {
    memory: Coherent<[u8]>,
    dev: ARef<Device>,
    _bound: PhantomData<&'a Device<Bound>>,
    /// The pages of `memory`.
    #[pin]
    pages: Opaque<bindings::sg_table>,
}

// SAFETY: The table of pages is not changed once it is made, and the rest is `Send`.
unsafe impl Send for CoherentBuffer<'_> {}
// SAFETY: As above.
unsafe impl Sync for CoherentBuffer<'_> {}

impl<'a> CoherentBuffer<'a> {
    /// Allocates a buffer of `size` bytes, rounded up to whole pages.
    ///
    /// # Errors
    ///
    /// EINVAL: `size` is 0. ENOMEM; this is not logged here, as the device tree may ask for any
    /// size.
    pub fn new(dev: &'a Device<Bound>, size: usize) -> Result<Arc<Self>> {
        let size = page_align(size).ok_or(ENOMEM)?;
        let memory = Coherent::<u8>::zeroed_slice_with_attrs(
            dev,
            size,
            GFP_KERNEL,
            DMA_ATTR_FORCE_CONTIGUOUS | DMA_ATTR_NO_WARN,
        )?;
        let (cpu, dma) = (memory.as_mut_ptr(), memory.dma_address());
        Arc::pin_init(
            try_pin_init!(Self {
                pages <- Opaque::try_ffi_init(|slot: *mut bindings::sg_table| {
                    // SAFETY: `slot` is valid for writes, and the other arguments describe an
                    // allocation of `dev`.
                    to_result(unsafe {
                        bindings::dma_get_sgtable_attrs(
                            raw::device(dev),
                            slot,
                            cpu.cast(),
                            dma,
                            size,
                            ATTRS,
                        )
                    })
                }),
                memory,
                dev: dev.into(),
                _bound: PhantomData,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the length of the buffer in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a buffer is never empty")]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Returns the bus addresses of `len` bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// ERANGE: the bytes are not all within the buffer. EOVERFLOW: the sum of both does not fit in
    /// 64 bits.
    pub(crate) fn span(&self, offset: u64, len: u64) -> Result<Span> {
        let end = offset.checked_add(len).ok_or(EOVERFLOW)?;
        // CAST: `usize` has 64 bits.
        if end > self.len() as u64 {
            return Err(ERANGE);
        }
        Ok(Span::new(self.memory.dma_address() + offset, len))
    }

    /// Returns whether the buffer is memory of `dev`.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        core::ptr::eq(raw::device(&self.dev), raw::device(dev))
    }

    /// Copies `data` to `offset`.
    ///
    /// # Errors
    ///
    /// ERANGE: the bytes are not all within the buffer.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result {
        let end = offset.checked_add(data.len()).ok_or(ERANGE)?;
        io_project!(&self.memory, [try: offset..end]).copy_from_slice(data);
        Ok(())
    }

    /// Copies from `offset` to all of `data`.
    ///
    /// # Errors
    ///
    /// ERANGE: the bytes are not all within the buffer.
    pub fn read(&self, offset: usize, data: &mut [u8]) -> Result {
        let end = offset.checked_add(data.len()).ok_or(ERANGE)?;
        io_project!(&self.memory, [try: offset..end]).copy_to_slice(data);
        Ok(())
    }

    /// Prepares `vma` for mapping the buffer, without mapping any page yet.
    ///
    /// `dma_mmap_attrs()` sets the memory attributes that the pages must have in user space, but
    /// maps them at once. They are unmapped again, as only faults may map them;
    /// [`crate::chardev::mmap`] says why.
    ///
    /// # Errors
    ///
    /// ENXIO: `vma` reaches beyond the end of the buffer. EOPNOTSUPP: faults cannot map this kind
    /// of memory.
    pub(crate) fn prepare_vma(&self, vma: &VmaNew) -> Result {
        // SAFETY: `vma` is being set up by our `mmap` callback, and the other arguments describe an
        // allocation of the device, which is bound.
        to_result(unsafe {
            bindings::dma_mmap_attrs(
                raw::device(&self.dev),
                vma.as_ptr(),
                self.memory.as_mut_ptr().cast(),
                self.memory.dma_address(),
                self.len(),
                ATTRS,
            )
        })?;
        if vma.flags() & flags::PFNMAP == 0 {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: The range is all of `vma`, which has VM_PFNMAP, as was just checked: its page
        // frames are mapped without references to their pages.
        unsafe {
            bindings::zap_special_vma_range(vma.as_ptr(), vma.start(), vma.end() - vma.start())
        };
        Ok(())
    }

    /// Maps all pages of `vma` when a program has touched one at `address`. Returns the result for
    /// the fault handler to return.
    ///
    /// The time that this takes grows with the buffer, but each mapping takes it only once, and the
    /// scheduler may run other tasks after each page.
    ///
    /// # Safety
    ///
    /// Must be called by the fault handler of `vma`, which [`Self::prepare_vma`] has prepared. The
    /// buffer must not be freed while its pages are mapped.
    pub(crate) unsafe fn fault_in(
        &self,
        vma: *mut bindings::vm_area_struct,
        address: usize,
    ) -> bindings::vm_fault_t {
        // SAFETY: The caller promises that `vma` is a prepared area. `pages` is initialised, and
        // describes all of the buffer.
        unsafe { ferrodma_fault_in(vma, address, self.pages.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for CoherentBuffer<'_> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `pages` is initialised and freed once. It does not own the pages.
        unsafe { bindings::sg_free_table(self.pages.get()) };
    }
}
