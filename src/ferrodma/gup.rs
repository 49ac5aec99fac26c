// SPDX-License-Identifier: GPL-2.0

//! Pinning pages of the caller's memory, without a trace in the log.
//!
//! C: `mm/gup.c`. Where that meets a hole right below an area that grows downwards, such as the
//! stack, `gup_vma_lookup()` prints a trace, and a user can have it do so. So pages are only pinned
//! in areas that were looked up before and cannot be unmapped in the meantime.
//!
//! `pin_user_pages_fast()` takes the lock of the mappings itself where a page is missing, and looks
//! the area up again then. It is used where no other task could have unmapped it. Otherwise
//! `pin_user_pages()` works with the lock held from the look-up on. It must not wait for a page
//! then, so it is told not to. Such a page is faulted in as by the CPU, which may give the lock up,
//! and all starts over.

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

extern "C" {
    // See `shims.c` for these.
    fn ferrodma_untagged(addr: c_ulong) -> c_ulong;
    fn ferrodma_fault_errno(fault: bindings::vm_fault_t) -> c_int;
}

/// Bits that tell that a fault was handled without the lock, which is not held any more then.
const UNLOCKED: bindings::vm_fault_t =
    bindings::vm_fault_reason_VM_FAULT_RETRY | bindings::vm_fault_reason_VM_FAULT_COMPLETED;

/// Pages that are pinned at a time.
const BATCH: usize = 64;

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
        loop {
            if !self.area.contains(&addr) {
                self.look_up(addr)?;
            }
            let mapped = (self.area.end - addr) >> PAGE_SHIFT;
            let count = count.min(mapped).min(BATCH);
            let pages = self.pages.as_mut_ptr();
            let pinned = if self.lock.is_some() {
                // SAFETY: There is room for as many pages, and the lock is held.
                unsafe {
                    bindings::pin_user_pages(addr, count, flags | bindings::FOLL_NOWAIT, pages)
                }
            } else {
                // CAST: At most `BATCH`; and `isize` is wider.
                // SAFETY: There is room for as many pages, and the lock is not held.
                unsafe {
                    bindings::pin_user_pages_fast(addr, count as c_int, flags, pages) as isize
                }
            };
            match usize::try_from(pinned) {
                Ok(0) => self.fault_in(addr, flags)?,
                Ok(pinned) => return self.pages.get(..pinned).ok_or(EFAULT),
                // CAST: An errno.
                Err(_) => to_result(pinned as c_int).map_err(errno_for_program)?,
            }
        }
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

    /// Waits for the page at `addr`, which `pin_user_pages()` has found to take time: it has to be
    /// read from a disk, or user space has to be asked for it.
    fn fault_in(&mut self, addr: usize, flags: c_uint) -> Result {
        let lock = self.lock.take().ok_or(EFAULT)?;
        self.area = 0..0;
        let vma = lock.vma_lookup(addr).ok_or(EFAULT)?.as_ptr();
        let mut how =
            bindings::fault_flag_FAULT_FLAG_ALLOW_RETRY | bindings::fault_flag_FAULT_FLAG_KILLABLE;
        if flags & bindings::FOLL_WRITE != 0 {
            how |= bindings::fault_flag_FAULT_FLAG_WRITE;
        }
        // SAFETY: The lock is held, so `vma` is valid; and `pin_user_pages()` has seen that this
        // access is allowed there.
        let fault = unsafe { bindings::handle_mm_fault(vma, addr, how, core::ptr::null_mut()) };
        if fault & UNLOCKED != 0 {
            core::mem::forget(lock);
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
