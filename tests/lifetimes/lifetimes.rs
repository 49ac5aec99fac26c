// SPDX-License-Identifier: GPL-2.0

//! Checks that safe code cannot keep memory of a device longer than the device is bound.
//!
//! `make lint` compiles this file as it is, and then once for each line marked with an error code:
//! with that line in place of its twin, which differs only in the mistake. The compiler must report
//! exactly that error.

#![forbid(unsafe_code)]

use core::ops::Deref;

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    platform,
    prelude::*, //
};

use ferrodma::{
    client::Client,
    dma::{
        coherent::CoherentBuffer,
        pool::{
            Block,
            BlockLayout,
            DmaPool, //
        },
        streaming::{
            Buffers,
            IdleBuffers,
            Rejected, //
        }, //
    },
    engine::zdma,
    memory::blocks::BlockPool, //
};

const LAYOUT: BlockLayout = BlockLayout {
    size: 64,
    align: 64,
    boundary: 0,
};

/// Keeps a value for ever, as a static or a thread can.
fn keep<T: 'static>(_: T) {}

/// Drops a value while the device is bound.
fn give_back<T>(_: T) {}

/// Tests a pool: blocks are allocated from it.
pub fn pool(dev: &Device<Bound>) -> Result {
    let pool = DmaPool::new(dev, c"", LAYOUT)?;
    #[cfg(case = "pool_is_kept")] // E0521
    keep(pool);
    #[cfg(not(case = "pool_is_kept"))]
    give_back(pool);
    Ok(())
}

/// Tests a block: dropping it frees memory of the device.
pub fn block(dev: &Device<Bound>) -> Result {
    let block = Block::new(&DmaPool::new(dev, c"", LAYOUT)?, GFP_KERNEL)?;
    #[cfg(case = "block_is_kept")] // E0521
    keep(block);
    #[cfg(not(case = "block_is_kept"))]
    give_back(block);
    Ok(())
}

