// SPDX-License-Identifier: GPL-2.0

//! A place for one object, which threads put there and take without a lock.

use core::ptr::null_mut;

use kernel::{
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    }, //
};

/// A place for a `T`.
///
/// [`Slot::put`] and [`Slot::take`] are full barriers: who puts something and then looks at a flag,
/// and who sets the flag with one and then takes, do not miss each other.
///
/// # Invariants
///
/// `kept` is null, or comes from [`KBox::into_raw`] and is nobody else's.
pub(crate) struct Slot<T> {
    kept: Atomic<*mut T>,
}

// SAFETY: A slot hands on what was given to it, as a whole.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: As above: nobody gets a reference to what is inside.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty one.
    pub(crate) fn new() -> Self {
        // INVARIANT: Null.
        Self {
            kept: Atomic::new(null_mut()),
        }
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Option<KBox<T>> {
        // INVARIANT: Null.
        own(self.kept.xchg(null_mut(), ordering::Full))
    }

    /// Puts `value` there, and returns what was there before.
    pub(crate) fn put(&self, value: KBox<T>) -> Option<KBox<T>> {
        // INVARIANT: `value` is this caller's, and from here on the slot's.
        own(self.kept.xchg(KBox::into_raw(value), ordering::Full))
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.load(ordering::Relaxed).is_null()
    }
}

/// Makes a box again of what was in a slot, and is not any more.
fn own<T>(kept: *mut T) -> Option<KBox<T>> {
    // SAFETY: By the invariant of the slot that is not null comes from `KBox::into_raw()`. Whoever
    // has exchanged it for something else is the only one who has it.
    (!kept.is_null()).then(|| unsafe { KBox::from_raw(kept) })
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
