// SPDX-License-Identifier: GPL-2.0

//! A faulty channel with a block pool, and tests of DMA pools and their blocks.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    new_spinlock,
    of,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::pool::{
        Block,
        BlockLayout,
        DmaPool, //
    },
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::{
        blocks::BlockPool,
        Backing, //
    },
    uapi::Seg, //
};

use crate::{
    faulty,
    pool_example,
    run_tests, //
};

/// Blocks of the channel: few, so that programs can take all of them.
const COUNT: usize = 32;
const SIZE: usize = 64;

/// Compiles only if a block cannot be copied, so that it has one owner only.
const _: () = {
    trait Copies<A> {
        const HERE: () = ();
    }
    impl<T> Copies<()> for T {}
    impl<T: Clone> Copies<u8> for T {}
    let () = <Block<'_> as Copies<_>>::HERE;
};

struct Tested<'a, 'bound> {
    dev: &'bound Device<Bound>,
    blocks: &'a BlockPool<'bound>,
}

/// Allocates `count` blocks and checks that they lie in memory as `layout` says.
fn blocks_lie_as_told(dev: &Device<Bound>, layout: BlockLayout, count: usize) -> Result<bool> {
    let pool = DmaPool::new(dev, c"test", layout)?;
    // CAST: `usize` is as wide.
    let (size, align, boundary) = (
        layout.size as u64,
        layout.align as u64,
        layout.boundary as u64,
    );
    let mut blocks = KVVec::with_capacity(count, GFP_KERNEL)?;
    let mut places = KVVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        let block = Block::new(&pool, GFP_KERNEL)?;
        // Pools consist of whole pages, so the offset in a page is the same for the CPU and the
        // device.
        // CAST: `usize` is as wide.
        places.push(block.as_ptr().addr() as u64, GFP_KERNEL)?;
        blocks.push(block, GFP_KERNEL)?;
    }
    places.sort_unstable();
    let apart = places.windows(2).all(|pair| pair[1] - pair[0] >= size);
    let placed = places.iter().all(|at| {
        at % align == 0 && (boundary == 0 || at / boundary == (at + size - 1) / boundary)
    });

    // Writes to one block must not change another.
    for (number, block) in blocks.iter_mut().enumerate() {
        let tag = number.to_le_bytes();
        for (byte, tag) in block.iter_mut().zip(tag.iter().cycle()) {
            *byte = *tag;
        }
    }
    let intact = blocks.iter().enumerate().all(|(number, block)| {
        let tag = number.to_le_bytes();
        block.len() == layout.size && block.iter().eq(tag.iter().cycle().take(layout.size))
    });
    Ok(apart && placed && intact)
}

fn ten_thousand_blocks(dev: &Device<Bound>) -> Result<bool> {
    let layout = BlockLayout {
        size: 48,
        align: 32,
        boundary: 4096,
    };
    blocks_lie_as_told(dev, layout, 10_000)
}

