// SPDX-License-Identifier: GPL-2.0

//! Lists of referenced values. Here they are not intrusive, but as in the kernel, a value is in one
//! list with the same links at most.

use std::{
    collections::VecDeque,
    ops::Deref,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    }, //
};

use crate::{
    error::Error,
    sync::Arc, //
};

pub use crate::{
    impl_list_arc_safe,
    impl_list_item, //
};

/// A value that knows whether there is a [`ListArc`] of it.
pub trait ListArcSafe<const ID: u64 = 0> {
    /// Forgets the [`ListArc`].
    fn on_drop_list_arc(&self);
}

/// A value of which a [`ListArc`] can be made at any time.
pub trait TryNewListArc<const ID: u64 = 0>: ListArcSafe<ID> {
    /// Returns whether there was no [`ListArc`], and remembers that there is one.
    fn try_new_list_arc(&self) -> bool;
}

/// A value that can be in a list.
pub trait ListItem<const ID: u64 = 0>: ListArcSafe<ID> {}

/// Whether there is a [`ListArc`] of a value.
pub struct AtomicTracker<const ID: u64 = 0>(AtomicBool);

impl<const ID: u64> AtomicTracker<ID> {
    /// Returns an initialiser.
    #[expect(clippy::new_ret_no_self, reason = "as in the kernel")]
    pub fn new() -> Result<Self, Error> {
        Ok(Self(AtomicBool::new(false)))
    }
}

impl<const ID: u64> ListArcSafe<ID> for AtomicTracker<ID> {
    fn on_drop_list_arc(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl<const ID: u64> TryNewListArc<ID> for AtomicTracker<ID> {
    fn try_new_list_arc(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// The links of a list, of which there are none here.
pub struct ListLinks<const ID: u64 = 0>(());

impl<const ID: u64> ListLinks<ID> {
    /// Returns an initialiser.
    #[expect(clippy::new_ret_no_self, reason = "as in the kernel")]
    pub fn new() -> Result<Self, Error> {
        Ok(Self(()))
    }
}

/// The one reference to a value that may be in a list.
pub struct ListArc<T: ListArcSafe<ID>, const ID: u64 = 0>(Arc<T>);

impl<T: TryNewListArc<ID>, const ID: u64> ListArc<T, ID> {
    /// Returns a reference unless there is one.
    pub fn try_from_arc_or_drop(arc: Arc<T>) -> Option<Self> {
        arc.try_new_list_arc().then_some(Self(arc))
    }
}

impl<T: ListArcSafe<ID>, const ID: u64> ListArc<T, ID> {
    /// Returns a reference for any use.
    pub fn clone_arc(&self) -> Arc<T> {
        self.0.clone()
    }
}

impl<T: ListArcSafe<ID>, const ID: u64> Deref for ListArc<T, ID> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ListArcSafe<ID>, const ID: u64> Drop for ListArc<T, ID> {
    fn drop(&mut self) {
        self.0.on_drop_list_arc();
    }
}

/// A list.
pub struct List<T: ListItem<ID>, const ID: u64 = 0>(VecDeque<ListArc<T, ID>>);

impl<T: ListItem<ID>, const ID: u64> List<T, ID> {
    /// Returns an empty list.
    #[expect(clippy::new_without_default, reason = "as in the kernel")]
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value at the end.
    pub fn push_back(&mut self, item: ListArc<T, ID>) {
        self.0.push_back(item);
    }

    /// Adds a value at the front.
    pub fn push_front(&mut self, item: ListArc<T, ID>) {
        self.0.push_front(item);
    }

    /// Removes the first value.
    pub fn pop_front(&mut self) -> Option<ListArc<T, ID>> {
        self.0.pop_front()
    }

    /// Removes a value, if it is in the list.
    ///
    /// # Safety
    ///
    /// It is in no other list with the same links.
    pub unsafe fn remove(&mut self, item: &T) -> Option<ListArc<T, ID>> {
        let at = self
            .0
            .iter()
            .position(|other| std::ptr::eq(&**other, item))?;
        self.0.remove(at)
    }
}

/// Implements [`ListArcSafe`] and [`TryNewListArc`] by a field.
#[macro_export]
macro_rules! impl_list_arc_safe {
    ($(impl{$($generics:tt)*} ListArcSafe<$id:tt> for $t:ty {
        tracked_by $field:ident: $tracker:ty;
    })*) => {$(
        impl<$($generics)*> $crate::list::ListArcSafe<$id> for $t {
            fn on_drop_list_arc(&self) {
                $crate::list::ListArcSafe::<$id>::on_drop_list_arc(&self.$field);
            }
        }

        impl<$($generics)*> $crate::list::TryNewListArc<$id> for $t
        where
            $tracker: TryNewListArc<$id>,
        {
            fn try_new_list_arc(&self) -> bool {
                self.$field.try_new_list_arc()
            }
        }
    )*};
}

/// Implements [`ListItem`].
#[macro_export]
macro_rules! impl_list_item {
    ($(impl{$($generics:tt)*} ListItem<$id:tt> for $t:ty {
        using ListLinks { self.$field:ident };
    })*) => {$(
        impl<$($generics)*> $crate::list::ListItem<$id> for $t {}

        const _: () = {
            #[expect(dead_code, reason = "checks that there is such a field")]
            fn links<$($generics)*>(item: &$t) -> &$crate::list::ListLinks<$id> {
                &item.$field
            }
        };
    )*};
}
