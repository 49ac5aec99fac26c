// SPDX-License-Identifier: GPL-2.0

//! Memory of a program that a job reads or writes where it is.
//!
//! C: `Documentation/core-api/pin_user_pages.rst`. A job is like direct I/O there (case 1): its
//! pages are pinned until it ends, which it does by itself, after the time limits of those before it
//! at the latest. So the pins are not for the long term, for which pages of files could not be pinned
//! to be written, and others would be moved beforehand.

use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    ffi::{
        c_uint,
        c_ulong, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use crate::{
    dma::{
        sg::{
            CacheLines,
            SgTable, //
        },
        transfer::Transfer, //
    },
    memory::Patience,
    mm::{
        charge::Charge,
        gup::Pinner, //
    },
    request::Request,
    uapi::Seg, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `helpers.c`.
    fn ferrodma_try_mark_dirty(page: *mut bindings::page, count: c_ulong) -> bool;
}

/// The memory of a job's two lists, in one of three states: empty, pinned, or mapped as well.
///
/// It is kept empty for the next job, so that a list which is no longer than others before is
/// described without an allocation. If it is dropped while it is mapped, its pages stay pinned.
///
/// # Invariants
///
/// - Each page of each entry of `src` and `dst` is pinned once for the entry.
/// - If they have entries, `charge` counts as many pages.
#[derive(Default)]
pub(crate) struct UserPages {
    src: SgTable,
    dst: SgTable,
    charge: Option<Charge>,
    /// Hardware may have written to the destination.
    written: bool,
}

impl UserPages {
    /// Pins the memory of `request`, which has been checked. May sleep for as long as user space
    /// likes.
    ///
    /// # Errors
    ///
    /// EFAULT: a list is not all memory that the caller may read, or write. ENOMEM: see
    /// [`Charge::new`], or out of memory. EINTR: the caller is being killed. Nothing is pinned
    /// then.
    pub(crate) fn pin(&mut self, request: &Request, max_entry: usize) -> Result {
        if self.is_mapped() {
            return Err(EINVAL);
        }
        self.release(Patience::Sleep);
        let pages = |list: &[Seg]| list.iter().map(page_count).sum::<usize>();
        self.charge = Some(Charge::new(pages(request.src()) + pages(request.dst()))?);
        self.pin_lists(request, max_entry)
            .inspect_err(|_| self.release(Patience::Sleep))
    }

    /// Pins both lists, or part of them where it fails.
    fn pin_lists(&mut self, request: &Request, max_entry: usize) -> Result {
        let task = current!();
        let mut pinner = Pinner::new(task.mm().ok_or(EFAULT)?);
        let write = bindings::FOLL_WRITE;
        pin_list(&mut self.src, request.src(), &mut pinner, 0, max_entry)?;
        pin_list(&mut self.dst, request.dst(), &mut pinner, write, max_entry)
    }

    /// Whether the device may use the memory.
    pub(crate) fn is_mapped(&self) -> bool {
        self.src.is_mapped() || self.dst.is_mapped()
    }

    /// Maps what is pinned, and says so in `transfer`.
    ///
    /// # Errors
    ///
    /// Those of [`SgTable::map`] and [`Transfer::push_src`]. Something may be mapped then.
    pub(crate) fn map(
        &mut self,
        dev: &Device<Bound>,
        max_span: u64,
        transfer: &mut Transfer,
    ) -> Result {
        if transfer.fill().is_none() {
            self.src
                .map(dev, DataDirection::ToDevice, CacheLines::Shared)?;
            transfer.push_src(self.src.spans(), max_span)?;
        }
        self.dst
            .map(dev, DataDirection::FromDevice, CacheLines::Shared)?;
        transfer.push_dst(self.dst.spans(), max_span)
    }

    /// Unmaps what is mapped. `written` says whether hardware was started on it: if not, nothing
    /// is synced, so that what the program did to its memory in the meantime stays.
    ///
    /// # Safety
    ///
    /// The device that it was mapped for is still bound, and does not access the memory.
    pub(crate) unsafe fn unmap(&mut self, written: bool) {
        // SAFETY: The caller promises what is needed.
        unsafe {
            self.src.unmap(written);
            self.dst.unmap(written);
        }
        self.written = written;
    }

    /// Marks what was written as dirty, and unpins all; nothing if it is mapped. To mark it may take
    /// a lock that a file system holds while it waits, for a server in user space maybe. In a hurry,
    /// all is left as it is then.
    pub(crate) fn release(&mut self, patience: Patience) {
        if self.is_mapped() {
            return;
        }
        if self.written && patience == Patience::Hurry {
            for (first, count) in self.dst.runs() {
                // CAST: `usize` is as wide.
                // SAFETY: These are pages, which are pinned.
                if !unsafe { ferrodma_try_mark_dirty(first, count as c_ulong) } {
                    return;
                }
            }
            self.written = false;
        }
        unpin_list(&mut self.src, false);
        unpin_list(&mut self.dst, self.written);
        self.written = false;
        self.charge = None;
    }
}

impl Drop for UserPages {
    fn drop(&mut self) {
        if self.is_mapped() {
            core::mem::forget(self.charge.take());
        } else {
            self.release(Patience::Sleep);
        }
    }
}

/// How many pages a segment is in. It has been checked.
fn page_count(seg: &Seg) -> usize {
    // CAST: `usize` has 64 bits.
    (((seg.addr + (seg.len - 1)) >> PAGE_SHIFT) - (seg.addr >> PAGE_SHIFT) + 1) as usize
}

/// Pins all pages of `list`, and describes them in `table`.
fn pin_list(
    table: &mut SgTable,
    list: &[Seg],
    pinner: &mut Pinner<'_>,
    flags: c_uint,
    max_entry: usize,
) -> Result {
    list.iter()
        .try_for_each(|seg| pin_seg(table, seg, pinner, flags, max_entry))
}

fn pin_seg(
    table: &mut SgTable,
    seg: &Seg,
    pinner: &mut Pinner<'_>,
    flags: c_uint,
    max_entry: usize,
) -> Result {
    // CAST: `usize` has 64 bits.
    let (mut addr, mut left) = (seg.addr as usize, seg.len as usize);
    while left > 0 {
        let offset = addr % PAGE_SIZE;
        let wanted = (offset + left).div_ceil(PAGE_SIZE);
        let pinned = pinner.pin(addr - offset, wanted, flags)?;
        for (index, page) in pinned.iter().enumerate() {
            let offset = addr % PAGE_SIZE;
            let len = left.min(PAGE_SIZE - offset);
            // SAFETY: The page is valid as long as it is pinned, which it is until the list is
            // cleared. `pin()` has seen that the list is not mapped.
            let pushed = unsafe { table.push_page(*page, offset, len, max_entry) };
            if let Err(error) = pushed {
                for page in pinned.iter().skip(index) {
                    // SAFETY: It was pinned above, and nobody else unpins it.
                    unsafe { bindings::unpin_user_page(*page) };
                }
                return Err(error);
            }
            addr += len;
            left -= len;
        }
    }
    Ok(())
}

/// Unpins all pages in `table`, and marks them dirty if they were `written`.
fn unpin_list(table: &mut SgTable, written: bool) {
    for (first, count) in table.runs() {
        // CAST: `usize` is as wide.
        // SAFETY: By the invariant of `UserPages` these pages are neighbours, and pinned once for
        // this entry.
        unsafe { bindings::unpin_user_page_range_dirty_lock(first, count as c_ulong, written) };
    }
    table.clear();
}
