// SPDX-License-Identifier: GPL-2.0

//! A faulty channel with a coherent buffer, and the tests of what kernel code can do with it.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    prelude::*,
    sync::Arc,
    ThisModule, //
};

use ferrodma::{
    buffer::CoherentBuffer,
    client::Client,
    driver::{
        Addresses,
        ChannelDriver,
        Compatible,
        Function,
        Shape, //
    },
    engine::Caps,
    uapi::Seg, //
};

use crate::{
    faulty,
    run_tests, //
};

/// Bytes of the buffer.
const SIZE: usize = 16 << 10;

/// The function of the channel.
struct Tested {
    buffer: Arc<CoherentBuffer>,
}

/// A segment.
const fn seg(addr: u64, len: u64) -> Seg {
    Seg { addr, len }
}

impl Tested {
    /// Puts `value` into all of the buffer.
    fn preset(&self, value: u8) -> Result {
        let bytes = KVec::from_elem(value, self.buffer.len(), GFP_KERNEL)?;
        self.buffer.write(0, &bytes)
    }

    /// Whether `len` bytes from `offset` on are all `value`.
    fn holds(&self, offset: usize, len: usize, value: u8) -> Result<bool> {
        let mut bytes = KVec::from_elem(!value, len, GFP_KERNEL)?;
        self.buffer.read(offset, &mut bytes)?;
        Ok(bytes.iter().all(|&byte| byte == value))
    }

    fn copy_and_fill(&self, client: &Client) -> Result<bool> {
        self.preset(0)?;
        Ok(client.fill(0x5a, &[seg(0, 100), seg(200, 57)])? == 157
            && client.copy(&[seg(0, 157)], &[seg(1000, 157)])? == 157
            && self.holds(1000, 100, 0x5a)?
            && self.holds(1100, 57, 0)?
            && self.holds(200, 57, 0x5a)?
            && self.holds(257, 743, 0)?)
    }

    fn differently_cut_lists(&self, client: &Client) -> Result<bool> {
        self.preset(0)?;
        self.buffer.write(0, &[1; 10])?;
        self.buffer.write(100, &[2; 20])?;
        // One segment more than any that is spoilt.
        let src = [seg(0, 5), seg(5, 5), seg(100, 1), seg(101, 2), seg(103, 17)];
        let dst = [seg(1000, 29), seg(2000, 1)];
        Ok(client.copy(&src, &dst)? == 30
            && self.holds(1000, 10, 1)?
            && self.holds(1010, 19, 2)?
            && self.holds(1029, 971, 0)?
            && self.holds(2000, 1, 2)?)
    }

    fn bad_requests(&self, client: &Client) -> Result<bool> {
        self.preset(7)?;
        let end = self.buffer.len() as u64;
        let refused = |result: Result<u64>, error: Error| result.is_err_and(|e| e == error);
        Ok(refused(client.copy(&[], &[seg(0, 1)]), EINVAL)
            && refused(client.copy(&[seg(0, 1)], &[seg(1, 2)]), EINVAL)
            && refused(client.copy(&[seg(0, 2)], &[seg(1, 2)]), EINVAL)
            && refused(client.copy(&[seg(0, 1)], &[seg(end, 1)]), ERANGE)
            && refused(client.fill(1, &[seg(u64::MAX, 1)]), EOVERFLOW)
            && refused(client.fill(1, &[seg(0, end + 1)]), EMSGSIZE)
            && self.holds(0, self.buffer.len(), 7)?)
    }

    fn paused_engine_times_out(&self, client: &Client) -> Result<bool> {
        self.preset(0)?;
        self.buffer.write(0, &[3; 64])?;
        let result = client.copy(&[seg(0, 32), seg(32, 32)], &[seg(512, 64)]);
        Ok(result == Err(ETIMEDOUT)
            && self.holds(544, 32, 0)?
            && client.copy(&[seg(0, 64)], &[seg(512, 64)])? == 64
            && self.holds(512, 64, 3)?)
    }

    fn bus_error_is_reported(&self, client: &Client) -> Result<bool> {
        self.preset(0)?;
        self.buffer.write(0, &[4; 64])?;
        let src = [seg(0, 16), seg(16, 16), seg(32, 16)];
        Ok(client.copy(&src, &[seg(512, 48)]) == Err(EIO)
            && client.copy(&[seg(0, 64)], &[seg(512, 64)])? == 64
            && self.holds(512, 64, 4)?)
    }
}

impl Function for Tested {
    fn buffer(&self) -> Option<&Arc<CoherentBuffer>> {
        Some(&self.buffer)
    }
    fn prove(&self, _dev: &Device<Bound>, client: &Client) -> Result {
        let result = run_tests(&[
            (c"copy_and_fill", &|| self.copy_and_fill(client)),
            (c"differently_cut_lists", &|| {
                self.differently_cut_lists(client)
            }),
            (c"bad_requests", &|| self.bad_requests(client)),
            (c"paused_engine_times_out", &|| {
                self.paused_engine_times_out(client)
            }),
            (c"bus_error_is_reported", &|| {
                self.bus_error_is_reported(client)
            }),
        ]);
        self.preset(0)?;
        result
    }
}

pub(crate) struct Driver;

kernel::of_device_table!(
    OF_TABLE,
    Compatible,
    [(
        of::DeviceId::new(c"ferrodma,zynqmp-test"),
        Compatible {
            attach: faulty::attach
        }
    )]
);

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-test";
    const ADDRESSES: Addresses = Addresses::BufferOffsets;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn function(dev: &Device<Bound>, _caps: &Caps) -> Result<(KBox<dyn Function>, Shape)> {
        let buffer = CoherentBuffer::new(dev, SIZE)?;
        let function = KBox::new(Tested { buffer }, GFP_KERNEL)?;
        let shape = Shape {
            buffer_size: SIZE as u64,
            max_job_bytes: SIZE as u64,
            ..Shape::default()
        };
        Ok((function, shape))
    }

    fn selftest() -> bool {
        true
    }
}
