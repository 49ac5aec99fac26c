// SPDX-License-Identifier: GPL-2.0

//! Allocations, which a test can make fail.

use std::{
    cell::Cell,
    marker::Unsize,
    ops::{
        CoerceUnsized,
        Deref,
        DerefMut, //
    },
    slice, //
};

thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    static MADE: Cell<usize> = const { Cell::new(0) };
    static BOXES: Cell<usize> = const { Cell::new(0) };
}

/// Makes the allocations of this thread fail after the next `left` ones; with `None` all succeed.
pub fn limit(left: Option<usize>) {
    LEFT.with(|limit| limit.set(left));
}

/// Returns the number of boxes made since [`forget_boxes`], and how many of them exist.
pub fn boxes() -> (usize, usize) {
    (MADE.with(Cell::get), BOXES.with(Cell::get))
}

/// Resets the counters of boxes.
pub fn forget_boxes() {
    MADE.with(|made| made.set(0));
    BOXES.with(|boxes| boxes.set(0));
}

/// Counts an allocation, or fails.
pub(crate) fn allocate(_: Flags) -> Result<(), AllocError> {
    LEFT.with(|limit| match limit.get() {
        Some(0) => Err(AllocError),
        left => {
            limit.set(left.map(|left| left - 1));
            Ok(())
        }
    })
}

/// The error of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

/// Allocation flags, which have no effect here.
#[derive(Clone, Copy)]
pub struct Flags;

pub mod flags {
    //! Allocation flags.

    use super::Flags;

    /// For the kernel itself.
    pub const GFP_KERNEL: Flags = Flags;
    /// Charged to a program.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags;
}

/// A box; those that exist are counted.
pub struct KBox<T: ?Sized>(Box<T>);

impl<T> KBox<T> {
    /// Puts `value` in a box.
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        allocate(flags)?;
        MADE.with(|made| made.set(made.get() + 1));
        BOXES.with(|boxes| boxes.set(boxes.get() + 1));
        Ok(Self(Box::new(value)))
    }

    /// Turns the box into a pointer.
    pub fn into_raw(this: Self) -> *mut T {
        let mut this = std::mem::ManuallyDrop::new(this);
        // SAFETY: `this` is neither used nor dropped any more.
        Box::into_raw(unsafe { std::ptr::read(&raw mut this.0) })
    }

    /// Turns a pointer back into a box.
    ///
    /// # Safety
    ///
    /// `raw` comes from [`KBox::into_raw`], and is used once.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: The caller promises the same.
        Self(unsafe { Box::from_raw(raw) })
    }
}

impl<T: ?Sized + Unsize<U>, U: ?Sized> CoerceUnsized<KBox<U>> for KBox<T> {}

impl<T: ?Sized> Drop for KBox<T> {
    fn drop(&mut self) {
        BOXES.with(|boxes| boxes.set(boxes.get().saturating_sub(1)));
    }
}

impl<T: ?Sized> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A vector whose capacity is exactly what was requested.
pub struct KVec<T> {
    items: Vec<T>,
    capacity: usize,
}

/// The same type here, although the kernel's may use `vmalloc()`.
pub type KVVec<T> = KVec<T>;

/// The error of [`KVec::push_within_capacity`], with the value.
#[derive(Debug)]
pub struct PushError<T>(pub T);

impl<T> KVec<T> {
    /// Returns an empty vector without capacity.
    pub const fn new() -> Self {
        Self {
            items: Vec::new(),
            capacity: 0,
        }
    }

    /// Returns an empty vector of this capacity.
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut new = Self::new();
        new.reserve(capacity, flags)?;
        Ok(new)
    }

    /// Reserves capacity for `more` elements.
    pub fn reserve(&mut self, more: usize, flags: Flags) -> Result<(), AllocError> {
        let needed = self.items.len() + more;
        if needed > self.capacity {
            allocate(flags)?;
            self.items.reserve_exact(more);
            self.capacity = needed;
        }
        Ok(())
    }

    /// Appends `value`.
    pub fn push(&mut self, value: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.items.push(value);
        Ok(())
    }

    /// Appends `value` if there is capacity for it.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.items.len() == self.capacity {
            return Err(PushError(value));
        }
        self.items.push(value);
        Ok(())
    }

    /// Returns the capacity.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets the length to `len`, and fills new elements with `value`.
    pub fn resize(&mut self, len: usize, value: T, flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.reserve(len.saturating_sub(self.items.len()), flags)?;
        self.items.resize(len, value);
        Ok(())
    }

    /// Removes the last element.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Removes all elements and returns them one after the other.
    pub fn drain_all(&mut self) -> impl Iterator<Item = T> + '_ {
        self.items.drain(..)
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}
