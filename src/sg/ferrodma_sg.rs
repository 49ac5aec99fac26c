// SPDX-License-Identifier: GPL-2.0

//! DMA straight between buffers of a program.
//!
//! The addresses of a job are the program's own. The driver owns nothing between jobs.

#![forbid(unsafe_code)]

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    of,
    prelude::*,
    sync::atomic::Atomic,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::streaming::Buffers,
    driver::{
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
    }, //
};

/// Most bytes in one job: 65,536 descriptors on each side, if no two pages are neighbours.
const MAX_JOB_BYTES: u64 = 256 << 20;

/// Buffers of the proof in bytes, cut differently on the two sides; no whole pages, the same number of
/// bytes in all, and multiples of what any engine takes.
const SOURCES: [usize; 4] = [4000, 100, 5000, 1092];
const DESTINATIONS: [usize; 3] = [96, 6144, 3952];

/// What the proof fills its first source with; the next has the next value.
const PATTERN: u8 = 0xaa;

struct Sg;

impl Function for Sg {
    /// Has the engine gather from several buffers and scatter to others, and compares.
    fn prove(&self, dev: &Device<Bound>, client: &Client) -> Result {
        let mut src = Buffers::new(&SOURCES)?;
        for (value, buffer) in (PATTERN..).zip(src.iter_mut()) {
            buffer.fill(value);
        }
        let src = src.map(dev, DataDirection::ToDevice)?;
        let dst = Buffers::new(&DESTINATIONS)?.map(dev, DataDirection::FromDevice)?;
        let (src, dst) = client.transfer(src, dst)?;
        let (src, dst) = (src.unmap(), dst.unmap());
        if src.iter().flatten().eq(dst.iter().flatten()) {
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
            of::DeviceId::new(c"ferrodma,zynqmp-sg"),
            Compatible {
                attach: zdma::attach
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,versal2-sg"),
            Compatible {
                attach: zdma::attach_versal2
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,bcm2835-sg"),
            Compatible {
                attach: bcm2835::attach
            }
        ),
    ]
);

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-sg";
    const ADDRESSES: Addresses = Addresses::UserMemory;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn function<'bound>(
        _dev: &'bound Device<Bound>,
        _caps: &Caps,
    ) -> Result<(KBox<dyn Function + 'bound>, Shape<'bound>)> {
        let shape = Shape {
            max_job_bytes: MAX_JOB_BYTES,
            ..Shape::default()
        };
        Ok((KBox::new(Sg, GFP_KERNEL)?, shape))
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
    name: "ferrodma_sg",
    authors: ["The ferrodma founders"],
    description: "DMA straight between buffers of a program",
    license: "GPL",
}
