// SPDX-License-Identifier: GPL-2.0

//! Maps.

use std::collections::BTreeMap;

use crate::{
    alloc::{
        self,
        Flags, //
    },
    error::Result, //
};

/// A map.
pub struct RBTree<K, V>(BTreeMap<K, V>);

impl<K: Ord, V> RBTree<K, V> {
    /// Returns an empty map.
    #[expect(clippy::new_without_default, reason = "as in the kernel")]
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// Adds a value, and returns the one that the key had before.
    pub fn try_create_and_insert(&mut self, key: K, value: V, flags: Flags) -> Result<Option<V>> {
        alloc::allocate(flags)?;
        Ok(self.0.insert(key, value))
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }
}
