// SPDX-License-Identifier: GPL-2.0

//! Bounce buffers: memory of a program that a job copies in and out, through blocks of the channel.
//!
//! A message is copied twice each way. The copy between the program and the job's own memory may
//! sleep for as long as user space likes. The copy between the job's memory and the blocks may not,
//! as the blocks are memory of the device and must be back before it is unbound.

use kernel::{
    prelude::*,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use crate::{
    dma::{
        pool::Block,
        span::Span,
        transfer::Transfer, //
    },
    memory::blocks::BlockPool,
    raw,
    request::Request,
    uapi::Seg, //
};

/// Capacity in bytes that is kept for the next job.
const KEPT: usize = 64 << 10;

/// The messages of a job, and the blocks for them while hardware needs them.
///
/// It is kept for the next job, which needs no allocation unless it is longer. If it is dropped
/// while it has blocks, hardware may still use them, so they are leaked.
pub(crate) struct Bounce {
    pool: Arc<BlockPool<'static>>,
    /// The bytes of all segments: of the source on the way in, of the destination on the way out.
    data: KVVec<u8>,
    /// A block for each segment of the source, then of the destination.
    blocks: KVec<Block<'static>>,
    /// Whether `data` is to be copied to the destination.
    has_result: bool,
}

impl Bounce {
    /// Returns a bounce buffer without messages.
    pub(crate) fn new(pool: &Arc<BlockPool<'static>>) -> Self {
        Self {
            pool: pool.clone(),
            data: KVVec::new(),
            blocks: KVec::new(),
            has_result: false,
        }
    }

    /// Copies the source from the memory of the caller. May sleep for as long as user space likes.
    ///
    /// # Errors
    ///
    /// EFAULT: the caller may not read all of the source. ENOMEM.
    pub(crate) fn copy_in(&mut self, request: &Request) -> Result {
        self.has_result = false;
        let total = request.dst().iter().map(|seg| seg.len).sum::<u64>();
        // CAST: Limited to the most bytes of one job.
        self.data.resize(total as usize, 0, raw::user_sized())?;
        let mut data = &mut self.data[..];
        for seg in request.src() {
            let (part, rest) = split(data, seg)?;
            user(seg)?.reader().read_slice(part)?;
            data = rest;
        }
        Ok(())
    }

    /// Takes a block for each segment, copies the source into the blocks, and writes the bus
    /// addresses of the blocks to `transfer`.
    ///
    /// # Errors
    ///
    /// EAGAIN: there are not enough free blocks. ENOMEM.
    pub(crate) fn map(
        &mut self,
        max_span: u64,
        request: &Request,
        transfer: &mut Transfer,
    ) -> Result {
        self.pool.take_into(&mut self.blocks, request.segments())?;
        let mut blocks = self.blocks.iter_mut();
        let mut data = &mut self.data[..];
        for (seg, block) in request.src().iter().zip(&mut blocks) {
            let (part, rest) = split(data, seg)?;
            block
                .get_mut(..part.len())
                .ok_or(EINVAL)?
                .copy_from_slice(part);
            data = rest;
            transfer.push_src([Span::new(block.dma_address(), seg.len)], max_span)?;
        }
        for (seg, block) in request.dst().iter().zip(blocks) {
            transfer.push_dst([Span::new(block.dma_address(), seg.len)], max_span)?;
        }
        Ok(())
    }

    /// Returns whether it has blocks.
    pub(crate) fn is_mapped(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Gives the blocks back. If the data has `arrived`, copies the destination blocks to `data`
    /// first, to be copied out later.
    ///
    /// # Safety
    ///
    /// Hardware does not access the blocks.
    pub(crate) unsafe fn unmap(&mut self, request: &Request, arrived: bool) {
        if arrived {
            let mut data = &mut self.data[..];
            let blocks = self.blocks.iter().skip(request.src().len());
            for (seg, block) in request.dst().iter().zip(blocks) {
                // Cannot fail: the lengths are those of `map()`.
                let Ok((part, rest)) = split(data, seg) else {
                    break;
                };
                if let Some(bytes) = block.get(..part.len()) {
                    part.copy_from_slice(bytes);
                }
                data = rest;
            }
            self.has_result = true;
        }
        self.pool.give(&mut self.blocks);
    }

    /// Copies the data that has arrived to the destination, in the memory of the caller. May sleep
    /// for as long as user space likes.
    ///
    /// # Errors
    ///
    /// EFAULT: the caller may not write to all of the destination. Part of it may have been
    /// written.
    pub(crate) fn copy_out(&mut self, request: &Request) -> Result {
        if !self.has_result {
            return Ok(());
        }
        let mut data = &mut self.data[..];
        for seg in request.dst() {
            let (part, rest) = split(data, seg)?;
            user(seg)?.writer().write_slice(part)?;
            data = rest;
        }
        Ok(())
    }

    /// Discards the messages. Keeps their memory unless that is large.
    pub(crate) fn clear(&mut self) {
        self.has_result = false;
        if self.data.capacity() > KEPT {
            self.data = KVVec::new();
        }
    }
}

impl Drop for Bounce {
    fn drop(&mut self) {
        for block in self.blocks.drain_all() {
            core::mem::forget(block);
        }
    }
}

/// Returns the first `seg.len` bytes of `data`, and the rest.
fn split<'a>(data: &'a mut [u8], seg: &Seg) -> Result<(&'a mut [u8], &'a mut [u8])> {
    // CAST: At most a block.
    data.split_at_mut_checked(seg.len as usize).ok_or(EINVAL)
}

/// Returns the memory of `seg` in the calling program.
fn user(seg: &Seg) -> Result<UserSlice> {
    let addr = usize::try_from(seg.addr).map_err(|_| EFAULT)?;
    // CAST: At most a block.
    Ok(UserSlice::new(UserPtr::from_addr(addr), seg.len as usize))
}
