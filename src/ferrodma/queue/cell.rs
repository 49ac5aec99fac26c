// SPDX-License-Identifier: GPL-2.0

//! Data of a queue that is not stored in the queue itself.

use core::{
    cell::UnsafeCell,
    ptr, //
};

use super::{
    Entry,
    Queue, //
};

/// Identifies a queue by its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueId(usize);

impl QueueId {
    /// Returns the identity of `queue`, which it has until it moves.
    pub(super) fn of<J: Entry>(queue: &Queue<J>) -> Self {
        Self(ptr::from_ref(queue).addr())
    }
}

/// A value that is accessed only together with its queue, so that the lock of the queue protects
/// the value, too. [`LockedBy`](kernel::sync::LockedBy) is the same for all that a lock protects.
pub(super) struct QueueCell<T> {
    queue: QueueId,
    value: UnsafeCell<T>,
}

// SAFETY: `&QueueCell` gives access to the value only with `&mut` to the one queue at an address,
// so one thread at a time accesses the value.
unsafe impl<T: Send> Sync for QueueCell<T> {}

impl<T> QueueCell<T> {
    /// Returns a cell whose value is accessed with this queue.
    pub(super) fn new(queue: QueueId, value: T) -> Self {
        Self {
            queue,
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the value, or `None` if it belongs to another queue.
    pub(super) fn get<'a, J: Entry>(&'a self, queue: &'a mut Queue<J>) -> Option<&'a mut T> {
        if QueueId::of(queue) != self.queue {
            return None;
        }
        // SAFETY: There is one queue at this address, of which the caller has the only reference.
        // The reference that is returned lives no longer than that one.
        Some(unsafe { &mut *self.value.get() })
    }
}
