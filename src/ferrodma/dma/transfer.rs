// SPDX-License-Identifier: GPL-2.0

//! The work of an engine for one job, in bus addresses.

use core::slice;

use kernel::{
    dma::DmaAddress,
    prelude::*, //
};

use crate::{
    dma::{
        chain::Chains,
        span::{
            Span,
            KEPT, //
        }, //
    },
    raw, //
};

/// The spans of the source or of the destination.
#[derive(Default)]
struct List {
    spans: KVVec<Span>,
    /// Sum of the lengths in bytes.
    total: u64,
    /// The bitwise OR of all addresses and lengths.
    bits: u64,
}

impl List {
    /// Empties the list. Keeps its memory unless that is large.
    fn clear(&mut self) {
        self.spans.clear();
        if self.spans.capacity() > KEPT {
            self.spans = KVVec::new();
        }
        self.total = 0;
        self.bits = 0;
    }

    /// Appends `spans` in pieces of at most `max` bytes, a positive number.
    #[inline]
    fn extend(&mut self, spans: impl IntoIterator<Item = Span>, max: u64) -> Result {
        // Local variables: long lists spend their time here, and fields would be written for each
        // span.
        let (mut total, mut bits) = (self.total, self.bits);
        let result = spans.into_iter().try_for_each(|span| {
            let sum = total.checked_add(span.len).ok_or(EOVERFLOW)?;
            // Most spans are short, and most lists fit in the memory of the one before.
            if span.len > max || self.spans.push_within_capacity(span).is_err() {
                self.push_pieces(span, max)?;
            }
            total = sum;
            bits |= span.addr | span.len;
            Ok(())
        });
        self.total = total;
        self.bits = bits;
        result
    }

    fn push_pieces(&mut self, span: Span, max: u64) -> Result {
        let (mut addr, mut left) = (span.addr, span.len);
        while left > 0 {
            let len = left.min(max);
            self.spans.push(Span::new(addr, len), raw::user_sized())?;
            addr += len;
            left -= len;
        }
        Ok(())
    }
}

/// A job as the engine sees it.
///
/// This is the only place where memory is split into pieces: no span in the lists is longer than
/// the engine can take in one descriptor. An engine with separate descriptors for source and
/// destination uses the lists as they are; one whose descriptors hold both uses
/// [`Transfer::pairs`].
#[derive(Default)]
pub struct Transfer {
    src: List,
    dst: List,
    fill: Option<u8>,
    pub(crate) chains: Option<KBox<Chains>>,
}

impl Transfer {
    /// Returns the source spans; none if the transfer is a fill.
    pub fn src(&self) -> &[Span] {
        &self.src.spans
    }

    /// Returns the destination spans.
    pub fn dst(&self) -> &[Span] {
        &self.dst.spans
    }

    /// Returns the byte value to fill the destination with, if the transfer is a fill.
    pub fn fill(&self) -> Option<u8> {
        self.fill
    }

    /// Returns the number of bytes to write.
    pub fn total(&self) -> u64 {
        self.dst.total
    }

    /// Returns whether as many bytes are read as are written, and each address and length is a
    /// multiple of `alignment`, a power of two.
    pub(crate) fn is_even(&self, alignment: u32) -> bool {
        let mask = u64::from(alignment) - 1;
        self.src.total == self.dst.total && (self.src.bits | self.dst.bits) & mask == 0
    }

    /// Returns the descriptor chains, with memory for as many as [`Engine::descriptors`] has asked
    /// for.
    ///
    /// [`Engine::descriptors`]: crate::engine::Engine::descriptors
    pub fn chains(&self) -> Option<&Chains> {
        self.chains.as_deref()
    }

    /// Returns the spans, and the chains to encode them into.
    pub fn encoder(&mut self) -> (&[Span], &[Span], Option<&mut Chains>) {
        (&self.src.spans, &self.dst.spans, self.chains.as_deref_mut())
    }

    /// Returns the lists split at each other's boundaries.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs::new(self.src(), self.dst())
    }

    /// Empties the lists. Keeps their memory unless that is large.
    pub fn clear(&mut self, fill: Option<u8>) {
        self.src.clear();
        self.dst.clear();
        self.fill = fill;
    }

    /// Turns a fill into a copy that reads `pattern` again and again, in pieces of at most `max`
    /// bytes.
    pub(crate) fn copy_pattern(&mut self, pattern: Span, max: u64) -> Result {
        self.fill = None;
        let mut left = self.total();
        while left > 0 {
            let len = left.min(pattern.len);
            self.push_src([Span::new(pattern.addr, len)], max)?;
            left -= len;
        }
        Ok(())
    }

    /// Appends source spans in pieces of at most `max` bytes, a positive number.
    #[inline]
    pub fn push_src(&mut self, spans: impl IntoIterator<Item = Span>, max: u64) -> Result {
        self.src.extend(spans, max)
    }

    /// Appends destination spans in pieces of at most `max` bytes, a positive number.
    #[inline]
    pub fn push_dst(&mut self, spans: impl IntoIterator<Item = Span>, max: u64) -> Result {
        self.dst.extend(spans, max)
    }
}

/// A source and a destination of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Bus address of the source.
    pub src: DmaAddress,
    /// Bus address of the destination.
    pub dst: DmaAddress,
    /// Length in bytes, not zero.
    pub len: u64,
}

/// Two lists of spans split at each other's boundaries, so that each piece has one source and one
/// destination. Ends with the shorter list. See [`Transfer::pairs`].
#[derive(Clone)]
pub struct Pairs<'a> {
    src: slice::Iter<'a, Span>,
    dst: slice::Iter<'a, Span>,
    /// The rest of the spans that were begun.
    src_left: Span,
    dst_left: Span,
}

impl<'a> Pairs<'a> {
    /// Splits `src` and `dst`, in which no span is empty.
    pub fn new(src: &'a [Span], dst: &'a [Span]) -> Self {
        Self {
            src: src.iter(),
            dst: dst.iter(),
            src_left: Span::new(0, 0),
            dst_left: Span::new(0, 0),
        }
    }

    /// Returns the number of pairs for `src` and `dst`.
    pub fn count_of(src: &[Span], dst: &[Span]) -> usize {
        match (src.len(), dst.len()) {
            (1, count) | (count, 1) => count,
            _ => Pairs::new(src, dst).count(),
        }
    }
}

impl Iterator for Pairs<'_> {
    type Item = Pair;

    #[inline]
    fn next(&mut self) -> Option<Pair> {
        if self.src_left.is_empty() {
            self.src_left = *self.src.next()?;
        }
        if self.dst_left.is_empty() {
            self.dst_left = *self.dst.next()?;
        }
        let (src, dst) = (&mut self.src_left, &mut self.dst_left);
        let pair = Pair {
            src: src.addr,
            dst: dst.addr,
            len: src.len.min(dst.len),
        };
        for left in [src, dst] {
            left.addr = left.addr.wrapping_add(pair.len);
            left.len -= pair.len;
        }
        Some(pair)
    }
}
