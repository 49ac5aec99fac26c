// SPDX-License-Identifier: GPL-2.0

//! In-kernel tests of the helper, and a channel whose hardware really goes wrong.
//!
//! The channel is like that of the coherent driver, except for copies with certain numbers of
//! source segments, whose descriptors are spoilt before hardware sees them:
//!
//! | segments | what is done | what hardware does |
//! |---|---|---|
//! | [`HALTS`] | the first descriptor says HALT instead of going on | pauses behind the first segment, for ever |
//! | [`FAULTS`] | the second descriptor's address is misaligned | reports a bus error reading a descriptor |
//! | [`STICKS`] | as `HALTS`, and [`Engine::quiesce`] leaves it so | stays paused whatever the core does |
//!
//! `faulty.c` uses it from user space. When a device is bound, the tests of the in-kernel API run
//! in place of the proof, and the device is there only if they all pass.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    platform,
    prelude::*,
    sync::{
        atomic::{
            ordering,
            Atomic, //
        },
        Arc, //
    },
    ThisModule, //
};

use ferrodma::{
    buffer::CoherentBuffer,
    client::Client,
    driver::{
        self,
        ChannelDriver,
        Compatible,
        Function,
        Shape, //
    },
    engine::{
        zdma::Zdma,
        Caps,
        Descriptors,
        Engine,
        Outcome, //
    },
    lent::Mapping,
    transfer::Transfer,
    uapi::{
        Seg,
        FUNCTION_COHERENT, //
    }, //
};

/// Source segments of a copy that pauses.
const HALTS: usize = 2;
/// Source segments of a copy that meets a bus error.
const FAULTS: usize = 3;
/// Source segments of a copy that pauses and cannot be stopped.
const STICKS: usize = 4;

/// Bytes of the buffer.
const SIZE: usize = 16 << 10;

/// Where a ZDMA descriptor has its control word and the address of the next one, and the commands
/// in the former (UG1085, "Linked-list Mode").
const CTRL: usize = 12;
const NEXT: usize = 16;
const CMD_MASK: u8 = 3 << 3;
const CMD_HALT: u8 = 1 << 3;

/// A ZDMA channel that does not always work.
struct Faulty<'bound> {
    zdma: Zdma<'bound>,
    stuck: Atomic<bool>,
}

// SAFETY: As for `Zdma`, which does all the work. That a channel is said not to stop although it
// might is no breach; that it reads descriptors of its own chain only, the changes below leave as
// it is.
unsafe impl Engine for Faulty<'_> {
    fn caps(&self) -> &Caps {
        self.zdma.caps()
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        self.zdma.descriptors(transfer)
    }

    fn encode(&self, transfer: &mut Transfer) {
        self.zdma.encode(transfer);
        let nr_src = transfer.src().len();
        let (_, _, Some(chains)) = transfer.encoder() else {
            return;
        };
        let Some(first) = chains.src.bytes(0) else {
            return;
        };
        match nr_src {
            HALTS | STICKS => first[CTRL] = first[CTRL] & !CMD_MASK | CMD_HALT,
            FAULTS => first[NEXT] |= 4,
            _ => {}
        }
    }

    fn steps(&self, transfer: &Transfer) -> usize {
        self.zdma.steps(transfer)
    }

    unsafe fn start(&self, transfer: &Transfer, step: usize) {
        let sticks = transfer.src().len() == STICKS;
        self.stuck.store(sticks, ordering::Relaxed);
        // SAFETY: The caller promises the same.
        unsafe { self.zdma.start(transfer, step) };
    }

    fn acknowledge(&self) -> Outcome {
        self.zdma.acknowledge()
    }

    fn bytes_done(&self) -> u64 {
        self.zdma.bytes_done()
    }

    fn quiesce(&self, bytes: u64) -> Result {
        if self.stuck.load(ordering::Relaxed) {
            return Err(ETIMEDOUT);
        }
        self.zdma.quiesce(bytes)
    }
}

fn attach<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(
        Faulty {
            zdma: Zdma::new(pdev)?,
            stuck: Atomic::new(false),
        },
        GFP_KERNEL,
    )?)
}

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
    fn map(&self, job: &mut Mapping<'_>) -> Result {
        job.offsets_into_buffer()
    }

    fn buffer(&self) -> Option<&Arc<CoherentBuffer>> {
        Some(&self.buffer)
    }

    /// Runs the tests, and reports them as KTAP in the log.
    fn prove(&self, client: &Client) -> Result {
        type Test = fn(&Tested, &Client) -> Result<bool>;
        let tests: [(&CStr, Test); 5] = [
            (c"copy_and_fill", Self::copy_and_fill),
            (c"differently_cut_lists", Self::differently_cut_lists),
            (c"bad_requests", Self::bad_requests),
            (c"paused_engine_times_out", Self::paused_engine_times_out),
            (c"bus_error_is_reported", Self::bus_error_is_reported),
        ];
        pr_info!("KTAP version 1\n");
        pr_info!("1..{}\n", tests.len());
        let mut failed = false;
        for (number, (name, test)) in tests.iter().enumerate() {
            let result = test(self, client);
            if result == Ok(true) {
                pr_info!("ok {} {name}\n", number + 1);
            } else {
                failed = true;
                pr_info!("not ok {} {name} # {result:?}\n", number + 1);
            }
        }
        self.preset(0)?;
        if failed {
            Err(EIO)
        } else {
            Ok(())
        }
    }
}

struct Driver;

kernel::of_device_table!(
    OF_TABLE,
    Compatible,
    [(
        of::DeviceId::new(c"ferrodma,zynqmp-test"),
        Compatible { attach }
    )]
);

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-test";
    const FUNCTION: u32 = FUNCTION_COHERENT;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

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

kernel::module_platform_driver! {
    type: driver::Driver<Driver>,
    name: "ferrodma_test",
    authors: ["The ferrodma founders"],
    description: "In-kernel tests of ferrodma, and a channel that goes wrong",
    license: "GPL",
}
