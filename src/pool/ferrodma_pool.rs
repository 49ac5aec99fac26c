// SPDX-License-Identifier: GPL-2.0

//! DMA of small messages, which are cheaper to copy than to pin.
//!
//! The addresses of a job are the program's own, and each segment goes through a block. Their size
//! and number are the device tree's `ferrodma,block-size` and `ferrodma,nr-blocks`.

#![forbid(unsafe_code)]

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
    ThisModule, //
};

use ferrodma::{
    client::Client,
    driver::{
        self,
        Addresses,
        ChannelDriver,
        Compatible,
        Function,
        Shape, //
    },
    engine::{
        bcm2835,
        zdma,
        Caps, //
    },
    memory::blocks::Stock, //
};

/// Default of `ferrodma,block-size` in bytes, and the smallest one.
const DEFAULT_SIZE: u32 = 64;
const SMALLEST: usize = 32;

/// Default of `ferrodma,nr-blocks`, and what is accepted: one for each side of the smallest job, and
/// what fits 256 MiB in the largest size.
const DEFAULT_COUNT: u32 = 512;
const FEWEST: usize = 2;
const MOST: usize = 65536;

/// Blocks of the proof on each side, if there are as many.
const PROVED: usize = 10;

/// What the proof fills its first block with; the next has the next value.
const PATTERN: u8 = 0xaa;

struct Pool<'bound> {
    stock: Arc<Stock<'bound>>,
}

impl Function for Pool<'_> {
    /// Has the engine move several blocks, compares, and looks whether all blocks are back.
    fn prove(&self, _dev: &Device<Bound>, client: &Client) -> Result {
        let count = PROVED.min(self.stock.total() / 2);
        let mut src = self.stock.take(count)?;
        let mut dst = self.stock.take(count)?;
        for (value, block) in (PATTERN..).zip(&mut src) {
            block.fill(value);
        }
        dst.iter_mut().for_each(|block| block.fill(0));
        let (mut src, mut dst) = client.transfer_blocks(src, dst)?;
        let arrived = (PATTERN..)
            .zip(&dst)
            .all(|(value, block)| block.iter().all(|&byte| byte == value));
        self.stock.give(&mut src);
        self.stock.give(&mut dst);
        if arrived && self.stock.free() == self.stock.total() {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}

ferrodma::parameters!();

struct Driver;

kernel::of_device_table!(
    OF_TABLE,
    Compatible,
    [
        (
            of::DeviceId::new(c"ferrodma,zynqmp-pool"),
            Compatible {
                attach: zdma::attach
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,versal2-pool"),
            Compatible {
                attach: zdma::attach_versal2
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,bcm2835-pool"),
            Compatible {
                attach: bcm2835::attach
            }
        ),
    ]
);

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-pool";
    const ADDRESSES: Addresses = Addresses::CopiedMemory;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn function<'bound>(
        dev: &'bound Device<Bound>,
        _caps: &Caps,
    ) -> Result<(KBox<dyn Function + 'bound>, Shape<'bound>)> {
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
        let stock = Stock::new(dev, size, count).inspect_err(|error| {
            dev_err!(
                dev,
                "failed to allocate {count} blocks of {size} bytes: {error:?}\n"
            );
        })?;
        let shape = Shape {
            stock: Some(stock.clone()),
            ..Shape::default()
        };
        Ok((KBox::new(Pool { stock }, GFP_KERNEL)?, shape))
    }

    fn selftest() -> bool {
        PARAMETERS.selftest()
    }

    fn poll_bytes() -> &'static Atomic<u32> {
        PARAMETERS.poll_bytes()
    }
}

ferrodma::module_channel_driver! {
    type: Driver,
    name: "ferrodma_pool",
    authors: ["The ferrodma founders"],
    description: "DMA of small messages through blocks of a pool",
    license: "GPL",
}
