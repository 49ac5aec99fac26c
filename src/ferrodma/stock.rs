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

use crate::pool::{
    Block,
    BlockLayout,
    Pool, //
};

/// Blocks that are not in use.
struct Free {
    blocks: KVVec<Block>,
    /// Somebody was told that there are not enough.
    is_short: bool,
    /// Why there is nothing to wait for any more.
    closed: Option<Error>,
}

/// A fixed number of blocks. All come from one pool when the stock is made, and go back to it when
/// the device is unbound.
#[pin_data]
pub struct Stock {
    #[pin]
    free: SpinLock<Free>,
    #[pin]
    changed: CondVar,
    block_size: usize,
    total: usize,
}

impl Stock {
    /// Allocates `count` blocks of `block_size` bytes, a power of two, for `dev`.
    ///
    /// # Errors
    ///
    /// EINVAL: `block_size` is not possible. ENOMEM.
    pub fn new(dev: &Device<Bound>, block_size: usize, count: usize) -> Result<Arc<Self>> {
        // A block in two pages could be in two places.
        let layout = BlockLayout {
            size: block_size,
            align: block_size,
            boundary: kernel::page::PAGE_SIZE,
        };
        let pool = Pool::new(dev, c"ferrodma blocks", layout)?;
        let mut blocks = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            blocks.push(Block::zeroed(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                free <- new_spinlock!(
                    Free {
                        blocks,
                        is_short: false,
                        closed: None,
                    },
                    "ferrodma stock"
                ),
                changed <- new_condvar!("ferrodma stock"),
                block_size,
                total: count,
            }),
            GFP_KERNEL,
        )
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
    pub fn take(&self, count: usize) -> Result<KVec<Block>> {
        let mut blocks = KVec::new();
        self.take_into(&mut blocks, count)?;
        Ok(blocks)
    }

    /// As [`Stock::take`], behind what is in `into` already.
    pub(crate) fn take_into(&self, into: &mut KVec<Block>, count: usize) -> Result {
        into.reserve(count, GFP_KERNEL_ACCOUNT)?;
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

    /// Takes blocks back. They are only those that the stock has given.
    pub fn give(&self, blocks: &mut KVec<Block>) {
        let mut free = self.free.lock();
        while let Some(block) = blocks.pop() {
            // Cannot fail: there is room for all.
            let _ = free.blocks.push_within_capacity(block);
        }
        drop(free);
        self.changed.notify_all();
    }

    /// Whether there are `count` free blocks. If not, [`Stock::was_short`] will say so.
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

    /// Gives the blocks that are not in use back to the pool.
    pub(crate) fn drain(&self) {
        let blocks = core::mem::take(&mut self.free.lock().blocks);
        drop(blocks);
    }
}
