// SPDX-License-Identifier: GPL-2.0

//! A faulty channel with a coherent buffer, and tests of the API for kernel code on it.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    prelude::*,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::coherent::CoherentBuffer,
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::Backing,
    uapi::Seg, //
};

use crate::{
    faulty,
    run_tests, //
};

/// Size of the buffer in bytes.
const SIZE: usize = 16 << 10;

/// The channel under test.
struct Tested<'a> {
    buffer: &'a CoherentBuffer<'a>,
}

/// Returns a segment.
const fn seg(addr: u64, len: u64) -> Seg {
    Seg { addr, len }
}

impl Tested<'_> {
    /// Fills the buffer with `value`.
    fn preset(&self, value: u8) -> Result {
        let bytes = KVec::from_elem(value, self.buffer.len(), GFP_KERNEL)?;
        self.buffer.write(0, &bytes)
    }

    /// Returns whether `len` bytes from `offset` on are all `value`.
    fn holds(&self, offset: usize, len: usize, value: u8) -> Result<bool> {
        let mut bytes = KVec::from_elem(!value, len, GFP_KERNEL)?;
        self.buffer.read(offset, &mut bytes)?;
        Ok(bytes.iter().all(|&byte| byte == value))
    }

    fn copy_and_fill(&self, client: &Client) -> Result<bool> {
        self.preset(0)?;
        Ok(client.fill(0x5a, &[seg(0, 100), seg(200, 56)])? == 156
            && client.copy(&[seg(0, 156)], &[seg(1000, 156)])? == 156
            && self.holds(1000, 100, 0x5a)?
            && self.holds(1100, 56, 0)?
            && self.holds(200, 56, 0x5a)?
            && self.holds(256, 744, 0)?)
    }

    fn differently_cut_lists(&self, client: &Client) -> Result<bool> {
        let unit = client.alignment();
        // CAST: `usize` is as wide.
        let seg = |at: u64, len: u64| seg(at * unit as u64, len * unit as u64);
        let holds = |at, len, value| self.holds(at * unit, len * unit, value);
        self.preset(0)?;
        for (at, len, value) in [(0, 10, 1), (100, 20, 2)] {
            let bytes = KVec::from_elem(value, len * unit, GFP_KERNEL)?;
            self.buffer.write(at * unit, &bytes)?;
        }
        // One source segment more than any copy that goes wrong (see `faulty.rs`).
        let src = [seg(0, 5), seg(5, 5), seg(100, 1), seg(101, 2), seg(103, 17)];
        let dst = [seg(1000, 29), seg(2000, 1)];
        Ok(client.copy(&src, &dst)? == 30 * unit as u64
            && holds(1000, 10, 1)?
            && holds(1010, 19, 2)?
            && holds(1029, 971, 0)?
            && holds(2000, 1, 2)?)
    }

    /// Runs more jobs than a client may have at a time, of which some are refused.
    fn more_jobs_than_a_client_has(&self, client: &Client) -> Result<bool> {
        // CAST: `usize` is as wide.
        let unit = client.alignment() as u64;
        for _ in 0..100 {
            let refused = client.copy(&[seg(0, unit)], &[seg(0, unit)]);
            if refused != Err(EINVAL)
                || client.copy(&[seg(0, unit)], &[seg(1000 * unit, unit)])? != unit
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn bad_requests(&self, client: &Client) -> Result<bool> {
        self.preset(7)?;
        // CAST: `usize` is as wide.
        let (end, unit) = (self.buffer.len() as u64, client.alignment() as u64);
        let refused = |result: Result<u64>, error: Error| result.is_err_and(|e| e == error);
        Ok(refused(client.copy(&[], &[seg(0, unit)]), EINVAL)
            && refused(client.copy(&[seg(0, unit)], &[seg(unit, 2 * unit)]), EINVAL)
            && refused(
                client.copy(&[seg(0, 2 * unit)], &[seg(1, 2 * unit)]),
                EINVAL,
            )
            && refused(client.copy(&[seg(0, unit)], &[seg(end, unit)]), ERANGE)
            && refused(client.fill(1, &[seg(u64::MAX, unit)]), EOVERFLOW)
            && refused(client.fill(1, &[seg(0, end + unit)]), EMSGSIZE)
            && (unit == 1 || refused(client.fill(1, &[seg(0, unit + 1)]), EINVAL))
            && self.holds(0, self.buffer.len(), 7)?)
    }

    /// Tests that addresses in a buffer need no alignment.
    fn any_address(&self, client: &Client) -> Result<bool> {
        let mut good = true;
        for at in 0..8 {
            self.preset(0)?;
            self.buffer.write(at, &[6; 64])?;
            // CAST: A small number.
            client.copy(&[seg(at as u64, 64)], &[seg(1007 - at as u64, 64)])?;
            good = good
                && self.holds(1007 - at, 64, 6)?
                && self.holds(1000 - at, 7, 0)?
                && self.holds(1071 - at, 64, 0)?;
        }
        Ok(good)
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
        if !client.has_fault_irq() {
            return Err(EOPNOTSUPP);
        }
        self.preset(0)?;
        self.buffer.write(0, &[4; 64])?;
        let src = [seg(0, 16), seg(16, 16), seg(32, 16)];
        Ok(client.copy(&src, &[seg(512, 48)]) == Err(EIO)
            && client.copy(&[seg(0, 64)], &[seg(512, 64)])? == 64
            && self.holds(512, 64, 4)?)
    }
}

impl Tested<'_> {
    /// Runs the tests.
    fn run(&self, client: &Client) -> Result {
        let result = run_tests(&[
            (c"copy_and_fill", &|| self.copy_and_fill(client)),
            (c"differently_cut_lists", &|| {
                self.differently_cut_lists(client)
            }),
            (c"more_jobs_than_a_client_has", &|| {
                self.more_jobs_than_a_client_has(client)
            }),
            (c"bad_requests", &|| self.bad_requests(client)),
            (c"any_address", &|| self.any_address(client)),
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

ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-test" => faulty::zdma,
    "ferrodma,bcm2835-test" => faulty::bcm2835,
});

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-test";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn parameters() -> &'static Parameters {
        &crate::PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        Ok(Backing::Buffer(CoherentBuffer::new(dev, SIZE)?))
    }

    fn self_test<'bound>(
        _dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Buffer(buffer) = backing else {
            return Err(EINVAL);
        };
        Tested { buffer }.run(client)
    }
}
