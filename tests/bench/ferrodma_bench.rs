// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of a transfer by kernel code with ferrodma; `twin_bench.c` measures the same
//! for a driver in C.
//!
//! When a device is bound, the measurements run in place of the self-test.

use core::ffi::{
    c_char,
    c_int,
    c_uint,
    c_void, //
};

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection::{
        FromDevice,
        ToDevice, //
    },
    driver::Registration,
    error::to_result,
    of,
    prelude::*,
    sizes::{
        SZ_1M,
        SZ_2M,
        SZ_4K,
        SZ_64K, //
    },
    ThisModule, //
};

use ferrodma::{
    client::Client,
    dma::{
        coherent::CoherentBuffer,
        streaming::Buffers, //
    },
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::{
        bcm2835,
        zdma,
        Compatible, //
    },
    memory::Backing,
    uapi::Seg, //
};

extern "C" {
    // See `meter.h` for these.
    fn meter_init() -> c_int;
    fn meter_exit();
    fn meter_run(
        who: *const c_char,
        bytes: c_uint,
        segments: c_uint,
        once: unsafe extern "C" fn(*mut c_void) -> c_int,
        arg: *mut c_void,
    ) -> c_int;
}

/// Measures `once`, which copies `segments` segments of `bytes` each.
fn measure<F: FnMut() -> Result>(who: &CStr, bytes: usize, segments: usize, mut once: F) -> Result {
    /// Calls the closure at `arg`.
    ///
    /// # Safety
    ///
    /// `arg` is a valid `F` with no other reference to it.
    unsafe extern "C" fn call<F: FnMut() -> Result>(arg: *mut c_void) -> c_int {
        // SAFETY: The caller promises it.
        let once = unsafe { &mut *arg.cast::<F>() };
        match once() {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }
    // CAST: Small numbers.
    // SAFETY: `call` is for this type, and `once` lives until the call returns.
    to_result(unsafe {
        meter_run(
            who.as_char_ptr(),
            bytes as c_uint,
            segments as c_uint,
            call::<F>,
            (&raw mut once).cast(),
        )
    })
}

/// Measures copies within the coherent buffer, and checks that the bytes arrive.
fn copy(buffer: &CoherentBuffer<'_>, client: &Client, bytes: usize) -> Result {
    let half = buffer.len() / 2;
    let mut content = KVVec::from_elem(0xaa, bytes, GFP_KERNEL)?;
    buffer.write(0, &content)?;
    // CAST: `usize` is as wide.
    let (to, len) = (half as u64, bytes as u64);
    measure(c"kernel", bytes, 1, || {
        client
            .copy(&[Seg { addr: 0, len }], &[Seg { addr: to, len }])
            .map(|_| ())
    })?;
    content.as_mut_slice().fill(0);
    buffer.read(half, &mut content)?;
    if content.iter().all(|&byte| byte == 0xaa) {
        Ok(())
    } else {
        Err(EIO)
    }
}

/// Measures copies between pieces of memory that are mapped and unmapped each time.
fn list(dev: &Device<Bound>, client: &Client, bytes: usize, segments: usize) -> Result {
    let sizes = KVec::from_elem(bytes, segments, GFP_KERNEL)?;
    let mut src = Buffers::new(&sizes)?;
    for (value, buffer) in (1..).zip(src.iter_mut()) {
        // CAST: Only the low bits are used.
        buffer.fill(value as usize as u8);
    }
    let mut buffers = Some((src, Buffers::new(&sizes)?));
    measure(c"kernel-mapped", bytes, segments, || {
        let (src, dst) = buffers.take().ok_or(EIO)?;
        let src = src.map(dev, ToDevice)?;
        let dst = dst.map(dev, FromDevice)?;
        let (src, dst) = client.transfer(src, dst)?;
        buffers = Some((src.unmap(), dst.unmap()));
        Ok(())
    })?;
    let (src, dst) = buffers.ok_or(EIO)?;
    if src.iter().eq(dst.iter()) {
        Ok(())
    } else {
        Err(EIO)
    }
}

ferrodma::parameters!();
ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-bench" => zdma::attach,
    "ferrodma,bcm2835-bench" => bcm2835::attach,
});

struct Driver;

impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-bench";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<LocalModule>();

    fn parameters() -> &'static Parameters {
        &PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        Ok(Backing::Buffer(CoherentBuffer::new(dev, SZ_2M)?))
    }

    /// Runs the measurements.
    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        let Backing::Buffer(buffer) = backing else {
            return Err(EINVAL);
        };
        client.poll_small_jobs();
        let sizes = [64, SZ_4K, SZ_64K, SZ_1M];
        sizes
            .iter()
            .try_for_each(|&bytes| copy(buffer, client, bytes))?;
        sizes
            .iter()
            .try_for_each(|&bytes| list(dev, client, bytes, 1))?;
        [16, 256]
            .iter()
            .try_for_each(|&segments| list(dev, client, 64, segments))
    }
}

/// The meter, initialised from the first measurement to the last.
struct Meter;

impl Meter {
    fn new() -> Result<Self> {
        // SAFETY: The function is called once, when the module is loaded.
        to_result(unsafe { meter_init() })?;
        Ok(Self)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // SAFETY: `meter_init()` has succeeded.
        unsafe { meter_exit() };
    }
}

#[pin_data]
struct Module {
    #[pin]
    _driver: Registration<ferrodma::driver::pm::Adapter<Driver>>,
    _meter: Meter,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _meter: Meter::new()?,
            _driver <- Registration::new(c"ferrodma_bench", module),
        })
    }
}

module! {
    type: Module,
    name: "ferrodma_bench",
    authors: ["The ferrodma founders"],
    description: "Measures ferrodma in the kernel",
    license: "GPL",
}
