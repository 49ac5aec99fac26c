// SPDX-License-Identifier: GPL-2.0

//! One object at most, which threads put and take without a lock.

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
/// [`AtomicBox::put`] and [`AtomicBox::take`] are full barriers: who puts something and then looks at a flag,
/// and who sets the flag with one and then takes, do not miss each other.
///
/// # Invariants
///
/// `kept` is null, or comes from [`KBox::into_raw`] and is nobody else's.
pub(crate) struct AtomicBox<T> {
    kept: Atomic<*mut T>,
}

// SAFETY: It hands on what was given to it, as a whole.
unsafe impl<T: Send> Send for AtomicBox<T> {}
// SAFETY: As above: nobody gets a reference to what is inside.
unsafe impl<T: Send> Sync for AtomicBox<T> {}

impl<T> AtomicBox<T> {
    /// Returns an empty one.
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
        // INVARIANT: `value` is this caller's, and from here on this one's.
        own(self.kept.xchg(KBox::into_raw(value), ordering::Full))
    }

    /// Returns whether it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.load(ordering::Relaxed).is_null()
    }
}

/// Makes a box of a pointer that was taken out.
fn own<T>(kept: *mut T) -> Option<KBox<T>> {
    // SAFETY: By the invariant, a pointer that is not null comes from `KBox::into_raw()`. Whoever
    // has exchanged it for something else is the only one who has it.
    (!kept.is_null()).then(|| unsafe { KBox::from_raw(kept) })
}

impl<T> Drop for AtomicBox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
