// SPDX-License-Identifier: GPL-2.0

//! The address space that an open file works for.
//!
//! The addresses in a job are those of the program that submits it, and its record is for that
//! program. But an open file can be handed to another program, for instance as the standard input
//! of one that runs with other rights. So a file belongs to the address space (`struct mm_struct`)
//! of the first SUBMIT on it, and does nothing for any other.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).
//! `drivers/dma/idxd/cdev.c` has the same rule.

use core::ptr::{
    null_mut,
    NonNull, //
};

use kernel::{
    mm::Mm,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering,
            Atomic, //
        }, //
    }, //
};

/// The address space that a file belongs to, or none before the first SUBMIT.
///
/// # Invariants
///
/// `mm` is null, or comes from [`ARef::into_raw`] and does not change any more.
pub(crate) struct Owner {
    mm: Atomic<*mut Mm>,
}

// SAFETY: `Mm` is `Send` and `Sync`, and the reference to it is dropped once.
unsafe impl Send for Owner {}
// SAFETY: As above.
unsafe impl Sync for Owner {}

impl Owner {
    /// Returns the owner of a file that belongs to no address space yet.
    pub(crate) fn new() -> Self {
        // INVARIANT: Null.
        Self {
            mm: Atomic::new(null_mut()),
        }
    }

    /// Makes the caller's address space the owner if there is none yet. Returns whether this call
    /// has done so.
    ///
    /// # Errors
    ///
    /// EPERM: the file belongs to another address space, or the caller has none.
    pub(crate) fn claim(&self) -> Result<bool> {
        if !self.mm.load(ordering::Relaxed).is_null() {
            return self.check().map(|()| false);
        }
        let task = current!();
        let mm: &Mm = task.mm().ok_or(EPERM)?;
        // The reference keeps the `Mm` allocated, so no other one gets the same pointer.
        let mm = ARef::into_raw(ARef::from(mm)).as_ptr();
        // INVARIANT: Null before, and from `into_raw()` now.
        if self.mm.cmpxchg(null_mut(), mm, ordering::Full).is_ok() {
            return Ok(true);
        }
        // Another thread was first.
        give_back(mm);
        self.check().map(|()| false)
    }

    /// Checks that the file belongs to the caller's address space, or to none yet.
    ///
    /// # Errors
    ///
    /// EPERM: it belongs to another one.
    pub(crate) fn check(&self) -> Result {
        let owner = self.mm.load(ordering::Relaxed).cast_const();
        let task = current!();
        let is_owner = |mm: &Mm| core::ptr::eq(mm, owner);
        if owner.is_null() || task.mm().is_some_and(|mm| is_owner(mm)) {
            Ok(())
        } else {
            Err(EPERM)
        }
    }
}

/// Drops a reference that came from [`ARef::into_raw`].
fn give_back(mm: *mut Mm) {
    if let Some(mm) = NonNull::new(mm) {
        // SAFETY: `mm` comes from `ARef::into_raw()`, and its reference is dropped once.
        drop(unsafe { ARef::from_raw(mm) });
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        give_back(self.mm.load(ordering::Relaxed));
    }
}