fn boundary_is_not_crossed(dev: &Device<Bound>) -> Result<bool> {
    for (size, align, boundary) in [
        (3000, 8, 4096),
        (700, 4, 1024),
        (4096, 4096, 0),
        (24, 8, 32),
    ] {
        let layout = BlockLayout {
            size,
            align,
            boundary,
        };
        if !blocks_lie_as_told(dev, layout, 200)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn bad_layouts(dev: &Device<Bound>) -> Result<bool> {
    let refused = |size, align, boundary| {
        let layout = BlockLayout {
            size,
            align,
            boundary,
        };
        DmaPool::new(dev, c"test", layout).is_err_and(|error| error == EINVAL)
    };
    Ok(refused(0, 8, 0)
        && refused(64, 0, 0)
        && refused(64, 48, 0)
        && refused(64, 64, 100)
        && refused(64, 64, 32))
}

fn small_pool(dev: &Device<Bound>) -> Result<Arc<DmaPool<'_>>> {
    let layout = BlockLayout {
        size: SIZE,
        align: SIZE,
        boundary: 0,
    };
    DmaPool::new(dev, c"test", layout)
}

fn zeroed_block_is_zero(dev: &Device<Bound>) -> Result<bool> {
    let pool = small_pool(dev)?;
    for _ in 0..100 {
        Block::new(&pool, GFP_KERNEL)?.fill(0xff);
        if Block::zeroed(&pool, GFP_KERNEL)?
            .iter()
            .any(|&byte| byte != 0)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn allocation_in_atomic_context(dev: &Device<Bound>) -> Result<bool> {
    let pool = small_pool(dev)?;
    let held = KBox::pin_init(new_spinlock!((), "ferrodma test"), GFP_KERNEL)?;
    let guard = held.lock();
    let block = Block::zeroed(&pool, GFP_ATOMIC);
    drop(guard);
    Ok(block?.len() == SIZE)
}

fn block_keeps_its_pool(dev: &Device<Bound>) -> Result<bool> {
    let pool = small_pool(dev)?;
    let mut block = Block::new(&pool, GFP_KERNEL)?;
    drop(pool);
    block.fill(9);
    Ok(block.iter().all(|&byte| byte == 9))
}

/// Returns `count` blocks of `pool`, each filled with its number plus `more`.
fn numbered<'a>(pool: &Arc<DmaPool<'a>>, count: u8, more: u8) -> Result<KVec<Block<'a>>> {
    let mut blocks = KVec::new();
    for number in 0..count {
        let mut block = Block::new(pool, GFP_KERNEL)?;
        block.fill(number.wrapping_add(more));
        blocks.push(block, GFP_KERNEL)?;
    }
    Ok(blocks)
}

/// Tests all block sizes that a device may have.
fn engine_moves_blocks_of_all_sizes(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    const BLOCKS: u8 = 40;
    let mut size = 32;
    while size <= PAGE_SIZE {
        let layout = BlockLayout {
            size,
            align: size,
            boundary: PAGE_SIZE,
        };
        let pool = DmaPool::new(dev, c"test", layout)?;
        let (src, dst) = (numbered(&pool, BLOCKS, 0)?, numbered(&pool, BLOCKS, 100)?);
        let (src, dst) = client.transfer_blocks(src, dst)?;
        for (src, dst) in src.iter().zip(&dst) {
            if src[..] != dst[..] {
                return Ok(false);
            }
        }
        size *= 2;
    }
    Ok(true)
}

/// Tests that the blocks of a refused transfer are returned.
fn bad_transfers(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    let pool = small_pool(dev)?;
    let layout = BlockLayout {
        size: 2 * SIZE,
        align: SIZE,
        boundary: 0,
    };
    let larger = DmaPool::new(dev, c"test", layout)?;
    for (src, dst) in [
        (KVec::new(), KVec::new()),
        (numbered(&pool, 2, 0)?, numbered(&pool, 1, 0)?),
        (numbered(&pool, 2, 0)?, numbered(&larger, 1, 0)?),
        (numbered(&pool, 1, 0)?, numbered(&larger, 1, 0)?),
    ] {
        let given = src.len() + dst.len();
        let Err(rejected) = client.transfer_blocks(src, dst) else {
            return Ok(false);
        };
        let back = rejected.value.map(|(src, dst)| src.len() + dst.len());
        if rejected.error != EINVAL || back != Some(given) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn paused_engine_gives_blocks_back(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    let pool = small_pool(dev)?;
    // CAST: A small number.
    let halts = faulty::HALTS as u8;
    let (src, dst) = (numbered(&pool, halts, 0)?, numbered(&pool, halts, 7)?);
    let Err(late) = client.transfer_blocks(src, dst) else {
        return Ok(false);
    };
    let Some((mut src, mut dst)) = late.value else {
        return Ok(false);
    };
    src.truncate(1);
    dst.truncate(1);
    let (_, dst) = client.transfer_blocks(src, dst)?;
    Ok(late.error == ETIMEDOUT && dst[0].iter().all(|&byte| byte == 0))
}

impl Tested<'_, '_> {
    /// Tests that blocks are given out all or none, and that all come back.
    fn block_pool_gives_all_or_nothing(&self) -> Result<bool> {
        let mut most = self.blocks.take(COUNT - 1)?;
        let none = self.blocks.take(2).is_err_and(|error| error == EAGAIN);
        let one_left = self.blocks.free() == 1;
        let mut one = self.blocks.take(1)?;
        let empty = self.blocks.free() == 0 && self.blocks.take(1).is_err();
        self.blocks.give(&mut one);
        self.blocks.give(&mut most);
        Ok(none && one_left && empty && one.is_empty() && self.blocks.free() == COUNT)
    }

    /// Tests that smaller blocks of another pool are not kept, which the next job would overrun.
    fn block_pool_keeps_no_block_of_another_pool(&self) -> Result<bool> {
        let layout = BlockLayout {
            size: SIZE / 2,
            align: SIZE / 2,
            boundary: 0,
        };
        let mut blocks = self.blocks.take(2)?;
        let theirs = Block::new(&DmaPool::new(self.dev, c"test", layout)?, GFP_KERNEL)?;
        let mut ours = self.blocks.take(1)?;
        blocks.push(theirs, GFP_KERNEL)?;
        if let Some(block) = ours.pop() {
            blocks.push(block, GFP_KERNEL)?;
        }
        self.blocks.give(&mut blocks);
        let given = blocks.is_empty() && self.blocks.free() == COUNT;
        let mut all = self.blocks.take(COUNT)?;
        let fit = all.iter().all(|block| block.len() == SIZE);
        self.blocks.give(&mut all);
        Ok(given && fit)
    }
}

/// Tests addresses at which nothing is mapped, the lowest ones.
fn unmapped_user_memory(client: &Client) -> Result<bool> {
    let seg = |addr| [Seg { addr, len: 16 }];
    Ok(client.copy(&seg(16), &seg(64)) == Err(EFAULT))
}

impl Tested<'_, '_> {
    /// Runs the tests.
    fn run(&self, client: &Client) -> Result {
        let dev = self.dev;
        run_tests(&[
            (c"ten_thousand_blocks", &|| ten_thousand_blocks(dev)),
            (c"boundary_is_not_crossed", &|| boundary_is_not_crossed(dev)),
            (c"bad_layouts", &|| bad_layouts(dev)),
            (c"zeroed_block_is_zero", &|| zeroed_block_is_zero(dev)),
            (c"allocation_in_atomic_context", &|| {
                allocation_in_atomic_context(dev)
            }),
            (c"block_keeps_its_pool", &|| block_keeps_its_pool(dev)),
            (c"greeting", &|| pool_example::greeting(dev, client)),
            (c"engine_moves_blocks_of_all_sizes", &|| {
                engine_moves_blocks_of_all_sizes(dev, client)
            }),
            (c"bad_transfers_of_blocks", &|| bad_transfers(dev, client)),
            (c"paused_engine_gives_blocks_back", &|| {
                paused_engine_gives_blocks_back(dev, client)
            }),
            (c"block_pool_gives_all_or_nothing", &|| {
                self.block_pool_gives_all_or_nothing()
            }),
            (c"block_pool_keeps_no_block_of_another_pool", &|| {
                self.block_pool_keeps_no_block_of_another_pool()
            }),
            (c"unmapped_message", &|| unmapped_user_memory(client)),
        ])
    }
}

pub(crate) struct Driver;

ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-pool-test" => faulty::zdma,
    "ferrodma,bcm2835-pool-test" => faulty::bcm2835,
});

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-pooltest";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn parameters() -> &'static Parameters {
        &crate::PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        Ok(Backing::Blocks(BlockPool::new(dev, SIZE, COUNT)?))
    }

    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Blocks(blocks) = backing else {
            return Err(EINVAL);
        };
        Tested { dev, blocks }.run(client)
    }
}
