// SPDX-License-Identifier: GPL-2.0

//! A place for at most one object, which threads put in and take out without a lock.

use core::ptr::null_mut;

use kernel::{
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    }, //
};

/// A `T`, or none.
///
/// [`AtomicBox::put`] and [`AtomicBox::take`] are full barriers. So if one thread puts an object in
/// and then reads a flag, and another sets that flag with a full barrier and then takes the object,
/// at least one of them sees what the other has written.
///
/// # Invariants
///
/// `kept` is null, or comes from [`KBox::into_raw`] and is owned by this `AtomicBox` alone.
pub(crate) struct AtomicBox<T> {
    kept: Atomic<*mut T>,
}

// SAFETY: An `AtomicBox` only moves the object as a whole from one thread to another.
unsafe impl<T: Send> Send for AtomicBox<T> {}
// SAFETY: As above: no method returns a reference to the object.
unsafe impl<T: Send> Sync for AtomicBox<T> {}

impl<T> AtomicBox<T> {
    /// Returns an empty `AtomicBox`.
    pub(crate) fn new() -> Self {
        // INVARIANT: Null.
        Self {
            kept: Atomic::new(null_mut()),
        }
    }

    /// Takes the object, if there is one.
    pub(crate) fn take(&self) -> Option<KBox<T>> {
        // INVARIANT: Null.
        own(self.kept.xchg(null_mut(), ordering::Full))
    }

    /// Puts `value` in, and returns the object that it replaces.
    pub(crate) fn put(&self, value: KBox<T>) -> Option<KBox<T>> {
        // INVARIANT: The caller owned `value`, and gives it to this `AtomicBox`.
        own(self.kept.xchg(KBox::into_raw(value), ordering::Full))
    }

    /// Returns whether there is no object inside.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.load(ordering::Relaxed).is_null()
    }
}

/// Turns a pointer that was exchanged for another into a box.
fn own<T>(kept: *mut T) -> Option<KBox<T>> {
    // SAFETY: By the invariant, a pointer that is not null comes from `KBox::into_raw()`. The
    // caller has exchanged it for another pointer, so no other thread has it.
    (!kept.is_null()).then(|| unsafe { KBox::from_raw(kept) })
}

impl<T> Drop for AtomicBox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
