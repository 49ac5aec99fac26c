// SPDX-License-Identifier: GPL-2.0

//! A range of bus addresses.

use kernel::dma::DmaAddress;

/// Capacity, in elements, that a list of spans or of scatter list entries may keep between two
/// jobs.
pub(crate) const KEPT: usize = 1024;

/// A range of bus addresses that the engine can move with one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub(super) addr: DmaAddress,
    pub(super) len: u64,
}

impl Span {
    /// Returns a span of `len` bytes at `addr`.
    ///
    /// It is only a pair of numbers. The caller of `Engine::start()` promises that hardware may use
    /// the memory at these addresses.
    #[inline]
    pub fn new(addr: DmaAddress, len: u64) -> Self {
        Self { addr, len }
    }

    /// Returns its start, a bus address.
    #[inline]
    pub fn addr(&self) -> DmaAddress {
        self.addr
    }

    /// Returns its length in bytes.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether it has no bytes. No span in a [`Transfer`](super::transfer::Transfer) is
    /// empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
