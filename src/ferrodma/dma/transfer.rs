// SPDX-License-Identifier: GPL-2.0

//! What an engine is to do for a job, in bus addresses.

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

/// The spans of one side.
#[derive(Default)]
struct List {
    spans: KVVec<Span>,
    /// Bytes in all.
    total: u64,
    /// Bits that are set in any address or length.
    bits: u64,
}

impl List {
    /// Starts over, and keeps memory as long as it is not much.
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
        // Long lists spend their time here, so these are not written for each span.
        let (mut total, mut bits) = (self.total, self.bits);
        let result = spans.into_iter().try_for_each(|span| {
            let sum = total.checked_add(span.len).ok_or(EOVERFLOW)?;
            // Most spans are short, and most lists have room from the one before.
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
/// This is the one place where memory is cut. The lists hold no span longer than what the engine
/// takes in one descriptor. An engine with descriptors for source and for destination takes them as
/// they are; one whose descriptors have both takes [`Transfer::pairs`].
#[derive(Default)]
pub struct Transfer {
    src: List,
    dst: List,
    fill: Option<u8>,
    pub(crate) chains: Option<KBox<Chains>>,
}

impl Transfer {
    /// Source spans; none if the transfer is a fill.
    pub fn src(&self) -> &[Span] {
        &self.src.spans
    }

    /// Destination spans.
    pub fn dst(&self) -> &[Span] {
        &self.dst.spans
    }

    /// The byte value to fill the destination with.
    pub fn fill(&self) -> Option<u8> {
        self.fill
    }

    /// Bytes to be written in all.
    pub fn total(&self) -> u64 {
        self.dst.total
    }

    /// Whether as many bytes are read as are written, and each address and length is a multiple of
    /// `alignment`, a power of two.
    pub(crate) fn is_even(&self, alignment: u32) -> bool {
        let mask = u64::from(alignment) - 1;
        self.src.total == self.dst.total && (self.src.bits | self.dst.bits) & mask == 0
    }

    /// The descriptor chains, with room for as many as [`Engine::descriptors`] has asked for.
    ///
    /// [`Engine::descriptors`]: crate::engine::Engine::descriptors
    pub fn chains(&self) -> Option<&Chains> {
        self.chains.as_deref()
    }

    /// The spans and the chains, to encode the ones into the others.
    pub fn encoder(&mut self) -> (&[Span], &[Span], Option<&mut Chains>) {
        (&self.src.spans, &self.dst.spans, self.chains.as_deref_mut())
    }

    /// The lists cut at each other's ends.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs::new(self.src(), self.dst())
    }

    /// Starts over, and keeps memory as long as it is not much.
    pub fn clear(&mut self, fill: Option<u8>) {
        self.src.clear();
        self.dst.clear();
        self.fill = fill;
    }

    /// Makes a copy of a fill: `pattern` is read again and again.
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

    /// Appends source spans, cut into pieces of at most `max` bytes, a positive number.
    #[inline]
    pub fn push_src(&mut self, spans: impl IntoIterator<Item = Span>, max: u64) -> Result {
        self.src.extend(spans, max)
    }

    /// Appends destination spans, cut into pieces of at most `max` bytes, a positive number.
    #[inline]
    pub fn push_dst(&mut self, spans: impl IntoIterator<Item = Span>, max: u64) -> Result {
        self.dst.extend(spans, max)
    }
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
    src: slice::Iter<'a, Span>,
    dst: slice::Iter<'a, Span>,
    /// What is left of the spans that were begun.
    src_left: Span,
    dst_left: Span,
}

impl<'a> Pairs<'a> {
    /// Cuts `src` and `dst`, in which no span is empty.
    pub fn new(src: &'a [Span], dst: &'a [Span]) -> Self {
        Self {
            src: src.iter(),
            dst: dst.iter(),
            src_left: Span::new(0, 0),
            dst_left: Span::new(0, 0),
        }
    }

    /// How many there are.
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
