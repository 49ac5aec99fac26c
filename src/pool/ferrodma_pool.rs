// SPDX-License-Identifier: GPL-2.0

//! DMA of small messages, which are cheaper to copy than to pin.
//!
//! The addresses in a job are virtual addresses of the program, and each segment goes through a
//! block. The device tree's `ferrodma,block-size` and `ferrodma,nr-blocks` are the size and number
//! of the blocks.

#![forbid(unsafe_code)]

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    page::PAGE_SIZE,
    prelude::*,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    driver::{
        self,
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::{
        blocks::BlockPool,
        Backing, //
    }, //
};

/// Default of `ferrodma,block-size` in bytes, and the smallest one.
const DEFAULT_SIZE: u32 = 64;
const SMALLEST: usize = 32;

/// Default of `ferrodma,nr-blocks`, and its range: from one block for each side of the smallest job
/// to as many of the largest size as fit in 256 MiB.
const DEFAULT_COUNT: u32 = 512;
const FEWEST: usize = 2;
const MOST: usize = 65536;

/// Most blocks on each side in the self-test.
const TESTED: usize = 10;

/// Value of the bytes in the first source block of the self-test; each next block has the next
/// value.
const PATTERN: u8 = 0xaa;

ferrodma::parameters!();
ferrodma::compatibles!(OF_TABLE, "pool");

struct Driver;

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-pool";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn parameters() -> &'static Parameters {
        &PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        // CAST: `usize` is wider, here and below.
        let size = driver::property_u32(dev, c"ferrodma,block-size", DEFAULT_SIZE) as usize;
        if !size.is_power_of_two() || !(SMALLEST..=PAGE_SIZE).contains(&size) {
            dev_err!(dev, "ferrodma,block-size is out of range: {size}\n");
            return Err(EINVAL);
        }
        let count = driver::property_u32(dev, c"ferrodma,nr-blocks", DEFAULT_COUNT) as usize;
        if !(FEWEST..=MOST).contains(&count) {
            dev_err!(dev, "ferrodma,nr-blocks is out of range: {count}\n");
            return Err(EINVAL);
        }
        let blocks = BlockPool::new(dev, size, count).inspect_err(|error| {
            dev_err!(
                dev,
                "failed to allocate {count} blocks of {size} bytes: {error:?}\n"
            );
        })?;
        Ok(Backing::Blocks(blocks))
    }

    /// Moves several blocks, compares, and checks that all are back.
    fn self_test<'bound>(
        _dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Blocks(blocks) = backing else {
            return Err(EINVAL);
        };
        let count = TESTED.min(blocks.total() / 2);
        let mut src = blocks.take(count)?;
        let mut dst = blocks.take(count)?;
        for (value, block) in (PATTERN..).zip(&mut src) {
            block.fill(value);
        }
        dst.iter_mut().for_each(|block| block.fill(0));
        let (mut src, mut dst) = client.transfer_blocks(src, dst)?;
        let arrived = (PATTERN..)
            .zip(&dst)
            .all(|(value, block)| block.iter().all(|&byte| byte == value));
        blocks.give(&mut src);
        blocks.give(&mut dst);
        if arrived && blocks.free() == blocks.total() {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

ferrodma::module_channel_driver! {
    type: Driver,
    name: "ferrodma_pool",
    authors: ["The ferrodma founders"],
    description: "DMA of small messages through blocks of a pool",
    license: "GPL",
}
