// SPDX-License-Identifier: GPL-2.0

//! DMA directly between buffers of a program.
//!
//! The addresses in a job are virtual addresses of the program. The driver owns no memory between
//! jobs.

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

/// Most bytes in one job: 65,536 descriptors in each list, if no two pages are contiguous.
const MAX_JOB_BYTES: u64 = 256 << 20;

/// Sizes of the self-test's buffers in bytes: different for source and destination, with the same
/// total, no whole pages, and multiples of every engine's alignment.
const SOURCES: [usize; 4] = [4000, 100, 5000, 1092];
const DESTINATIONS: [usize; 3] = [96, 6144, 3952];

/// Value of the bytes in the first source buffer of the self-test; each next buffer has the next
/// value.
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

    /// Gathers from several buffers, scatters to others, and compares.
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
