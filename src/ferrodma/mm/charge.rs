// SPDX-License-Identifier: GPL-2.0

//! Accounting of pinned pages against RLIMIT_MEMLOCK.
//!
//! C: `__io_account_mem()` in `io_uring/rsrc.c`. The limit holds for all processes of a user
//! together, as a user could multiply it by forking otherwise. It also holds for everything else
//! that the kernel charges to `user_struct::locked_vm`, such as buffers of io_uring and zero-copy
//! messages. The pages of one process are shown as `VmPin` in `/proc/<pid>/status`, and are not
//! limited.

use core::ptr::NonNull;

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_uint,
        c_ulong, //
    },
    mm::Mm,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    types::Opaque, //
};

extern "C" {
    /// See `helpers.c`.
    fn ferrodma_rlimit(resource: c_uint) -> c_ulong;
}

/// A user as RLIMIT_MEMLOCK counts them: by real user ID.
#[repr(transparent)]
struct User(Opaque<bindings::user_struct>);

// SAFETY: References to a user may be dropped by any thread.
unsafe impl Send for User {}
// SAFETY: Only the counters are used, which are atomic.
unsafe impl Sync for User {}

// SAFETY: A user is freed with the last reference, which `free_uid()` drops in any context.
unsafe impl AlwaysRefCounted for User {
    fn inc_ref(&self) {
        // SAFETY: The counter is valid as long as `self`, and not 0.
        unsafe { bindings::refcount_inc(&raw mut (*self.0.get()).__count) };
    }

    unsafe fn dec_ref(user: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::free_uid(user.as_ptr().cast()) };
    }
}

impl User {
    /// Returns the user of the calling task.
    fn current() -> ARef<Self> {
        // SAFETY: A task may read its own credentials, which have a reference to the user and stay
        // until the task itself changes them.
        let user: &Self = unsafe { &*(*(*current!().as_ptr()).cred).user.cast() };
        user.into()
    }

    /// Returns the counter of pages that are charged to the user.
    fn locked(&self) -> &Atomic<i64> {
        // SAFETY: The counter is valid as long as `self`, and only accessed atomically.
        unsafe { Atomic::from_ptr(&raw mut (*self.0.get()).locked_vm.counter) }
    }

    /// Charges `pages` more, unless the sum would exceed `limit`. Refused pages are not counted
    /// even for a moment, so they cannot make another charge fail.
    fn charge(&self, pages: i64, limit: i64) -> Result {
        let mut charged = self.locked().load(Relaxed);
        loop {
            let sum = charged
                .checked_add(pages)
                .filter(|sum| *sum <= limit)
                .ok_or(ENOMEM)?;
            match self.locked().cmpxchg(charged, sum, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => charged = now,
            }
        }
    }
}

/// Pages that are charged to a process, and to its user unless the user's limit does not apply.
///
/// Any process may drop the charge, in process context: this may drop the last reference to the
/// `struct mm_struct` of the program.
pub(crate) struct Charge {
    mm: ARef<Mm>,
    user: Option<ARef<User>>,
    pages: i64,
}

impl Charge {
    /// Charges `pages` to the caller.
    ///
    /// As for io_uring, the pages of a caller with CAP_IPC_LOCK do not count towards its user's
    /// limit.
    ///
    /// # Errors
    ///
    /// ENOMEM: `pages` would exceed RLIMIT_MEMLOCK, and the caller has no CAP_IPC_LOCK. EFAULT: the
    /// caller is a kernel thread, which has no memory of this kind.
    pub(crate) fn new(pages: usize) -> Result<Self> {
        let task = current!();
        let mm: &Mm = task.mm().ok_or(EFAULT)?;
        let pages = i64::try_from(pages).map_err(|_| ENOMEM)?;
        // CAST: A small number.
        // Without audit: this is checked for each job, and lacking the capability is normal.
        // SAFETY: Called in process context.
        let user = if unsafe { bindings::capable_noaudit(bindings::CAP_IPC_LOCK as c_int) } {
            None
        } else {
            // SAFETY: As above.
            let limit = unsafe { ferrodma_rlimit(bindings::RLIMIT_MEMLOCK) } >> PAGE_SHIFT;
            let user = User::current();
            // CAST: The value fits, as it was shifted.
            user.charge(pages, limit as i64)?;
            Some(user)
        };
        pinned(mm).add(pages, Relaxed);
        Ok(Self {
            mm: mm.into(),
            user,
            pages,
        })
    }
}

/// Returns the counter of pages that are pinned in `mm`.
fn pinned(mm: &Mm) -> &Atomic<i64> {
    // SAFETY: The counter is valid as long as `mm`, and only accessed atomically.
    unsafe { Atomic::from_ptr(&raw mut (*mm.as_raw()).__bindgen_anon_1.pinned_vm.counter) }
}

impl Drop for Charge {
    fn drop(&mut self) {
        pinned(&self.mm).add(-self.pages, Relaxed);
        if let Some(user) = &self.user {
            user.locked().add(-self.pages, Relaxed);
        }
    }
}
