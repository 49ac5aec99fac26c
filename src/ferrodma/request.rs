// SPDX-License-Identifier: GPL-2.0

//! A job as its submitter describes it, and the checks that hold for all functions.

use kernel::prelude::*;

use crate::uapi::Seg;

/// What a channel accepts in one job.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Most segments in each list.
    pub(crate) max_segments: usize,
    /// Most bytes in all.
    pub(crate) max_job_bytes: u64,
    /// Most bytes in a segment.
    pub(crate) max_seg: u64,
    /// Lengths must be multiples of this.
    pub(crate) alignment: u32,
    /// Addresses must be multiples of this.
    pub(crate) address_alignment: u32,
}

/// The lists of a job. Addresses are whatever the channel's function takes them for.
#[derive(Default)]
pub(crate) struct Request {
    src: KVec<Seg>,
    dst: KVec<Seg>,
    fill: Option<u8>,
    /// For [`Request::overlaps`]; kept for the next job.
    ranges: KVec<Range>,
}

/// A segment, for [`Request::overlaps`].
struct Range {
    start: u64,
    end: u64,
    is_dst: bool,
}

impl Request {
    /// The source list; empty if the job is a fill.
    pub(crate) fn src(&self) -> &[Seg] {
        &self.src
    }

    /// The destination list.
    pub(crate) fn dst(&self) -> &[Seg] {
        &self.dst
    }

    /// Segments in both lists.
    pub(crate) fn segments(&self) -> usize {
        self.src.len() + self.dst.len()
    }

    /// The byte to fill the destination with.
    pub(crate) fn fill(&self) -> Option<u8> {
        self.fill
    }

    /// Starts over: a fill with `fill`, or else a copy. Keeps memory.
    pub(crate) fn clear(&mut self, fill: Option<u8>) {
        self.src.clear();
        self.dst.clear();
        self.fill = fill;
    }

    /// Makes room for `nr_src` and `nr_dst` segments, so that adding them allocates nothing.
    pub(crate) fn reserve(&mut self, nr_src: usize, nr_dst: usize) -> Result {
        self.src.reserve(nr_src, GFP_KERNEL_ACCOUNT)?;
        self.dst.reserve(nr_dst, GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }

    /// Appends a source segment.
    pub(crate) fn push_src(&mut self, seg: Seg) -> Result {
        push(&mut self.src, seg)
    }

    /// Appends a destination segment.
    pub(crate) fn push_dst(&mut self, seg: Seg) -> Result {
        push(&mut self.dst, seg)
    }

    /// Checks all that can be said without knowing what an address is.
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
        let dst = total(&self.dst, limits)?;
        if dst > limits.max_job_bytes {
            return Err(EMSGSIZE);
        }
        if self.fill.is_some() {
            return if self.src.is_empty() {
                Ok(())
            } else {
                Err(EINVAL)
            };
        }
        if total(&self.src, limits)? != dst || self.overlaps()? {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Whether a source segment and a destination segment have a byte in common. The segments have
    /// been checked for overflow.
    fn overlaps(&mut self) -> Result<bool> {
        let (src, dst) = (bounds(&self.src), bounds(&self.dst));
        if src.0 >= dst.1 || dst.0 >= src.1 {
            return Ok(false);
        }
        if self.src.len() == 1 && self.dst.len() == 1 {
            return Ok(true);
        }

        // The lists are interleaved: go through all segments by address, and see whether one starts
        // before the other side's have ended.
        self.ranges.clear();
        self.ranges
            .reserve(self.src.len() + self.dst.len(), GFP_KERNEL_ACCOUNT)?;
        for (list, is_dst) in [(&self.src, false), (&self.dst, true)] {
            for seg in list {
                self.ranges.push(
                    Range {
                        start: seg.addr,
                        end: seg.addr + seg.len,
                        is_dst,
                    },
                    GFP_KERNEL_ACCOUNT,
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
    // There is, where room was made.
    if let Err(full) = list.push_within_capacity(seg) {
        list.push(full.0, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(())
}

/// The bytes in `list`, each segment of which is checked.
fn total(list: &[Seg], limits: &Limits) -> Result<u64> {
    if list.is_empty() {
        return Err(EINVAL);
    }
    let mask = u64::from(limits.alignment) - 1;
    let address_mask = u64::from(limits.address_alignment) - 1;
    let mut total = 0u64;
    for seg in list {
        if seg.len == 0 || seg.len & mask != 0 || seg.addr & address_mask != 0 {
            return Err(EINVAL);
        }
        seg.addr.checked_add(seg.len).ok_or(EOVERFLOW)?;
        if seg.len > limits.max_seg {
            return Err(EMSGSIZE);
        }
        total = total.checked_add(seg.len).ok_or(EOVERFLOW)?;
    }
    Ok(total)
}

/// The lowest address in `list` and the first one after all.
fn bounds(list: &[Seg]) -> (u64, u64) {
    list.iter().fold((u64::MAX, 0), |(low, high), seg| {
        (low.min(seg.addr), high.max(seg.addr + seg.len))
    })
}
