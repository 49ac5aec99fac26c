// SPDX-License-Identifier: GPL-2.0

//! Pinning pages of the caller's memory, without a trace in the log.
//!
//! C: `mm/gup.c`. When the address is in the hole right below an area that grows downwards, such as
//! the stack, `gup_vma_lookup()` prints a trace, and a user can provoke that. So pages are pinned
//! only in areas that were looked up before and that cannot be unmapped in the meantime.
//!
//! `pin_user_pages_fast()` takes the mmap lock itself if a page is missing, and then looks up the
//! area again. It is used where no other task could have unmapped the area. Otherwise
//! `pin_user_pages()` is called with the mmap lock held since the look-up, and takes only pages
//! that are present (FOLL_NOFAULT), so it waits for nothing. A missing page is then faulted in by
//! `handle_mm_fault()`. That drops the lock before it waits for a disk or for user space, as far as
//! the kernel's fault handlers can; the area is looked up again then.

use core::ops::Range;

use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_ulong, //
    },
    mm::{
        virt::flags,
        MmWithUser,
        MmapReadGuard, //
    },
    page::PAGE_SHIFT,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    // See `helpers.c` for these.
    fn ferrodma_mmap_lock_contended(mm: *mut bindings::mm_struct) -> bool;
    fn ferrodma_untagged(addr: c_ulong) -> c_ulong;
    fn ferrodma_fault_errno(fault: bindings::vm_fault_t) -> c_int;
}

/// Bits of a fault's result that say that the handler has dropped the mmap lock.
const UNLOCKED: bindings::vm_fault_t =
    bindings::vm_fault_reason_VM_FAULT_RETRY | bindings::vm_fault_reason_VM_FAULT_COMPLETED;

/// Pages that are pinned at a time, at most.
const BATCH: usize = 64;

/// Number of times that a page is faulted in, at most. Another thread or reclaim may take the page
/// away before it is pinned, but not this often in a row. The limit ends the loop for memory that
/// never gets a page that may be pinned: secret memory, or a file that cannot be read.
const TRIES: usize = 64;

/// Pins pages of the caller's memory.
///
/// # Invariants
///
/// No other task can unmap `area`: either `lock` is held, or the caller is the only user of the
/// address space. In the second case no other user can appear: only the caller itself could create
/// one, and the access of other processes to its memory, as of debuggers, cannot unmap.
pub(crate) struct Pinner<'a> {
    mm: &'a MmWithUser,
    area: Range<usize>,
    lock: Option<MmapReadGuard<'a>>,
    pages: [*mut bindings::page; BATCH],
}

impl<'a> Pinner<'a> {
    /// Returns a pinner for `mm`, which must be the caller's.
    pub(crate) fn new(mm: &'a MmWithUser) -> Self {
        // INVARIANT: `area` is empty.
        Self {
            mm,
            area: 0..0,
            lock: None,
            pages: [core::ptr::null_mut(); BATCH],
        }
    }

    /// Pins up to `count` pages from `addr` on, at least one, and returns them. User space can make
    /// this sleep for any time.
    ///
    /// # Errors
    ///
    /// EFAULT: the caller may not read this memory, or may not write to it if `flags` has
    /// FOLL_WRITE. ENOMEM. EINTR: the caller is being killed.
    pub(crate) fn pin(
        &mut self,
        addr: usize,
        count: usize,
        flags: c_uint,
    ) -> Result<&[*mut bindings::page]> {
        // SAFETY: The function only computes with the number.
        let addr = unsafe { ferrodma_untagged(addr) };
        if self.lock.is_some() && self.is_contended() {
            // INVARIANT: `area` is empty.
            self.area = 0..0;
            self.lock = None;
        }
        for _ in 0..TRIES {
            if !self.area.contains(&addr) {
                self.look_up(addr)?;
            }
            let mapped = (self.area.end - addr) >> PAGE_SHIFT;
            let count = count.min(mapped).min(BATCH);
            let pages = self.pages.as_mut_ptr();
            let pinned = if self.lock.is_some() {
                // SAFETY: `pages` has space for `count` pages, and the lock is held.
                unsafe {
                    bindings::pin_user_pages(addr, count, flags | bindings::FOLL_NOFAULT, pages)
                }
            } else {
                // CAST: At most `BATCH`; and `isize` is wider.
                // SAFETY: `pages` has space for `count` pages, and the lock is not held.
                unsafe {
                    bindings::pin_user_pages_fast(addr, count as c_int, flags, pages) as isize
                }
            };
            if let Ok(pinned) = usize::try_from(pinned) {
                // Callers loop until they have all pages: an empty result would keep them looping
                // for ever.
                return self
                    .pages
                    .get(..pinned)
                    .filter(|pages| !pages.is_empty())
                    .ok_or(EFAULT);
            }
            // CAST: An errno.
            match to_result(pinned as c_int) {
                Err(EFAULT) if self.lock.is_some() => self.fault_in(addr, flags)?,
                result => result.map_err(errno_for_program)?,
            }
        }
        Err(EFAULT)
    }

