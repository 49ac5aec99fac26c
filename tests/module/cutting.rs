// SPDX-License-Identifier: GPL-2.0

//! Tests of how lists are split into pieces, without hardware.

use kernel::prelude::*;

use ferrodma::dma::{
    span::Span,
    transfer::{
        Pair,
        Transfer, //
    }, //
};

/// Most bytes in one descriptor: of ZDMA, and of an engine whose length field has 16 bits.
const LIMITS: [u64; 2] = [(1 << 30) - 4096, 65532];

const GIB: u64 = 1 << 30;

/// A span as a pair of numbers.
type Piece = (u64, u64);

/// Returns a transfer between two lists, for an engine that takes `max` bytes in one descriptor.
fn transfer(src: &[Piece], dst: &[Piece], max: u64) -> Result<Transfer> {
    let mut transfer = Transfer::default();
    for &(addr, len) in src {
        transfer.push_src([Span::new(addr, len)], max)?;
    }
    for &(addr, len) in dst {
        transfer.push_dst([Span::new(addr, len)], max)?;
    }
    Ok(transfer)
}

fn is(spans: &[Span], pieces: &[Piece]) -> bool {
    spans
        .iter()
        .map(|span| (span.addr(), span.len()))
        .eq(pieces.iter().copied())
}

/// Returns whether the pairs of a transfer cover both of its lists, in order and without a gap, and
/// are split only where necessary.
fn pairs_cover(transfer: &Transfer) -> bool {
    let (mut src, mut dst) = (transfer.src().iter(), transfer.dst().iter());
    let (mut src_at, mut dst_at) = ((0, 0), (0, 0));
    for pair in transfer.pairs() {
        let mut joined = 0;
        for (at, list) in [(&mut src_at, &mut src), (&mut dst_at, &mut dst)] {
            if at.1 == 0 {
                *at = list.next().map_or((0, 0), |span| (span.addr(), span.len()));
                joined += 1;
            }
        }
        if joined == 0
            || pair.len == 0
            || (pair.src, pair.dst) != (src_at.0, dst_at.0)
            || pair.len != src_at.1.min(dst_at.1)
        {
            return false;
        }
        for at in [&mut src_at, &mut dst_at] {
            at.0 += pair.len;
            at.1 -= pair.len;
        }
    }
    src_at.1 == 0 && dst_at.1 == 0 && src.next().is_none() && dst.next().is_none()
}

/// Tests that the longest span of an engine is one piece, and one more byte makes two.
pub(crate) fn longest_span_and_one_more() -> Result<bool> {
    for max in LIMITS {
        let one = transfer(&[(7, max)], &[(9, max)], max)?;
        let two = transfer(&[(7, max + 1)], &[(9, max + 1)], max)?;
        if !is(one.src(), &[(7, max)])
            || !is(one.dst(), &[(9, max)])
            || !is(two.src(), &[(7, max), (7 + max, 1)])
            || !is(two.dst(), &[(9, max), (9 + max, 1)])
            || one.pairs().count() != 1
            || two.pairs().count() != 2
            || two.total() != max + 1
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tests lengths, sums and addresses that do not fit in 32 bits.
pub(crate) fn beyond_4_gib() -> Result<bool> {
    let [max, _] = LIMITS;
    let long = transfer(
        &[(4 * GIB - 1, 5 * GIB)],
        &[(1, 4 * GIB), (1 << 43, GIB)],
        max,
    )?;
    let total = |spans: &[Span]| spans.iter().map(|span| span.len()).sum::<u64>();
    let last = long.src().last().map(|span| span.addr() + span.len());
    Ok(long.total() == 5 * GIB
        && total(long.src()) == 5 * GIB
        && total(long.dst()) == 5 * GIB
        && long.src().len() == 6
        && last == Some(9 * GIB - 1)
        && pairs_cover(&long)
        && long.pairs().map(|pair| pair.len).sum::<u64>() == 5 * GIB)
}

/// Tests that a total beyond 64 bits is refused, and leaves the total of the list as it was.
pub(crate) fn total_overflows() -> Result<bool> {
    let mut transfer = transfer(&[], &[(0, 1)], u64::MAX)?;
    let refused = transfer.push_dst([Span::new(0, u64::MAX)], u64::MAX);
    Ok(refused == Err(EOVERFLOW) && transfer.total() == 1 && transfer.dst().len() == 1)
}

/// Tests lists of single bytes against one span, and against themselves.
pub(crate) fn single_bytes() -> Result<bool> {
    const COUNT: u64 = 256;
    let mut bytes = KVec::new();
    for at in 0..COUNT {
        bytes.push((at * 100, 1), GFP_KERNEL)?;
    }
    let gathered = transfer(&bytes, &[(1 << 20, COUNT)], 4096)?;
    let scattered = transfer(&[(1 << 20, COUNT)], &bytes, 4096)?;
    let both = transfer(&bytes, &bytes, 4096)?;
    Ok([gathered, scattered, both]
        .iter()
        .all(|transfer| transfer.pairs().count() == 256 && pairs_cover(transfer)))
}

/// Tests that lists with the same boundaries give one pair for each page, and twice as many if one
/// of them is shifted by a byte.
pub(crate) fn ends_of_pages() -> Result<bool> {
    let pages = [(0x1000, 4096), (0x5000, 4096), (0x3000, 4096)];
    let aligned = transfer(&pages, &[(0x10000, 3 * 4096)], 4096)?;
    let off = transfer(&pages, &[(0x10000, 1), (0x20fff, 3 * 4096 - 1)], 4096)?;
    let expected = [
        Pair {
            src: 0x1000,
            dst: 0x10000,
            len: 1,
        },
        Pair {
            src: 0x1001,
            dst: 0x20fff,
            len: 4095,
        },
        Pair {
            src: 0x5000,
            dst: 0x21ffe,
            len: 1,
        },
        Pair {
            src: 0x5001,
            dst: 0x21fff,
            len: 4095,
        },
        Pair {
            src: 0x3000,
            dst: 0x22ffe,
            len: 1,
        },
        Pair {
            src: 0x3001,
            dst: 0x22fff,
            len: 4095,
        },
    ];
    Ok(aligned.pairs().count() == 3 && pairs_cover(&aligned) && off.pairs().eq(expected))
}

/// Tests that pairs end with the shorter list, and that an empty list gives none.
pub(crate) fn unequal_lists() -> Result<bool> {
    let none = transfer(&[(0, 5)], &[], 4096)?;
    let short = transfer(&[(0, 5)], &[(100, 3)], 4096)?;
    Ok(none.pairs().next().is_none()
        && short.pairs().eq([Pair {
            src: 0,
            dst: 100,
            len: 3,
        }]))
}