/// Tests blocks that a transfer returns: they have the lifetime of those it was given.
pub fn blocks(dev: &Device<Bound>, client: &Client) -> Result {
    let pool = DmaPool::new(dev, c"", LAYOUT)?;
    let (mut src, mut dst) = (KVec::new(), KVec::new());
    src.push(Block::new(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
    dst.push(Block::new(&pool, GFP_KERNEL)?, GFP_KERNEL)?;
    let (src, _) = client.transfer_blocks(src, dst)?;
    #[cfg(case = "transferred_block_is_kept")] // E0521
    keep(src);
    #[cfg(not(case = "transferred_block_is_kept"))]
    give_back(src);
    Ok(())
}

/// Tests a block pool: it holds blocks.
pub fn stock(dev: &Device<Bound>) -> Result {
    let stock = BlockPool::new(dev, 64, 1)?;
    #[cfg(case = "stock_is_kept")] // E0521
    keep(stock);
    #[cfg(not(case = "stock_is_kept"))]
    give_back(stock);
    Ok(())
}

/// Tests blocks taken from a block pool: they have the lifetime of the pool.
pub fn taken(dev: &Device<Bound>) -> Result {
    let blocks = BlockPool::new(dev, 64, 1)?.take(1)?;
    #[cfg(case = "taken_block_is_kept")] // E0521
    keep(blocks);
    #[cfg(not(case = "taken_block_is_kept"))]
    give_back(blocks);
    Ok(())
}

/// Tests a coherent buffer: it is memory of the device.
pub fn buffer(dev: &Device<Bound>) -> Result {
    let buffer = CoherentBuffer::new(dev, 4096)?;
    #[cfg(case = "buffer_is_kept")] // E0521
    keep(buffer);
    #[cfg(not(case = "buffer_is_kept"))]
    give_back(buffer);
    Ok(())
}

/// Tests mapped buffers: dropping them unmaps them.
pub fn mapped(dev: &Device<Bound>) -> Result {
    let mapped = Buffers::new(&[64])?.map(dev, DataDirection::ToDevice)?;
    #[cfg(case = "mapped_buffers_are_kept")] // E0521
    keep(mapped);
    #[cfg(not(case = "mapped_buffers_are_kept"))]
    give_back(mapped);
    Ok(())
}

/// Tests idle buffers: hardware is done with them, but they are still mapped.
pub fn transferred(dev: &Device<Bound>, client: &Client) -> Result {
    let src = Buffers::new(&[64])?.map(dev, DataDirection::ToDevice)?;
    let dst = Buffers::new(&[64])?.map(dev, DataDirection::FromDevice)?;
    let (_, dst) = client.transfer(src, dst)?;
    #[cfg(case = "idle_buffers_are_kept")] // E0521
    keep(dst);
    #[cfg(not(case = "idle_buffers_are_kept"))]
    give_back(dst);
    Ok(())
}

/// Tests synced buffers: the CPU owns them, but they are still mapped.
pub fn synced(dst: IdleBuffers<'_>) {
    let dst = dst.sync_for_cpu();
    #[cfg(case = "synced_buffers_are_kept")] // E0521
    keep(dst);
    #[cfg(not(case = "synced_buffers_are_kept"))]
    give_back(dst);
}

/// Tests buffers that are not mapped: these may be kept.
pub fn unmapped(dev: &Device<Bound>) -> Result {
    let mapped = Buffers::new(&[64])?.map(dev, DataDirection::None);
    if let Err(Rejected { value, .. }) = mapped {
        keep(value);
    }
    Ok(())
}

/// Tests an engine: it has registers and clocks of the device.
pub fn engine(pdev: &platform::Device<Bound>) -> Result {
    let engine = zdma::attach(pdev)?;
    #[cfg(case = "engine_is_kept")] // E0521
    keep(engine);
    #[cfg(not(case = "engine_is_kept"))]
    give_back(engine);
    Ok(())
}

/// Tests the client of a self-test: it may be used only while its channel is being set up.
pub fn client(client: &Client) {
    #[cfg(case = "client_is_kept")] // E0521
    keep(client);
    #[cfg(not(case = "client_is_kept"))]
    give_back(client);
}

/// Tests that memory can be allocated only for a bound device.
pub fn bound(
    #[cfg(case = "device_is_not_bound")] // E0308
    dev: &Device,
    #[cfg(not(case = "device_is_not_bound"))] dev: &Device<Bound>,
) -> Result {
    give_back(DmaPool::new(dev, c"", LAYOUT)?);
    Ok(())
}

/// Tests that the guard which keeps the device bound must outlive mapped buffers.
pub fn late_buffers(guard: impl Deref<Target = Device<Bound>>) -> Result {
    #[cfg(case = "mapped_buffers_are_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "mapped_buffers_are_dropped_late"))]
    let _late;
    _late = Buffers::new(&[64])?.map(&guard, DataDirection::ToDevice)?;
    Ok(())
}

/// Tests that the guard must outlive idle buffers.
pub fn late_idle(guard: impl Deref<Target = Device<Bound>>, client: &Client) -> Result {
    #[cfg(case = "idle_buffers_are_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "idle_buffers_are_dropped_late"))]
    let _late;
    let src = Buffers::new(&[64])?.map(&guard, DataDirection::ToDevice)?;
    let dst = Buffers::new(&[64])?.map(&guard, DataDirection::FromDevice)?;
    (_, _late) = client.transfer(src, dst)?;
    Ok(())
}

/// Tests that the guard must outlive synced buffers.
pub fn late_synced(guard: impl Deref<Target = Device<Bound>>, client: &Client) -> Result {
    #[cfg(case = "synced_buffers_are_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "synced_buffers_are_dropped_late"))]
    let _late;
    let src = Buffers::new(&[64])?.map(&guard, DataDirection::ToDevice)?;
    let dst = Buffers::new(&[64])?.map(&guard, DataDirection::FromDevice)?;
    _late = client.transfer(src, dst)?.1.sync_for_cpu();
    Ok(())
}

/// Tests that the guard must outlive blocks.
pub fn late_block(guard: impl Deref<Target = Device<Bound>>) -> Result {
    #[cfg(case = "block_is_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "block_is_dropped_late"))]
    let _late;
    _late = Block::new(&DmaPool::new(&guard, c"", LAYOUT)?, GFP_KERNEL)?;
    Ok(())
}

/// Tests that the guard must outlive a block pool.
pub fn late_stock(guard: impl Deref<Target = Device<Bound>>) -> Result {
    #[cfg(case = "stock_is_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "stock_is_dropped_late"))]
    let _late;
    _late = BlockPool::new(&guard, 64, 1)?;
    Ok(())
}

/// Tests that the guard must outlive a coherent buffer.
pub fn late_buffer(guard: impl Deref<Target = Device<Bound>>) -> Result {
    #[cfg(case = "buffer_is_dropped_late")] // E0597
    let _late;
    let guard = guard;
    #[cfg(not(case = "buffer_is_dropped_late"))]
    let _late;
    _late = CoherentBuffer::new(&guard, 4096)?;
    Ok(())
}
