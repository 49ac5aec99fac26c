// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out queue that never allocates while in use.
//!
//! Elements are moved in and out under a spin lock and in interrupt context, so storage for all of
//! them is allocated beforehand.

use kernel::prelude::*;

/// A ring buffer that holds as many elements as it has slots.
///
/// # Invariants
///
/// - `len <= slots.len()`, and `head < slots.len()` unless `slots` is empty.
/// - The `len` slots from `head` on, in the ring's order, are `Some`; all others are `None`.
pub(crate) struct Fifo<T> {
    slots: KVec<Option<T>>,
    head: usize,
    len: usize,
}

impl<T> Fifo<T> {
    /// Returns an empty queue without storage.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The queue is empty.
        Self {
            slots: KVec::new(),
            head: 0,
            len: 0,
        }
    }

    /// Returns an empty queue with storage for `capacity` elements.
    pub(crate) fn with_capacity(capacity: usize) -> Result<Self> {
        let mut slots = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..capacity {
            slots.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        // INVARIANT: All slots are `None`.
        Ok(Self {
            slots,
            head: 0,
            len: 0,
        })
    }

    /// Returns the number of elements in the queue.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the index of the slot that is `n` places behind the head.
    fn index(&self, n: usize) -> usize {
        let index = self.head + n;
        if index >= self.slots.len() {
            index - self.slots.len()
        } else {
            index
        }
    }

    /// Appends `value`, or returns it if the queue is full.
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if self.len == self.slots.len() {
            return Err(value);
        }
        let behind = self.index(self.len);
        let Some(slot) = self.slots.get_mut(behind) else {
            return Err(value);
        };
        // INVARIANT: The slot behind the last element becomes `Some` and is counted.
        *slot = Some(value);
        self.len += 1;
        Ok(())
    }

    /// Inserts `value` before the oldest element that `is_later`, or returns it if the queue is
    /// full.
    pub(crate) fn push_before(&mut self, value: T, is_later: impl Fn(&T) -> bool) -> Result<(), T> {
        let to = self.iter().position(is_later).unwrap_or(self.len);
        self.push(value)?;
        // INVARIANT: The same slots are `Some`; the elements from `to` on move by one place.
        for n in (to + 1..self.len).rev() {
            let (before, last) = (self.index(n - 1), self.index(n));
            self.slots.swap(before, last);
        }
        Ok(())
    }

    /// Removes the oldest element.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        // INVARIANT: The head's slot becomes `None` and is no longer counted.
        let value = self.slots.get_mut(self.head)?.take();
        self.head = self.index(1);
        self.len -= 1;
        value
    }

    /// Removes the oldest element that `matches`. The others keep their order.
    pub(crate) fn remove(&mut self, matches: impl Fn(&T) -> bool) -> Option<T> {
        let found = self.iter().position(matches)?;
        let at = self.index(found);
        let value = self.slots.get_mut(at)?.take();
        // INVARIANT: The gap moves behind the last element, one place at a time.
        for n in found + 1..self.len {
            let (gap, next) = (self.index(n - 1), self.index(n));
            self.slots.swap(gap, next);
        }
        self.len -= 1;
        value
    }

    /// Returns the oldest element that `matches`.
    pub(crate) fn find_mut(&mut self, matches: impl Fn(&T) -> bool) -> Option<&mut T> {
        let found = self.iter().position(matches)?;
        let at = self.index(found);
        self.slots.get_mut(at)?.as_mut()
    }

    /// Returns the elements, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|n| self.slots.get(self.index(n))?.as_ref())
    }
}
