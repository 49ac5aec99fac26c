// SPDX-License-Identifier: GPL-2.0

//! Memory that can run out.

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

/// Lets the next `left` allocations of this thread succeed and those after them fail; all succeed
/// with none.
pub fn limit(left: Option<usize>) {
    LEFT.with(|limit| limit.set(left));
}

/// Boxes that were made since [`forget_boxes`], and those of them that exist.
pub fn boxes() -> (usize, usize) {
    (MADE.with(Cell::get), BOXES.with(Cell::get))
}

/// Starts to count boxes.
pub fn forget_boxes() {
    MADE.with(|made| made.set(0));
    BOXES.with(|boxes| boxes.set(0));
}

/// Allocates something, or fails.
pub(crate) fn allocate(_: Flags) -> Result<(), AllocError> {
    LEFT.with(|limit| match limit.get() {
        Some(0) => Err(AllocError),
        left => {
            limit.set(left.map(|left| left - 1));
            Ok(())
        }
    })
}

/// There is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

/// How to allocate, which makes no difference here.
#[derive(Clone, Copy)]
pub struct Flags;

pub mod flags {
    //! How to allocate.

    use super::Flags;

    /// As the kernel does for itself.
    pub const GFP_KERNEL: Flags = Flags;
    /// As the kernel does for a program.
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

    /// Gives it away.
    pub fn into_raw(this: Self) -> *mut T {
        let mut this = std::mem::ManuallyDrop::new(this);
        // SAFETY: It is not used or dropped any more.
        Box::into_raw(unsafe { std::ptr::read(&raw mut this.0) })
    }

    /// Takes it back.
    ///
    /// # Safety
    ///
    /// `raw` comes from [`KBox::into_raw`], and is used once.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: The caller promises it.
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

/// A vector whose capacity is exactly what was asked for.
pub struct KVec<T> {
    items: Vec<T>,
    capacity: usize,
}

/// The same here.
pub type KVVec<T> = KVec<T>;

/// What [`KVec::push_within_capacity`] gives back.
#[derive(Debug)]
pub struct PushError<T>(pub T);

impl<T> KVec<T> {
    /// An empty one without capacity.
    pub const fn new() -> Self {
        Self {
            items: Vec::new(),
            capacity: 0,
        }
    }

    /// An empty one with room for `capacity`.
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut new = Self::new();
        new.reserve(capacity, flags)?;
        Ok(new)
    }

    /// Makes room for `more`.
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

    /// Appends `value` if there is room.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.items.len() == self.capacity {
            return Err(PushError(value));
        }
        self.items.push(value);
        Ok(())
    }

    /// What there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes it `len` long, with `value` where there was nothing.
    pub fn resize(&mut self, len: usize, value: T, flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.reserve(len.saturating_sub(self.items.len()), flags)?;
        self.items.resize(len, value);
        Ok(())
    }

    /// Removes the last.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Removes all, one after the other.
    pub fn drain_all(&mut self) -> impl Iterator<Item = T> + '_ {
        self.items.drain(..)
    }

    /// Removes all.
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