    /// Returns whether another task waits for the mmap lock.
    fn is_contended(&self) -> bool {
        // SAFETY: `mm` is valid.
        unsafe { ferrodma_mmap_lock_contended(self.mm.as_raw()) }
    }

    /// Makes `area` the area of the mapping at `addr`.
    fn look_up(&mut self, addr: usize) -> Result {
        // INVARIANT: `area` is empty.
        self.area = 0..0;
        let lock = self.lock.take().unwrap_or_else(|| self.mm.mmap_read_lock());
        let vma = lock.vma_lookup(addr).ok_or(EFAULT)?;
        self.area = vma.start()..vma.end();
        // SAFETY: The counter is valid as long as `mm`, and only accessed atomically.
        let users: &Atomic<i32> = unsafe {
            Atomic::from_ptr(&raw mut (*self.mm.as_raw()).__bindgen_anon_1.mm_users.counter)
        };
        // INVARIANT: The number is read with the lock held. If it is 1, no other task exists that
        // could have waited for the lock to unmap the area.
        self.lock = (users.load(Relaxed) != 1).then_some(lock);
        Ok(())
    }

    /// Faults in the page at `addr`, which `pin_user_pages()` has found missing, not yet writable,
    /// or shared with another process. May drop the lock.
    ///
    /// # Errors
    ///
    /// EFAULT: the access is not allowed, or the page cannot be made present. ENOMEM.
    fn fault_in(&mut self, addr: usize, flags: c_uint) -> Result {
        let lock = self.lock.as_ref().ok_or(EFAULT)?;
        let vma = lock.vma_lookup(addr).ok_or(EFAULT)?;
        let (needed, access) = if flags & bindings::FOLL_WRITE != 0 {
            (flags::WRITE, bindings::fault_flag_FAULT_FLAG_WRITE)
        } else {
            (flags::READ, bindings::fault_flag_FAULT_FLAG_UNSHARE)
        };
        if vma.flags() & (needed | flags::IO | flags::PFNMAP) != needed {
            return Err(EFAULT);
        }
        let how = access
            | bindings::fault_flag_FAULT_FLAG_ALLOW_RETRY
            | bindings::fault_flag_FAULT_FLAG_KILLABLE;
        // SAFETY: The lock is held, so `vma` is valid, and it allows the access.
        let fault =
            unsafe { bindings::handle_mm_fault(vma.as_ptr(), addr, how, core::ptr::null_mut()) };
        if fault & UNLOCKED != 0 {
            // INVARIANT: `area` is empty.
            self.area = 0..0;
            core::mem::forget(self.lock.take());
        }
        // SAFETY: The function only computes with the number.
        to_result(unsafe { ferrodma_fault_errno(fault) }).map_err(errno_for_program)
    }
}

/// Returns the error that a program sees for an error of GUP.
fn errno_for_program(error: Error) -> Error {
    match error {
        ENOMEM | EINTR => error,
        _ => EFAULT,
    }
}
