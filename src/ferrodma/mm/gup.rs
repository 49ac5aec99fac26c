// SPDX-License-Identifier: GPL-2.0

//! Pinning pages of the caller's memory, without a trace in the log.
//!
//! C: `mm/gup.c`. Where that meets a hole right below an area that grows downwards, such as the
//! stack, `gup_vma_lookup()` prints a trace, and a user can have it do so. So pages are only pinned
//! in areas that were looked up before and cannot be unmapped in the meantime.
//!
//! `pin_user_pages_fast()` takes the lock of the mappings itself where a page is missing, and looks
//! the area up again then. It is used where no other task could have unmapped it. Otherwise
//! `pin_user_pages()` works with the lock held from the look-up on, and is told to take only pages
//! that are present, so it waits for nothing. A missing page is faulted in as by the CPU. That gives
//! the lock up before it waits for a disk or for user space, as far as the kernel's fault handlers
//! can; then the area is looked up again.

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

/// Bits that tell that a fault was handled without the lock, which is not held any more then.
const UNLOCKED: bindings::vm_fault_t =
    bindings::vm_fault_reason_VM_FAULT_RETRY | bindings::vm_fault_reason_VM_FAULT_COMPLETED;

/// Pages that are pinned at a time.
const BATCH: usize = 64;

/// Times at most that a page is faulted in. Another thread or reclaim may take the page back before
/// it is pinned, which does not happen this often in a row. What never becomes a page that may be
/// pinned ends here: secret memory, or a file that cannot be read.
const TRIES: usize = 64;

/// Pins pages of the caller's memory.
///
/// # Invariants
///
/// No other task can unmap `area`: either `lock` is held, or the caller is the only user of the
/// address space. In the second case no other task can become one that unmaps: only the caller
/// itself could create one, and what other processes may do to it from outside, as debuggers do,
/// does not include that.
pub(crate) struct Pinner<'a> {
    mm: &'a MmWithUser,
    area: Range<usize>,
    lock: Option<MmapReadGuard<'a>>,
    pages: [*mut bindings::page; BATCH],
}

impl<'a> Pinner<'a> {
    /// Returns a pinner for `mm`, which must be the caller's.
    pub(crate) fn new(mm: &'a MmWithUser) -> Self {
        // INVARIANT: There is nothing to unmap.
        Self {
            mm,
            area: 0..0,
            lock: None,
            pages: [core::ptr::null_mut(); BATCH],
        }
    }

    /// Pins the first of `count` pages from `addr` on, at least one, and returns them. May sleep
    /// for as long as user space likes.
    ///
    /// # Errors
    ///
    /// EFAULT: this is not memory that the caller may read, or with FOLL_WRITE in `flags` write.
    /// ENOMEM. EINTR: the caller is being killed.
    pub(crate) fn pin(
        &mut self,
        addr: usize,
        count: usize,
        flags: c_uint,
    ) -> Result<&[*mut bindings::page]> {
        // SAFETY: The function has no other use of the number.
        let addr = unsafe { ferrodma_untagged(addr) };
        if self.lock.is_some() && self.is_contended() {
            // INVARIANT: There is nothing to unmap.
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
                // SAFETY: There is room for as many pages, and the lock is held.
                unsafe {
                    bindings::pin_user_pages(addr, count, flags | bindings::FOLL_NOFAULT, pages)
                }
            } else {
                // CAST: At most `BATCH`; and `isize` is wider.
                // SAFETY: There is room for as many pages, and the lock is not held.
                unsafe {
                    bindings::pin_user_pages_fast(addr, count as c_int, flags, pages) as isize
                }
            };
            if let Ok(pinned) = usize::try_from(pinned) {
                // Callers go on by the pages that they get: none would keep them here for ever.
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

    /// Returns whether another task waits for the lock of the mappings.
    fn is_contended(&self) -> bool {
        // SAFETY: `mm` is valid.
        unsafe { ferrodma_mmap_lock_contended(self.mm.as_raw()) }
    }

    /// Makes the area that of the mapping at `addr`.
    fn look_up(&mut self, addr: usize) -> Result {
        // INVARIANT: There is nothing to unmap.
        self.area = 0..0;
        let lock = self.lock.take().unwrap_or_else(|| self.mm.mmap_read_lock());
        let vma = lock.vma_lookup(addr).ok_or(EFAULT)?;
        self.area = vma.start()..vma.end();
        // SAFETY: The counter is valid as long as `mm`, and only accessed atomically.
        let users: &Atomic<i32> = unsafe {
            Atomic::from_ptr(&raw mut (*self.mm.as_raw()).__bindgen_anon_1.mm_users.counter)
        };
        // INVARIANT: The number is read with the lock held. If it is 1, no task is left that could
        // have waited for the lock to unmap the area.
        self.lock = (users.load(Relaxed) != 1).then_some(lock);
        Ok(())
    }

    /// Faults in the page at `addr`, which `pin_user_pages()` found missing, or not writable yet, or
    /// shared with another process. The lock may not be held any more afterwards.
    ///
    /// # Errors
    ///
    /// EFAULT: this access is not allowed, or the page cannot be had. ENOMEM.
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
            // INVARIANT: There is nothing to unmap.
            self.area = 0..0;
            core::mem::forget(self.lock.take());
        }
        // SAFETY: The function has no other use of the number.
        to_result(unsafe { ferrodma_fault_errno(fault) }).map_err(errno_for_program)
    }
}

/// Returns the error that a program gets for one of GUP.
fn errno_for_program(error: Error) -> Error {
    match error {
        ENOMEM | EINTR => error,
        _ => EFAULT,
    }
}
