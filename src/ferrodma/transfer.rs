// SPDX-License-Identifier: GPL-2.0

//! What an engine is to do for a job, in bus addresses.

use kernel::{
    dma::DmaAddress,
    prelude::*, //
};

use crate::chain::Chains;

/// Spans that a transfer, and entries that a scatter list keeps room for when it is over.
pub(crate) const KEPT: usize = 1024;

/// A range of bus addresses that the engine can move with one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    addr: DmaAddress,
    len: u64,
}

impl Span {
    /// A span of `len` bytes at `addr`.
    ///
    /// It is a pair of numbers. That what it names is memory which hardware may use is promised
    /// where a transfer is started, see [`Engine::start`]; [`crate::lent`] sees to it.
    ///
    /// [`Engine::start`]: crate::engine::Engine::start
    pub fn new(addr: DmaAddress, len: u64) -> Self {
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
/// This is the one place where memory is cut. The lists hold no span longer than what the engine
/// takes in one descriptor. An engine with descriptors for source and for destination takes them as
/// they are; one whose descriptors have both takes [`Transfer::pairs`].
#[derive(Default)]
pub struct Transfer {
    src: KVVec<Span>,
    dst: KVVec<Span>,
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

    /// The lists cut at each other's ends.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs::new(&self.src, &self.dst)
    }

    /// Starts over, and keeps memory as long as it is not much.
    pub fn clear(&mut self, fill: Option<u8>) {
        for list in [&mut self.src, &mut self.dst] {
            list.clear();
            if list.capacity() > KEPT {
                *list = KVVec::new();
            }
        }
        self.fill = fill;
        self.total = 0;
    }

    /// Makes a copy of a fill: `pattern` is read again and again.
    pub(crate) fn copy_pattern(&mut self, pattern: Span, max: u64) -> Result {
        self.fill = None;
        let mut left = self.total;
        while left > 0 {
            let len = left.min(pattern.len);
            self.push_src(Span::new(pattern.addr, len), max)?;
            left -= len;
        }
        Ok(())
    }

    /// Appends a source span, cut into pieces of at most `max` bytes, a positive number.
    pub fn push_src(&mut self, span: Span, max: u64) -> Result {
        push(&mut self.src, span, max)
    }

    /// Appends a destination span, cut into pieces of at most `max` bytes, a positive number.
    pub fn push_dst(&mut self, span: Span, max: u64) -> Result {
        let total = self.total.checked_add(span.len).ok_or(EOVERFLOW)?;
        push(&mut self.dst, span, max)?;
        // Last, so that it never counts what is not in the list.
        self.total = total;
        Ok(())
    }
}

/// Appends `span` to `list` in pieces of at most `max` bytes, a positive number.
fn push(list: &mut KVVec<Span>, span: Span, max: u64) -> Result {
    let (mut addr, mut left) = (span.addr, span.len);
    while left > 0 {
        let len = left.min(max);
        // Most lists have room from the one before.
        if let Err(full) = list.push_within_capacity(Span::new(addr, len)) {
            list.push(full.0, GFP_KERNEL_ACCOUNT)?;
        }
        addr += len;
        left -= len;
    }
    Ok(())
}

/// Where to copy from and where to, and as many bytes of the one as of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The source as the engine sees it.
    pub src: DmaAddress,
    /// The destination.
    pub dst: DmaAddress,
    /// Bytes, not zero.
    pub len: u64,
}

/// Two lists of spans cut at each other's ends, so that each piece has one source and one
/// destination. Ends where the first list does. See [`Transfer::pairs`].
#[derive(Clone)]
pub struct Pairs<'a> {
    src: &'a [Span],
    dst: &'a [Span],
    /// Bytes of the first span in each list that are done.
    src_done: u64,
    dst_done: u64,
}

impl<'a> Pairs<'a> {
    /// Cuts `src` and `dst`, in which no span is empty.
    pub fn new(src: &'a [Span], dst: &'a [Span]) -> Self {
        Self {
            src,
            dst,
            src_done: 0,
            dst_done: 0,
        }
    }
}

impl Iterator for Pairs<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let (src, dst) = (self.src.first()?, self.dst.first()?);
        let (src_left, dst_left) = (src.len - self.src_done, dst.len - self.dst_done);
        let pair = Pair {
            src: src.addr + self.src_done,
            dst: dst.addr + self.dst_done,
            len: src_left.min(dst_left),
        };
        for (list, done, left) in [
            (&mut self.src, &mut self.src_done, src_left),
            (&mut self.dst, &mut self.dst_done, dst_left),
        ] {
            if left == pair.len {
                *list = list.get(1..).unwrap_or(&[]);
                *done = 0;
            } else {
                *done += pair.len;
            }
        }
        Some(pair)
    }
}
