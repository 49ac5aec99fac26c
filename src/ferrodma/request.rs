// SPDX-License-Identifier: GPL-2.0

//! A job as its submitter describes it, and the checks that do not depend on its memory.

use kernel::prelude::*;

use crate::{
    raw,
    uapi::Seg, //
};

/// Limits of a channel for one job.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Most segments in each list.
    pub(crate) max_segments: usize,
    /// Most bytes in the job.
    pub(crate) max_job_bytes: u64,
    /// Most bytes in a segment.
    pub(crate) max_seg: u64,
    /// A bit mask: these bits must be zero in each length.
    pub(crate) length_mask: u64,
    /// A bit mask: these bits must be zero in each address.
    pub(crate) alignment_mask: u64,
    /// A bit mask: the bits of an address that name a location, without a tag.
    pub(crate) address_mask: u64,
}

/// The bits of a program's address that name a location: arm64 ignores the tag in the other bits
/// (`Documentation/arch/arm64/tagged-pointers.rst`).
pub(crate) const USER_ADDRESS_MASK: u64 = if cfg!(target_arch = "aarch64") {
    u64::MAX >> 8
} else {
    u64::MAX
};

/// The lists of a job. The channel's backing decides what an address means.
#[derive(Default)]
pub(crate) struct Request {
    src: KVec<Seg>,
    dst: KVec<Seg>,
    fill: Option<u8>,
    /// Memory for [`Request::overlaps`], kept for the next job.
    ranges: KVec<Range>,
}

/// A segment, for [`Request::overlaps`].
struct Range {
    start: u64,
    end: u64,
    is_dst: bool,
}

impl Request {
    /// Returns the source list, which is empty if the job is a fill.
    pub(crate) fn src(&self) -> &[Seg] {
        &self.src
    }

    /// Returns the destination list.
    pub(crate) fn dst(&self) -> &[Seg] {
        &self.dst
    }

    /// Returns the number of segments in both lists.
    pub(crate) fn segments(&self) -> usize {
        self.src.len() + self.dst.len()
    }

    /// Returns the byte to fill the destination with, if the job is a fill.
    pub(crate) fn fill(&self) -> Option<u8> {
        self.fill
    }

    /// Empties the lists for a new job: a fill with `fill`, or else a copy. Keeps memory.
    pub(crate) fn clear(&mut self, fill: Option<u8>) {
        self.src.clear();
        self.dst.clear();
        self.fill = fill;
    }

    /// Copies the lists of a new job from kernel memory. `fill` is the byte to fill with, none for
    /// a copy. Reuses the memory of the lists.
    pub(crate) fn set(&mut self, src: &[Seg], dst: &[Seg], fill: Option<u8>) -> Result {
        self.clear(fill);
        src.iter().try_for_each(|seg| push(&mut self.src, *seg))?;
        dst.iter().try_for_each(|seg| push(&mut self.dst, *seg))
    }

    /// Resizes the source list to `count` segments, and lets `read` fill them in.
    pub(crate) fn read_src(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut [Seg]) -> Result,
    ) -> Result {
        self.src.resize(count, Seg::default(), raw::user_sized())?;
        read(&mut self.src)
    }

    /// Resizes the destination list to `count` segments, and lets `read` fill them in.
    pub(crate) fn read_dst(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut [Seg]) -> Result,
    ) -> Result {
        self.dst.resize(count, Seg::default(), raw::user_sized())?;
        read(&mut self.dst)
    }

    /// Checks everything that does not depend on the meaning of an address.
    ///
    /// # Errors
    ///
    /// E2BIG: too many segments. EINVAL: an empty list or segment, totals that differ, source and
    /// destination overlap, misalignment. EOVERFLOW: beyond 64 bits. EMSGSIZE: too many bytes,
    /// in all or in a segment.
    pub(crate) fn check(&mut self, limits: &Limits) -> Result {
        if self.src.len() > limits.max_segments || self.dst.len() > limits.max_segments {
            return Err(E2BIG);
        }
        let dst = Extent::of(&self.dst, limits)?;
        if dst.total > limits.max_job_bytes {
            return Err(EMSGSIZE);
        }
        if self.fill.is_some() {
            return if self.src.is_empty() {
                Ok(())
            } else {
                Err(EINVAL)
            };
        }
        let src = Extent::of(&self.src, limits)?;
        if src.total != dst.total || (src.meets(&dst) && self.overlaps(limits.address_mask)?) {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Returns whether a source segment and a destination segment have a byte in common. Of the
    /// addresses only the bits in `mask` count. The segments were checked for overflow.
    fn overlaps(&mut self, mask: u64) -> Result<bool> {
        if self.src.len() == 1 && self.dst.len() == 1 {
            return Ok(true);
        }

        // The lists are interleaved: go through all segments in the order of their addresses, and
        // check for each whether it starts before a segment of the other list has ended.
        self.ranges.clear();
        self.ranges
            .reserve(self.src.len() + self.dst.len(), raw::user_sized())?;
        for (list, is_dst) in [(&self.src, false), (&self.dst, true)] {
            for seg in list {
                let start = seg.addr & mask;
                self.ranges.push(
                    Range {
                        start,
                        end: start + seg.len,
                        is_dst,
                    },
                    raw::user_sized(),
                )?;
            }
        }
        self.ranges.sort_unstable_by_key(|range| range.start);
        let (mut src_end, mut dst_end) = (0, 0);
        for range in &self.ranges {
            let (own, other) = if range.is_dst {
                (&mut dst_end, src_end)
            } else {
                (&mut src_end, dst_end)
            };
            if range.start < other {
                return Ok(true);
            }
            *own = range.end.max(*own);
        }
        Ok(false)
    }
}

fn push(list: &mut KVec<Seg>, seg: Seg) -> Result {
    // Most lists fit in the memory of the one before.
    if let Err(full) = list.push_within_capacity(seg) {
        list.push(full.0, raw::user_sized())?;
    }
    Ok(())
}

/// The bytes that a list covers, and the range of its addresses.
struct Extent {
    /// Sum of the lengths in bytes.
    total: u64,
    /// The lowest address, and the end of the highest segment.
    low: u64,
    high: u64,
}

impl Extent {
    /// Returns the extent of `list`, and checks each of its segments.
    #[inline]
    fn of(list: &[Seg], limits: &Limits) -> Result<Self> {
        if list.is_empty() {
            return Err(EINVAL);
        }
        let mut extent = Self {
            total: 0,
            low: u64::MAX,
            high: 0,
        };
        for seg in list {
            if seg.len == 0
                || seg.len & limits.length_mask != 0
                || seg.addr & limits.alignment_mask != 0
            {
                return Err(EINVAL);
            }
            seg.addr.checked_add(seg.len).ok_or(EOVERFLOW)?;
            let start = seg.addr & limits.address_mask;
            if seg.len > limits.max_seg {
                return Err(EMSGSIZE);
            }
            extent.total = extent.total.checked_add(seg.len).ok_or(EOVERFLOW)?;
            extent.low = extent.low.min(start);
            extent.high = extent.high.max(start + seg.len);
        }
        Ok(extent)
    }

    /// Returns whether the address ranges of both lists intersect.
    fn meets(&self, other: &Self) -> bool {
        self.low < other.high && other.low < self.high
    }
}
