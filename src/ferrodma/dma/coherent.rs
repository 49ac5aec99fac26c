// SPDX-License-Identifier: GPL-2.0

//! Coherent buffers that hardware, the kernel and user space share.
//!
//! Such memory needs no syncs, and so has no owner in the sense of the safety model: nobody ever
//! gets a slice of it, only copies in and out.

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

/// How the buffer is allocated, as C sees it. Without this an IOMMU would map single pages, and
/// `dma_mmap_attrs()` would make another kind of area of it than one that faults can fill.
// CAST: A small number.
const ATTRS: c_ulong = bindings::DMA_ATTR_FORCE_CONTIGUOUS as c_ulong;

/// A coherent buffer of whole pages, zero at first.
///
/// Like the blocks of a [`DmaPool`](crate::dma::pool::DmaPool) it goes back by way of its bus addresses, so
/// its device is bound for `'a`.
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
    /// Allocates a buffer of at least `size` bytes, rounded up to pages.
    ///
    /// # Errors
    ///
    /// EINVAL: `size` is 0. ENOMEM, which only the caller can put in the log: the size may be any
    /// that the device tree says.
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

    /// Bytes in the buffer.
    #[expect(clippy::len_without_is_empty, reason = "a buffer is never empty")]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// The bus addresses of `len` bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// ERANGE: not within the buffer.
    pub(crate) fn span(&self, offset: u64, len: u64) -> Result<Span> {
        let end = offset.checked_add(len).ok_or(EOVERFLOW)?;
        // CAST: `usize` has 64 bits.
        if end > self.len() as u64 {
            return Err(ERANGE);
        }
        Ok(Span::new(self.memory.dma_address() + offset, len))
    }

    /// Whether this is memory of `dev`.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        core::ptr::eq(raw::device(&self.dev), raw::device(dev))
    }

    /// Copies `data` to `offset`.
    ///
    /// # Errors
    ///
    /// ERANGE: not within the buffer.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result {
        let end = offset.checked_add(data.len()).ok_or(ERANGE)?;
        io_project!(&self.memory, [try: offset..end]).copy_from_slice(data);
        Ok(())
    }

    /// Copies from `offset` to all of `data`.
    ///
    /// # Errors
    ///
    /// ERANGE: not within the buffer.
    pub fn read(&self, offset: usize, data: &mut [u8]) -> Result {
        let end = offset.checked_add(data.len()).ok_or(ERANGE)?;
        io_project!(&self.memory, [try: offset..end]).copy_to_slice(data);
        Ok(())
    }

    /// Prepares `vma` for mapping the buffer, without mapping any page yet.
    ///
    /// `dma_mmap_attrs()` knows which memory attributes the pages must have in user space, so it is
    /// asked to map them; then they are unmapped again, for pages may only be mapped by faults. See
    /// [`crate::chardev::mmap`] for why.
    ///
    /// # Errors
    ///
    /// ENXIO: `vma` reaches beyond the end of the buffer. EOPNOTSUPP: this kind of memory cannot be
    /// mapped by faults.
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
        // SAFETY: The range is all of `vma`, which holds page frames without counting references to
        // their pages (VM_PFNMAP, as was just seen).
        unsafe {
            bindings::zap_special_vma_range(vma.as_ptr(), vma.start(), vma.end() - vma.start())
        };
        Ok(())
    }

    /// Maps all pages of `vma`, of which the program has touched one at `address`. Returns what the
    /// fault handler is to return.
    ///
    /// How long that takes grows with the buffer, but it is done once for each mapping. The kernel
    /// may run others after each page.
    ///
    /// # Safety
    ///
    /// To be called by the fault handler of `vma`, which [`Self::prepare_vma`] has prepared. The
    /// buffer must not be freed while the pages are mapped.
    pub(crate) unsafe fn fault_in(
        &self,
        vma: *mut bindings::vm_area_struct,
        address: usize,
    ) -> bindings::vm_fault_t {
        // SAFETY: The caller promises an area of page frames. `pages` is initialised, and describes
        // all of the buffer.
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
