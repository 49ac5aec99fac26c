// SPDX-License-Identifier: GPL-2.0

//! Scatter lists: pieces of memory and their bus addresses.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)
//!
//! The kernel crate's `SGTable` is for memory from `vmalloc()`, and is allocated anew for each
//! mapping. A [`SgTable`] describes any memory, and is used again for the next job without an
//! allocation. It does not own the memory: [`crate::memory::pages`] and [`crate::dma::streaming`]
//! do.

use kernel::{
    alloc::Flags,
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};

use crate::{
    dma::span::{
        Span,
        KEPT, //
    },
    raw, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: empty C structures deep inside, never passed by value"
)]
extern "C" {
    // See `helpers.c` for these.
    fn ferrodma_sg_set_page(
        sg: *mut bindings::scatterlist,
        page: *mut bindings::page,
        len: c_uint,
        offset: c_uint,
    );
    fn ferrodma_sg_set_buf(sg: *mut bindings::scatterlist, buf: *const c_void, len: c_uint);
    fn ferrodma_sg_mark_end(sg: *mut bindings::scatterlist);
    fn ferrodma_sg_page(sg: *mut bindings::scatterlist) -> *mut bindings::page;
    fn ferrodma_sg_pfn(sg: *mut bindings::scatterlist) -> c_ulong;
    fn ferrodma_page_pfn(page: *mut bindings::page) -> c_ulong;
    fn ferrodma_sync_for_cpu(
        dev: *mut bindings::device,
        sgt: *mut bindings::sg_table,
        direction: bindings::dma_data_direction,
    );
    fn ferrodma_sync_for_device(
        dev: *mut bindings::device,
        sgt: *mut bindings::sg_table,
        direction: bindings::dma_data_direction,
    );
}

/// How the cache lines at the ends of the entries are used, for `CONFIG_DMA_API_DEBUG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheLines {
    /// Each cache line belongs to one entry alone.
    Exclusive,
    /// Entries may share cache lines with other mappings, which is no bug: the program decides
    /// where its segments are.
    Shared,
}

/// The mapping of a table.
struct Mapping {
    dev: ARef<Device>,
    direction: DataDirection,
    /// Number of entries with bus addresses, which is less than that of the table if the DMA API
    /// has merged entries.
    nents: c_uint,
}

/// A scatter list.
///
/// # Invariants
///
/// - Each entry names existing pages.
/// - If `mapping` is some, it says how the entries are mapped, and they were not changed since.
#[derive(Default)]
pub(crate) struct SgTable {
    entries: KVVec<bindings::scatterlist>,
    mapping: Option<Mapping>,
}

impl SgTable {
    /// Returns whether the list is mapped, so that the device may use the memory.
    pub(crate) fn is_mapped(&self) -> bool {
        self.mapping.is_some()
    }

    /// Returns whether the list is mapped for `dev`.
    pub(crate) fn is_mapped_for(&self, dev: &Device) -> bool {
        self.mapping
            .as_ref()
            .is_some_and(|mapping| core::ptr::eq(raw::device(&mapping.dev), raw::device(dev)))
    }

    /// Returns the direction of the mapping.
    pub(crate) fn direction(&self) -> Option<DataDirection> {
        Some(self.mapping.as_ref()?.direction)
    }

    /// Appends part of a page. If it continues the last entry, that entry grows instead, up to
    /// `max_entry` bytes.
    ///
    /// # Safety
    ///
    /// `page` is valid, and stays so until the list is cleared. The list is not mapped.
    pub(crate) unsafe fn push_page(
        &mut self,
        page: *mut bindings::page,
        offset: usize,
        len: usize,
        max_entry: usize,
    ) -> Result {
        if let Some(last) = self.entries.last_mut() {
            // CAST: `usize` is wider.
            let (end, grown) = (
                last.offset as usize + last.length as usize,
                last.length as usize + len,
            );
            if offset == 0 && end % PAGE_SIZE == 0 && grown <= max_entry {
                // SAFETY: Both arguments name valid pages.
                let (first, next) = unsafe { (ferrodma_sg_pfn(last), ferrodma_page_pfn(page)) };
                if first + end / PAGE_SIZE == next {
                    // CAST: At most `max_entry`, which fits.
                    last.length = grown as c_uint;
                    return Ok(());
                }
            }
        }
        let mut entry = bindings::scatterlist::default();
        // CAST: Both are within a page.
        // SAFETY: `entry` is valid for writes, and `page` is valid.
        unsafe { ferrodma_sg_set_page(&mut entry, page, len as c_uint, offset as c_uint) };
        self.push(entry, raw::user_sized())
    }

    fn push(&mut self, entry: bindings::scatterlist, flags: Flags) -> Result {
        // Most lists fit in the memory of the one before.
        if let Err(full) = self.entries.push_within_capacity(entry) {
            self.entries.push(full.0, flags)?;
        }
        Ok(())
    }

