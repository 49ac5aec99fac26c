// SPDX-License-Identifier: GPL-2.0

//! Users of the system.
//!
//! C header: [`include/linux/sched/user.h`](srctree/include/linux/sched/user.h).

use core::ptr::NonNull;

use kernel::{
    bindings,
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

/// A user, by real user ID: what RLIMIT_MEMLOCK counts, and hardware is shared between.
#[repr(transparent)]
pub(crate) struct User(Opaque<bindings::user_struct>);

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
    pub(crate) fn current() -> ARef<Self> {
        // SAFETY: A task may read its own credentials, which have a reference to the user and stay
        // until the task itself changes them.
        let user: &Self = unsafe { &*(*(*current!().as_ptr()).cred).user.cast() };
        user.into()
    }

    /// Returns the counter of pages that are charged to the user.
    pub(super) fn locked(&self) -> &Atomic<i64> {
        // SAFETY: The counter is valid as long as `self`, and only accessed atomically.
        unsafe { Atomic::from_ptr(&raw mut (*self.0.get()).locked_vm.counter) }
    }

    /// Charges `pages` more, unless the sum would exceed `limit`. Refused pages are not counted
    /// even for a moment, so they cannot make another charge fail.
    pub(super) fn charge(&self, pages: i64, limit: i64) -> Result {
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
