// SPDX-License-Identifier: GPL-2.0

use ferrodma::{
    client::Client,
    dma::pool::{
        Block,
        BlockLayout,
        DmaPool, //
    }, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*, //
};

/// Copies a greeting from one block to another. Returns whether it arrived.
pub(crate) fn greeting(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    const TEXT: &[u8] = b"hello";
    let layout = BlockLayout {
        size: 64,
        align: 64,
        boundary: 4096,
    };
    let pool = DmaPool::new(dev, c"greetings", layout)?;

    let mut block = Block::zeroed(&pool, GFP_KERNEL)?;
    block[..TEXT.len()].copy_from_slice(TEXT);
    let (mut src, mut dst) = (KVec::new(), KVec::new());
    src.push(block, GFP_KERNEL)?;
    dst.push(Block::zeroed(&pool, GFP_KERNEL)?, GFP_KERNEL)?;

    // While the engine works on the blocks, this function does not have them.
    let (_, dst) = client.transfer_blocks(src, dst)?;
    Ok(dst[0].starts_with(TEXT))
}
