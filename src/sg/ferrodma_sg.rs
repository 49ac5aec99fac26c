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
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::streaming::Buffers,
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::Backing, //
};

/// Most bytes in one job: 65,536 descriptors on each side, if no two pages are neighbours.
const MAX_JOB_BYTES: u64 = 256 << 20;

/// Buffers of the self-test in bytes, cut differently on the two sides; no whole pages, the same number of
/// bytes in all, and multiples of what any engine takes.
const SOURCES: [usize; 4] = [4000, 100, 5000, 1092];
const DESTINATIONS: [usize; 3] = [96, 6144, 3952];

/// What the self-test fills its first source with; the next has the next value.
const PATTERN: u8 = 0xaa;

ferrodma::parameters!();
ferrodma::compatibles!(OF_TABLE, "sg");

struct Driver;

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-sg";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn parameters() -> &'static Parameters {
        &PARAMETERS
    }

    fn backing(_dev: &Device<Bound>) -> Result<Backing<'_>> {
        Ok(Backing::Pages {
            max_job_bytes: MAX_JOB_BYTES,
        })
    }

    /// Gathers from several buffers and scatters to others, and compares.
    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        _backing: &Backing<'bound>,
    ) -> Result {
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

ferrodma::module_channel_driver! {
    type: Driver,
    name: "ferrodma_sg",
    authors: ["The ferrodma founders"],
    description: "DMA straight between buffers of a program",
    license: "GPL",
}
