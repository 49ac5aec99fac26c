// SPDX-License-Identifier: GPL-2.0

//! What an engine is to do for a job, in bus addresses.

use kernel::{
    dma::DmaAddress,
    prelude::*, //
};

use crate::chain::Chains;

/// A range of bus addresses that the engine can move with one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    addr: DmaAddress,
    len: u64,
}

impl Span {
    /// Only memory that is lent to a job becomes a span; see [`crate::lent`].
    pub(crate) fn new(addr: DmaAddress, len: u64) -> Self {
        Self { addr, len }
    }

    /// Where it starts, as the engine sees it.
    pub fn addr(&self) -> DmaAddress {
        self.addr
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it, which does not happen in a [`Transfer`].
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A job as the engine sees it.
///
/// The lists hold no span longer than what the engine takes in one descriptor: this is the one
/// place where segments are cut to the engine's limit.
#[derive(Default)]
pub struct Transfer {
    src: KVec<Span>,
    dst: KVec<Span>,
    fill: Option<u8>,
    total: u64,
    pub(crate) chains: Option<Chains>,
}

impl Transfer {
    /// Source spans; none if the transfer is a fill.
    pub fn src(&self) -> &[Span] {
        &self.src
    }

    /// Destination spans.
    pub fn dst(&self) -> &[Span] {
        &self.dst
    }

    /// The byte value to fill the destination with.
    pub fn fill(&self) -> Option<u8> {
        self.fill
    }

    /// Bytes to be written in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The descriptor chains, with room for as many as [`Engine::descriptors`] has asked for.
    ///
    /// [`Engine::descriptors`]: crate::engine::Engine::descriptors
    pub fn chains(&self) -> Option<&Chains> {
        self.chains.as_ref()
    }

    /// The spans and the chains, to encode the ones into the others.
    pub fn encoder(&mut self) -> (&[Span], &[Span], Option<&mut Chains>) {
        (&self.src, &self.dst, self.chains.as_mut())
    }

    /// Starts over, keeping memory.
    pub(crate) fn clear(&mut self, fill: Option<u8>) {
        self.src.clear();
        self.dst.clear();
        self.fill = fill;
        self.total = 0;
    }

    /// Appends a source span, cut into pieces of at most `max` bytes.
    pub(crate) fn push_src(&mut self, span: Span, max: u64) -> Result {
        push(&mut self.src, span, max)
    }

    /// Appends a destination span, cut into pieces of at most `max` bytes.
    pub(crate) fn push_dst(&mut self, span: Span, max: u64) -> Result {
        let total = self.total.checked_add(span.len).ok_or(EOVERFLOW)?;
        push(&mut self.dst, span, max)?;
        // Last, so that it never counts what is not in the list.
        self.total = total;
        Ok(())
    }
}

/// Appends `span` to `list` in pieces of at most `max` bytes, a positive number.
fn push(list: &mut KVec<Span>, span: Span, max: u64) -> Result {
    let (mut addr, mut left) = (span.addr, span.len);
    while left > max {
        list.push(Span::new(addr, max), GFP_KERNEL_ACCOUNT)?;
        addr += max;
        left -= max;
    }
    if left > 0 {
        list.push(Span::new(addr, left), GFP_KERNEL_ACCOUNT)?;
    }
    Ok(())
}
