// SPDX-License-Identifier: GPL-2.0

//! DMA within one coherent buffer, which user space maps.
//!
//! The addresses of a job are byte offsets into the buffer. Its size is the device tree's
//! `ferrodma,buffer-size`.

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
    dma::coherent::CoherentBuffer,
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
    uapi::Seg, //
};

/// Default of `ferrodma,buffer-size` in bytes.
const DEFAULT_SIZE: u32 = 4096;

/// What the proof fills its source with.
const PATTERN: u8 = 0xaa;

struct Coherent<'bound> {
    buffer: Arc<CoherentBuffer<'bound>>,
}

impl Function for Coherent<'_> {
    fn buffer(&self) -> Option<&Arc<CoherentBuffer<'_>>> {
        Some(&self.buffer)
    }

    /// Has the engine copy a page, or half of the buffer where that is less, and compares.
    fn prove(&self, _dev: &Device<Bound>, client: &Client) -> Result {
        let half = (self.buffer.len() / 2).min(PAGE_SIZE);
        let mut bytes = KVec::from_elem(PATTERN, half, GFP_KERNEL)?;
        self.buffer.write(0, &bytes)?;
        // CAST: At most a page.
        let len = half as u64;
        client.copy(&[Seg { addr: 0, len }], &[Seg { addr: len, len }])?;
        self.buffer.read(half, &mut bytes)?;
        if bytes.iter().any(|&byte| byte != PATTERN) {
            return Err(EIO);
        }
        // Users find zeros.
        bytes.fill(0);
        self.buffer.write(0, &bytes)?;
        self.buffer.write(half, &bytes)
    }
}

ferrodma::parameters!();

struct Driver;

kernel::of_device_table!(
    OF_TABLE,
    Compatible,
    [
        (
            of::DeviceId::new(c"ferrodma,zynqmp-coherent"),
            Compatible {
                attach: zdma::attach
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,versal2-coherent"),
            Compatible {
                attach: zdma::attach_versal2
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,bcm2835-coherent"),
            Compatible {
                attach: bcm2835::attach
            }
        ),
    ]
);

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-coherent";
    const ADDRESSES: Addresses = Addresses::BufferOffsets;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn function<'bound>(
        dev: &'bound Device<Bound>,
        _caps: &Caps,
    ) -> Result<(KBox<dyn Function + 'bound>, Shape<'bound>)> {
        let size = driver::property_u32(dev, c"ferrodma,buffer-size", DEFAULT_SIZE);
        if size == 0 {
            dev_err!(dev, "ferrodma,buffer-size is zero\n");
            return Err(EINVAL);
        }
        // CAST: `usize` is wider, and so is `u64` below.
        let buffer = CoherentBuffer::new(dev, size as usize).inspect_err(|error| {
            dev_err!(
                dev,
                "failed to allocate a coherent buffer of {size} bytes: {error:?}\n"
            );
        })?;
        let size = buffer.len() as u64;
        let function = KBox::new(Coherent { buffer }, GFP_KERNEL)?;
        let shape = Shape {
            buffer_size: size,
            max_job_bytes: size,
            ..Shape::default()
        };
        Ok((function, shape))
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
    name: "ferrodma_coherent",
    authors: ["The ferrodma founders"],
    description: "DMA within a coherent buffer that user space maps",
    license: "GPL",
}