    /// Appends a buffer in pieces of at most `max_entry` bytes.
    ///
    /// # Safety
    ///
    /// `buf` is memory from `kmalloc()`, which stays allocated until the list is cleared. The list
    /// is not mapped.
    pub(crate) unsafe fn push_buf(&mut self, buf: &[u8], max_entry: usize) -> Result {
        for part in buf.chunks(max_entry) {
            let mut entry = bindings::scatterlist::default();
            // CAST: At most `max_entry`, which fits.
            // SAFETY: `entry` is valid for writes, and `part` is in the linear mapping, as all
            // memory from `kmalloc()` is.
            unsafe { ferrodma_sg_set_buf(&mut entry, part.as_ptr().cast(), part.len() as c_uint) };
            self.push(entry, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Returns the runs of contiguous pages: the first page and the number of pages of each.
    pub(crate) fn runs(&mut self) -> impl Iterator<Item = (*mut bindings::page, usize)> + use<'_> {
        self.entries.iter_mut().map(|entry| {
            // CAST: `usize` is wider.
            let bytes = entry.offset as usize + entry.length as usize;
            // SAFETY: By the type invariant the entry is valid.
            let first = unsafe { ferrodma_sg_page(entry) };
            (first, bytes.div_ceil(PAGE_SIZE))
        })
    }

    /// Empties the list, and frees its array of entries if that is large. Does nothing if the list
    /// is mapped.
    pub(crate) fn clear(&mut self) {
        if self.is_mapped() {
            return;
        }
        self.entries.clear();
        if self.entries.capacity() > KEPT {
            self.entries = KVVec::new();
        }
    }

    /// Returns the table as C takes it.
    fn raw(&mut self, nents: c_uint) -> bindings::sg_table {
        bindings::sg_table {
            sgl: self.entries.as_mut_ptr(),
            nents,
            // CAST: `map()` has checked that it fits.
            orig_nents: self.entries.len() as c_uint,
        }
    }

    /// Maps the memory for `dev`.
    ///
    /// # Errors
    ///
    /// ENOMEM: no space in the bounce buffer or in the tables of the IOMMU, perhaps only for now.
    /// EINVAL: the list is empty or already mapped.
    pub(crate) fn map(
        &mut self,
        dev: &Device<Bound>,
        direction: DataDirection,
        lines: CacheLines,
    ) -> Result {
        if self.is_mapped() || c_int::try_from(self.entries.len()).is_err() {
            return Err(EINVAL);
        }
        let last = self.entries.last_mut().ok_or(EINVAL)?;
        // SAFETY: The entry is valid.
        unsafe { ferrodma_sg_mark_end(last) };
        let mut table = self.raw(0);
        // A program may ask for more than fits, and gets an error: it must not be able to fill the
        // log.
        let attrs = bindings::DMA_ATTR_NO_WARN
            | match lines {
                CacheLines::Exclusive => 0,
                CacheLines::Shared => bindings::DMA_ATTR_DEBUGGING_IGNORE_CACHELINES,
            };
        // CAST: A small number.
        // SAFETY: The device is bound, and the entries are valid, contiguous, and marked at their
        // end.
        to_result(unsafe {
            bindings::dma_map_sgtable(
                raw::device(dev),
                &mut table,
                direction.into(),
                attrs as c_ulong,
            )
        })
        // The DMA API may return EIO too.
        .map_err(|_| ENOMEM)?;
        // INVARIANT: The entries are mapped now.
        self.mapping = Some(Mapping {
            dev: dev.into(),
            direction,
            nents: table.nents,
        });
        Ok(())
    }

    /// Returns the bus addresses of the memory; nothing if it is not mapped.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> + use<'_> {
        let nents = self.mapping.as_ref().map_or(0, |mapping| mapping.nents);
        // CAST: `usize` is wider.
        // Read as `sg_dma_address()` and `sg_dma_len()` do on arm64: calling a helper for each
        // entry would cost more than everything else that is done with the entry here.
        self.entries
            .iter()
            .take(nents as usize)
            .map(|entry| Span::new(entry.dma_address, u64::from(entry.dma_length)))
    }

    /// Ends the mapping, if any. With `sync`, the CPU sees what the device has written; without it,
    /// the memory keeps what the CPU sees.
    ///
    /// # Safety
    ///
    /// The device that the list is mapped for is still bound, and does not access the memory.
    pub(crate) unsafe fn unmap(&mut self, sync: bool) {
        let Some(mapping) = self.mapping.take() else {
            return;
        };
        let attrs = if sync {
            0
        } else {
            // CAST: A small number.
            bindings::DMA_ATTR_SKIP_CPU_SYNC as c_ulong
        };
        let mut table = self.raw(mapping.nents);
        // SAFETY: By the type invariant the table is mapped as it is passed here; the caller
        // promises the rest.
        unsafe {
            bindings::dma_unmap_sgtable(
                raw::device(&mapping.dev),
                &mut table,
                mapping.direction.into(),
                attrs,
            )
        };
    }

    /// Makes what the device has written visible to the CPU. The list stays mapped.
    ///
    /// # Safety
    ///
    /// As for [`SgTable::unmap`].
    pub(crate) unsafe fn sync_for_cpu(&mut self) {
        // SAFETY: The caller promises the same.
        unsafe { self.sync(ferrodma_sync_for_cpu) };
    }

    /// Makes what the CPU has written visible to the device.
    ///
    /// # Safety
    ///
    /// As for [`SgTable::unmap`].
    pub(crate) unsafe fn sync_for_device(&mut self) {
        // SAFETY: The caller promises the same.
        unsafe { self.sync(ferrodma_sync_for_device) };
    }

    /// Calls `sync` for the list, if it is mapped.
    ///
    /// # Safety
    ///
    /// As for [`SgTable::unmap`].
    unsafe fn sync(
        &mut self,
        sync: unsafe extern "C" fn(
            *mut bindings::device,
            *mut bindings::sg_table,
            bindings::dma_data_direction,
        ),
    ) {
        if let Some(mapping) = &self.mapping {
            let (dev, direction) = (raw::device(&mapping.dev), mapping.direction);
            let mut table = self.raw(mapping.nents);
            // SAFETY: By the type invariant the table is mapped as it is passed here; the caller
            // promises the rest.
            unsafe { sync(dev, &mut table, direction.into()) };
        }
    }
}
