// SPDX-License-Identifier: GPL-2.0

use ferrodma::{
    client::Client,
    dma::streaming::Buffers, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    prelude::*, //
};

/// Moves two messages through the same memory, which is mapped once. Returns whether both arrived.
pub(crate) fn two_messages(dev: &Device<Bound>, client: &Client) -> Result<bool> {
    let mut src = Buffers::new(&[128])?;
    for buffer in src.iter_mut() {
        buffer.fill(0x5a);
    }
    let src = src.map(dev, DataDirection::ToDevice)?;
    let dst = Buffers::new(&[100, 28])?.map(dev, DataDirection::FromDevice)?;

    // The device owns both: the CPU cannot access their bytes. Afterwards the CPU owns them again,
    // while they stay mapped.
    let (src, dst) = client.transfer(src, dst)?;
    let (mut src, dst) = (src.sync_for_cpu(), dst.sync_for_cpu());
    let first = dst.iter().flatten().all(|&byte| byte == 0x5a);

    for buffer in src.iter_mut() {
        buffer.fill(0xa5);
    }
    let (_, dst) = client.transfer(src.sync_for_device(), dst.sync_for_device())?;
    let dst = dst.unmap();
    Ok(first && dst.iter().flatten().all(|&byte| byte == 0xa5))
}
