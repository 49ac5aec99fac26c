// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out queue that never allocates while in use.
//!
//! Elements are moved in and out under a spin lock and from interrupt context, so room is made
//! beforehand: [`Fifo::replace_storage`] takes memory that was allocated outside of the lock.

use kernel::prelude::*;

use crate::raw;

/// A ring with room for as many elements as it has slots.
///
/// # Invariants
///
/// - `len <= slots.len()`, and `head < slots.len()` unless `slots` is empty.
/// - The `len` slots from `head` on, in the ring's order, are `Some`; all others are `None`.
pub(crate) struct Fifo<T> {
    slots: KVVec<Option<T>>,
    head: usize,
    len: usize,
}

/// Storage for a [`Fifo`], allocated ahead of its use.
pub(crate) struct Storage<T>(KVVec<Option<T>>);

impl<T> Storage<T> {
    /// Allocates room for `capacity` elements.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(capacity, raw::user_sized())?;
        for _ in 0..capacity {
            slots.push(None, raw::user_sized())?;
        }
        Ok(Self(slots))
    }
}

impl<T> Fifo<T> {
    /// An empty queue with room for nothing.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Nothing is in it.
        Self {
            slots: KVVec::new(),
            head: 0,
            len: 0,
        }
    }

    /// A queue with room for `capacity` elements.
    pub(crate) fn with_capacity(capacity: usize) -> Result<Self> {
        // INVARIANT: All slots are `None`.
        Ok(Self {
            slots: Storage::new(capacity)?.0,
            head: 0,
            len: 0,
        })
    }

    /// How many elements are in the queue.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in the queue.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot that is `n` places behind the head.
    fn index(&self, n: usize) -> usize {
        let index = self.head + n;
        if index >= self.slots.len() {
            index - self.slots.len()
        } else {
            index
        }
    }

    /// Appends `value`, or gives it back when the queue is full.
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

    /// Puts `value` before the oldest element that `is_later`, or gives it back when the queue is full.
    pub(crate) fn push_before(&mut self, value: T, is_later: impl Fn(&T) -> bool) -> Result<(), T> {
        let to = self.iter().position(is_later).unwrap_or(self.len);
        self.push(value)?;
        // INVARIANT: The same slots are `Some`; what is behind `to` moves by one place.
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

    /// Removes the oldest element that `matches`; the others keep their order.
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

    /// The oldest element that `matches`.
    pub(crate) fn find_mut(&mut self, matches: impl Fn(&T) -> bool) -> Option<&mut T> {
        let found = self.iter().position(matches)?;
        let at = self.index(found);
        self.slots.get_mut(at)?.as_mut()
    }

    /// The elements, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|n| self.slots.get(self.index(n))?.as_ref())
    }

    /// Moves the elements to `storage` if that is larger than the present one, and leaves the one
    /// that is not needed any more there, to be freed outside of locks.
    pub(crate) fn replace_storage(&mut self, storage: &mut Storage<T>) {
        let slots = &mut storage.0;
        if slots.len() <= self.slots.len() {
            return;
        }
        let len = self.len;
        for slot in slots.iter_mut().take(len) {
            *slot = self.pop();
        }
        // INVARIANT: The first `len` slots of the new storage hold the elements in order.
        core::mem::swap(&mut self.slots, slots);
        self.head = 0;
        self.len = len;
    }
}
