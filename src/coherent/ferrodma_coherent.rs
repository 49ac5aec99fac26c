// SPDX-License-Identifier: GPL-2.0

//! DMA within one coherent buffer, which programs map.
//!
//! The addresses in a job are byte offsets into the buffer. The device tree's
//! `ferrodma,buffer-size` is its size.

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
    dma::coherent::CoherentBuffer,
    driver::{
        self,
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::Backing,
    uapi::Seg, //
};

/// Default of `ferrodma,buffer-size` in bytes.
const DEFAULT_SIZE: u32 = 4096;

/// Value of the source bytes in the self-test.
const PATTERN: u8 = 0xaa;

ferrodma::parameters!();
ferrodma::compatibles!(OF_TABLE, "coherent");

struct Driver;

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-coherent";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn parameters() -> &'static Parameters {
        &PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        let size = driver::property_u32(dev, c"ferrodma,buffer-size", DEFAULT_SIZE);
        if size == 0 {
            dev_err!(dev, "ferrodma,buffer-size is zero\n");
            return Err(EINVAL);
        }
        // CAST: `usize` is wider.
        let buffer = CoherentBuffer::new(dev, size as usize).inspect_err(|error| {
            dev_err!(
                dev,
                "failed to allocate a coherent buffer of {size} bytes: {error:?}\n"
            );
        })?;
        Ok(Backing::Buffer(buffer))
    }

    /// Copies a page, or half of the buffer if that is less, and compares.
    fn self_test<'bound>(
        _dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Buffer(buffer) = backing else {
            return Err(EINVAL);
        };
        let half = (buffer.len() / 2).min(PAGE_SIZE);
        let mut bytes = KVec::from_elem(PATTERN, half, GFP_KERNEL)?;
        buffer.write(0, &bytes)?;
        // CAST: At most a page.
        let len = half as u64;
        client.copy(&[Seg { addr: 0, len }], &[Seg { addr: len, len }])?;
        buffer.read(half, &mut bytes)?;
        if bytes.iter().any(|&byte| byte != PATTERN) {
            return Err(EIO);
        }
        // The buffer is zeroed again for its users.
        bytes.fill(0);
        buffer.write(0, &bytes)?;
        buffer.write(half, &bytes)
    }
}

ferrodma::module_channel_driver! {
    type: Driver,
    name: "ferrodma_coherent",
    authors: ["The ferrodma founders"],
    description: "DMA within a coherent buffer that user space maps",
    license: "GPL",
}
