// SPDX-License-Identifier: GPL-2.0

//! Accounting of pinned pages against RLIMIT_MEMLOCK.
//!
//! C: `__io_account_mem()` in `io_uring/rsrc.c`. The limit holds for all processes of a user
//! together, as a user could multiply it by forking otherwise. It also holds for everything else
//! that the kernel charges to `user_struct::locked_vm`, such as buffers of io_uring and zero-copy
//! messages. The pages of one process are shown as `VmPin` in `/proc/<pid>/status`, and are not
//! limited.

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
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    }, //
};

use super::user::User;

extern "C" {
    /// See `helpers.c`.
    fn ferrodma_rlimit(resource: c_uint) -> c_ulong;
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
