// SPDX-License-Identifier: GPL-2.0

//! The block pool of a channel: a fixed number of blocks, which its jobs take and give back.

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

/// The free blocks.
struct Free<'a> {
    blocks: KVVec<Block<'a>>,
    /// The DMA pool of all blocks; none once this pool is drained.
    pool: Option<Arc<DmaPool<'a>>>,
    /// Whether [`BlockPool::has`] found too few free blocks since [`BlockPool::was_short`] ran.
    is_short: bool,
    /// The error for waiting callers, once no more blocks will come back.
    closed: Option<Error>,
}

/// A fixed number of blocks. All are allocated from one DMA pool when the block pool is created,
/// and freed when the device is unbound: the device is bound for `'a`.
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
        // No block crosses a page boundary, as two pages could be at two different bus addresses.
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

    /// Removes the lifetime, for a channel.
    ///
    /// # Safety
    ///
    /// The result is dropped or [drained](BlockPool::drain) before `'a` ends. Blocks taken from it
    /// are given back or dropped by then, or leaked.
    pub(crate) unsafe fn unbounded(pool: Arc<Self>) -> Arc<BlockPool<'static>> {
        // SAFETY: The types differ in a lifetime only, which the caller promises to respect. A
        // drained pool has neither blocks nor a DMA pool.
        unsafe { core::mem::transmute::<Arc<BlockPool<'a>>, Arc<BlockPool<'static>>>(pool) }
    }

    /// Returns whether the pool is memory of `dev`. False once it is drained.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        let free = self.free.lock();
        free.pool.as_ref().is_some_and(|pool| pool.is_of(dev))
    }

    /// Returns the size of a block in bytes.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Returns the number of all blocks.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Returns the number of free blocks.
    pub fn free(&self) -> usize {
        self.free.lock().blocks.len()
    }

    /// Takes `count` blocks, or none.
    ///
    /// # Errors
    ///
    /// EAGAIN: there are not enough free blocks. ENOMEM.
    pub fn take(&self, count: usize) -> Result<KVec<Block<'a>>> {
        let mut blocks = KVec::new();
        self.take_into(&mut blocks, count)?;
        Ok(blocks)
    }

    /// Takes blocks as [`BlockPool::take`] does, and appends them to `into`.
    pub(crate) fn take_into(&self, into: &mut KVec<Block<'a>>, count: usize) -> Result {
        into.reserve(count, raw::user_sized())?;
        let mut free = self.free.lock();
        if free.blocks.len() < count {
            free.is_short = true;
            return Err(EAGAIN);
        }
        for _ in 0..count {
            if let Some(block) = free.blocks.pop() {
                // Cannot fail: the memory is reserved.
                let _ = into.push_within_capacity(block);
            }
        }
        Ok(())
    }

    /// Takes back blocks, and wakes the callers of [`BlockPool::wait`]. Frees blocks that are not
    /// of this pool, and all blocks once the pool is drained.
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
                    // Cannot fail: there is capacity for all blocks.
                    let _ = kept.push_within_capacity(block);
                }
            }
        }
        drop(free);
        // Without the lock: freeing the last block of a DMA pool destroys that pool, which may
        // sleep.
        blocks.clear();
        self.changed.notify_all();
    }

    /// Returns whether there are `count` free blocks. If not, the next [`BlockPool::was_short`]
    /// returns true.
    pub(crate) fn has(&self, count: usize) -> bool {
        let mut free = self.free.lock();
        let has = free.blocks.len() >= count;
        if !has {
            free.is_short = true;
        }
        has
    }

    /// Returns whether [`BlockPool::has`] found too few free blocks since this was last called. If
    /// so, the caller has to wake up the waiting clients.
    pub(crate) fn was_short(&self) -> bool {
        core::mem::take(&mut self.free.lock().is_short)
    }

    /// Waits until there are `count` free blocks. Another caller may take them first.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS: a signal is pending. ENODEV: the device is being unbound. EIO: the channel is
    /// dead.
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

    /// Ends all waits with `error`, now and from here on.
    pub(crate) fn close(&self, error: Error) {
        self.free.lock().closed = Some(error);
        self.changed.notify_all();
    }

    /// Frees the blocks that are not in use. Blocks that come back later are freed too.
    pub(crate) fn drain(&self) {
        let mut free = self.free.lock();
        let left = (core::mem::take(&mut free.blocks), free.pool.take());
        drop(free);
        drop(left);
    }
}
