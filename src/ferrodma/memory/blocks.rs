// SPDX-License-Identifier: GPL-2.0

//! The blocks of a channel: a fixed number, which its jobs take and give back.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    new_condvar,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        CondVar,
        SpinLock, //
    }, //
};

use crate::{
    dma::pool::{
        Block,
        BlockLayout,
        DmaPool, //
    },
    raw, //
};

/// Blocks that are not in use.
struct Free<'a> {
    blocks: KVVec<Block<'a>>,
    /// Where all blocks come from; none when the pool was drained.
    pool: Option<Arc<DmaPool<'a>>>,
    /// Somebody was told that there are not enough.
    is_short: bool,
    /// Why there is nothing to wait for any more.
    closed: Option<Error>,
}

/// A fixed number of blocks. All come from one DMA pool when this one is made, and go back to it when
/// the device is unbound: it is bound for `'a`.
#[pin_data]
pub struct BlockPool<'a> {
    #[pin]
    free: SpinLock<Free<'a>>,
    #[pin]
    changed: CondVar,
    block_size: usize,
    total: usize,
}

impl<'a> BlockPool<'a> {
    /// Allocates `count` blocks of `block_size` bytes, a power of two, for `dev`.
    ///
    /// # Errors
    ///
    /// EINVAL: `block_size` is not possible. ENOMEM.
    pub fn new(dev: &'a Device<Bound>, block_size: usize, count: usize) -> Result<Arc<Self>> {
        // A block in two pages could be in two places.
        let layout = BlockLayout {
            size: block_size,
            align: block_size,
            boundary: kernel::page::PAGE_SIZE,
        };
        let pool = DmaPool::new(dev, c"ferrodma blocks", layout)?;
        let mut blocks = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            blocks.push(Block::zeroed(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                free <- new_spinlock!(
                    Free {
                        blocks,
                        pool: Some(pool),
                        is_short: false,
                        closed: None,
                    },
                    "ferrodma blocks"
                ),
                changed <- new_condvar!("ferrodma blocks"),
                block_size,
                total: count,
            }),
            GFP_KERNEL,
        )
    }

    /// Takes the lifetime off, for a channel.
    ///
    /// # Safety
    ///
    /// The result is dropped or [drained](BlockPool::drain) before `'a` ends. What is taken from it is
    /// given back or dropped by then, or leaked.
    pub(crate) unsafe fn unbounded(pool: Arc<Self>) -> Arc<BlockPool<'static>> {
        // SAFETY: The types differ in a lifetime only, of which the caller takes care. What is
        // drained has neither blocks nor a pool.
        unsafe { core::mem::transmute::<Arc<BlockPool<'a>>, Arc<BlockPool<'static>>>(pool) }
    }

    /// Whether this is memory of `dev`.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        let free = self.free.lock();
        free.pool.as_ref().is_some_and(|pool| pool.is_of(dev))
    }

    /// Bytes in a block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Blocks in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Blocks that are not in use.
    pub fn free(&self) -> usize {
        self.free.lock().blocks.len()
    }

    /// Takes `count` blocks, or none.
    ///
    /// # Errors
    ///
    /// EAGAIN: there are not enough now. ENOMEM.
    pub fn take(&self, count: usize) -> Result<KVec<Block<'a>>> {
        let mut blocks = KVec::new();
        self.take_into(&mut blocks, count)?;
        Ok(blocks)
    }

    /// As [`BlockPool::take`], behind what is in `into` already.
    pub(crate) fn take_into(&self, into: &mut KVec<Block<'a>>, count: usize) -> Result {
        into.reserve(count, raw::user_sized())?;
        let mut free = self.free.lock();
        if free.blocks.len() < count {
            free.is_short = true;
            return Err(EAGAIN);
        }
        for _ in 0..count {
            if let Some(block) = free.blocks.pop() {
                // Cannot fail: there is room.
                let _ = into.push_within_capacity(block);
            }
        }
        Ok(())
    }

    /// Takes back blocks that the pool has given. Others go back to their pool; so do all where
    /// the device is being unbound.
    pub fn give(&self, blocks: &mut KVec<Block<'a>>) {
        let mut free = self.free.lock();
        let Free {
            blocks: kept, pool, ..
        } = &mut *free;
        if let Some(pool) = pool {
            for at in (0..blocks.len()).rev() {
                let is_ours = |block: &Block<'a>| Arc::ptr_eq(block.pool(), pool);
                if !blocks.get(at).is_some_and(is_ours) {
                    continue;
                }
                if let Ok(block) = blocks.remove(at) {
                    // Cannot fail: there is room for all.
                    let _ = kept.push_within_capacity(block);
                }
            }
        }
        drop(free);
        // Without the lock: the last one of a pool frees that, which may sleep.
        blocks.clear();
        self.changed.notify_all();
    }

    /// Whether there are `count` free blocks. If not, [`BlockPool::was_short`] will say so.
    pub(crate) fn has(&self, count: usize) -> bool {
        let mut free = self.free.lock();
        let has = free.blocks.len() >= count;
        if !has {
            free.is_short = true;
        }
        has
    }

    /// Whether somebody was told since the last call that there are not enough blocks, and may want
    /// to hear of new ones.
    pub(crate) fn was_short(&self) -> bool {
        core::mem::take(&mut self.free.lock().is_short)
    }

    /// Waits until there are `count` free blocks. Others may be faster to take them.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS: a signal is pending. ENODEV: the device is being unbound. EIO: the channel is dead.
    pub(crate) fn wait(&self, count: usize) -> Result {
        let mut free = self.free.lock();
        loop {
            if let Some(error) = free.closed {
                return Err(error);
            }
            if free.blocks.len() >= count {
                return Ok(());
            }
            if self.changed.wait_interruptible(&mut free) {
                return Err(ERESTARTSYS);
            }
        }
    }

    /// Ends all waits with `error`.
    pub(crate) fn close(&self, error: Error) {
        self.free.lock().closed = Some(error);
        self.changed.notify_all();
    }

    /// Gives the blocks that are not in use back to the pool, and keeps none from here on.
    pub(crate) fn drain(&self) {
        let mut free = self.free.lock();
        let left = (core::mem::take(&mut free.blocks), free.pool.take());
        drop(free);
        drop(left);
    }
}
