// SPDX-License-Identifier: GPL-2.0

//! Memory of a program that is pinned, so that a job reads or writes it directly.
//!
//! C: `Documentation/core-api/pin_user_pages.rst`. A job is like direct I/O there (case 1): its
//! pages are pinned until it ends, at the latest when its own time limit and those of the jobs
//! before it have passed. So the pins are not FOLL_LONGTERM, which would refuse to pin pages of
//! files for writing, and would first migrate others.

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

/// The memory of a job's two lists: empty, pinned, or pinned and mapped.
///
/// It is kept for the next job when it is empty, so that a list which is no longer than those
/// before needs no allocation. If it is dropped while it is mapped, its pages stay pinned.
///
/// # Invariants
///
/// - Each page of each entry of `src` and `dst` is pinned once for the entry.
/// - If they have entries, `charge` counts their pages.
#[derive(Default)]
pub(crate) struct UserPages {
    src: SgTable,
    dst: SgTable,
    charge: Option<Charge>,
    /// Whether hardware may have written to the destination.
    written: bool,
}

impl UserPages {
    /// Pins the memory of `request`, which was checked. May sleep for as long as user space likes.
    ///
    /// # Errors
    ///
    /// EFAULT: the caller may not read the source, or not write to the destination. ENOMEM: see
    /// [`Charge::new`], or out of memory. EINTR: the caller is being killed. No page is pinned
    /// after an error.
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

    /// Pins both lists, or part of them if it fails.
    fn pin_lists(&mut self, request: &Request, max_entry: usize) -> Result {
        let task = current!();
        let mut pinner = Pinner::new(task.mm().ok_or(EFAULT)?);
        let write = bindings::FOLL_WRITE;
        pin_list(&mut self.src, request.src(), &mut pinner, 0, max_entry)?;
        pin_list(&mut self.dst, request.dst(), &mut pinner, write, max_entry)
    }

    /// Returns whether the memory is mapped, so that the device may use it.
    pub(crate) fn is_mapped(&self) -> bool {
        self.src.is_mapped() || self.dst.is_mapped()
    }

    /// Maps the pinned memory, and appends its bus addresses to `transfer`.
    ///
    /// # Errors
    ///
    /// Those of [`SgTable::map`] and [`Transfer::push_src`]. Part of the memory may be mapped after
    /// an error.
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

    /// Unmaps the memory. `written` says whether hardware was started on it: if not, nothing is
    /// synced, so that changes which the program has made to its memory in the meantime stay.
    ///
    /// # Safety
    ///
    /// The device that the memory was mapped for is still bound, and does not access the memory.
    pub(crate) unsafe fn unmap(&mut self, written: bool) {
        // SAFETY: The caller promises the same.
        unsafe {
            self.src.unmap(written);
            self.dst.unmap(written);
        }
        self.written = written;
    }

    /// Marks written pages dirty, and unpins all pages. Does nothing if the memory is mapped.
    ///
    /// Marking a page dirty takes the lock of its folio. A file system may hold that lock while it
    /// waits, even for a server in user space. If the folio of a written page is locked,
    /// [`Patience::Hurry`] leaves all pages pinned.
    pub(crate) fn release(&mut self, patience: Patience) {
        if self.is_mapped() {
            return;
        }
        if self.written && patience == Patience::Hurry {
            for (first, count) in self.dst.runs() {
                // CAST: `usize` is as wide.
                // SAFETY: By the invariant of `UserPages` these are neighbouring pages, which are
                // pinned.
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

/// Returns how many pages a segment touches. The segment was checked.
fn page_count(seg: &Seg) -> usize {
    // CAST: `usize` has 64 bits.
    (((seg.addr + (seg.len - 1)) >> PAGE_SHIFT) - (seg.addr >> PAGE_SHIFT) + 1) as usize
}

/// Pins all pages of `list`, and appends them to `table`.
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
            // SAFETY: The page stays pinned, and so valid, until the list is cleared.
            // `UserPages::pin()` has checked that the list is not mapped.
            let pushed = unsafe { table.push_page(*page, offset, len, max_entry) };
            if let Err(error) = pushed {
                for page in pinned.iter().skip(index) {
                    // SAFETY: The page was pinned above, and is in no list that would unpin it.
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
