// SPDX-License-Identifier: GPL-2.0

//! A platform driver, save for what an address in a job means.
//!
//! A driver module says that in a [`Function`], describes itself in a [`ChannelDriver`], and hands
//! [`Driver`] to the platform bus. The rest is here, once: DMA mask, interrupt, channel, proof,
//! character device, and all of it in reverse.

use core::marker::PhantomData;

use kernel::{
    device::{
        Bound,
        Core,
        Device, //
    },
    dma::{
        Device as _,
        DmaMask, //
    },
    irq::{
        self,
        IrqReturn, //
    },
    of,
    page::PAGE_SIZE,
    platform,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
    ThisModule, //
};

use crate::{
    channel::{
        Channel,
        MAX_SEGMENTS,
        QUEUE_DEPTH, //
    },
    chardev::{
        mmap::Window,
        number::Number,
        Operations,
        OperationsOf,
        Owner,
        Registration, //
    },
    client::Client,
    dma::{
        chain::DESCRIPTORS_PER_BLOCK,
        coherent::CoherentBuffer,
        pool::{
            BlockLayout,
            Pool, //
        }, //
    },
    engine::{
        Attach,
        Caps, //
    },
    hardware::Hardware,
    memory::blocks::Stock,
    raw,
    uapi::{
        self,
        Info, //
    }, //
};

pub(crate) mod debugfs;
pub mod parameters;
pub mod pm;

/// Default of the device tree's `ferrodma,timeout-ms`.
const DEFAULT_TIMEOUT_MS: u32 = 1000;

/// Default of the device tree's `ferrodma,max-timeout-ms`, and the longest that it may be.
const DEFAULT_MAX_TIMEOUT_MS: u32 = 10_000;
const LONGEST_TIMEOUT_MS: u32 = 3_600_000;

/// What the addresses in a job are. The numbers are those of the user API, `FERRODMA_FUNCTION_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Addresses {
    /// Byte offsets into the buffer of the function.
    BufferOffsets = uapi::FUNCTION_COHERENT,
    /// Virtual addresses of the program that submits the job. Its memory is used where it is.
    UserMemory = uapi::FUNCTION_SG,
    /// The same, and what is there is copied through blocks of the function's [`Stock`].
    CopiedMemory = uapi::FUNCTION_POOL,
}

/// What a channel is for.
pub trait Function: Send + Sync {
    /// The buffer that user space may map, if there is one.
    fn buffer(&self) -> Option<&Arc<CoherentBuffer<'_>>> {
        None
    }

    /// Has the engine move known bytes, and looks whether they have arrived. `dev` is the channel's
    /// device.
    ///
    /// # Errors
    ///
    /// EIO: they have not. Those of [`Client::copy`] and [`Client::transfer`].
    fn prove(&self, dev: &Device<Bound>, client: &Client) -> Result;
}

/// What a function offers to users.
#[derive(Default)]
pub struct Shape<'bound> {
    /// Bytes that can be mapped; 0 if there is no buffer.
    pub buffer_size: u64,
    /// Most bytes in one job, unless the blocks set that limit.
    pub max_job_bytes: u64,
    /// Blocks for [`Addresses::CopiedMemory`].
    pub stock: Option<Arc<Stock<'bound>>>,
}

/// The match data of a compatible: which engine the device is.
pub struct Compatible {
    /// Sets the engine up.
    pub attach: Attach,
}

/// What the helper must know of a driver module.
pub trait ChannelDriver: 'static {
    /// Names of its devices without their numbers: `ferrodma-<function>`.
    const STEM: &'static CStr;
    /// What the addresses in a job are.
    const ADDRESSES: Addresses;
    /// The compatibles that it binds to.
    const OF_TABLE: of::IdTable<Compatible>;
    /// The module that holds the driver.
    const MODULE: &'static ThisModule;

    /// Sets up the function of a device. `caps` says what its engine can do.
    ///
    /// # Errors
    ///
    /// EINVAL: a property in the device tree is out of range. ENOMEM.
    fn function<'bound>(
        dev: &'bound Device<Bound>,
        caps: &Caps,
    ) -> Result<(KBox<dyn Function + 'bound>, Shape<'bound>)>;

    /// Whether channels are to be proved before they are offered.
    fn selftest() -> bool;

    /// Returns up to how many bytes a job may have to be polled, which may change at any time.
    fn poll_bytes() -> &'static Atomic<u32>;
}

/// The platform driver of a [`ChannelDriver`].
pub struct Driver<D>(PhantomData<D>);

/// The owner of the file operations of a [`ChannelDriver`].
struct OwnerOf<D>(PhantomData<D>);

impl<D: ChannelDriver> Owner for OwnerOf<D> {
    const MODULE: &'static ThisModule = D::MODULE;
}

impl<D: ChannelDriver> platform::Driver for Driver<D> {
    type IdInfo = Compatible;
    type Data<'bound> = BoundChannel<'bound>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(D::OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let attach = info.ok_or(ENODEV)?.attach;
            let number = Number::take(pdev.as_ref(), D::STEM)?;
            let parts = Parts::new::<D>(pdev, attach, number.name())?;
            BoundChannel::new(
                pdev,
                parts,
                number,
                OperationsOf::<OwnerOf<D>>::get(),
                D::selftest(),
            )
        })
    }

    fn unbind<'bound>(_pdev: &'bound platform::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        this.open.shut();
    }
}

/// The parts of a channel, before it is offered to anyone.
struct Parts<'bound> {
    channel: Arc<Channel>,
    hw: Arc<Hardware<'bound>>,
}

impl<'bound> Parts<'bound> {
    fn new<D: ChannelDriver>(
        pdev: &'bound platform::Device<Core<'_>>,
        attach: Attach,
        name: &CStr,
    ) -> Result<Self> {
        let dev: &'bound Device<Bound> = pdev.as_ref();
        let engine = attach(pdev)?;
        let caps = engine.caps();
        let mask = DmaMask::try_new(caps.address_bits)?;
        // SAFETY: Nothing of this device is allocated or mapped for DMA yet.
        unsafe { pdev.dma_set_mask_and_coherent(mask) }.inspect_err(|error| {
            let bits = caps.address_bits;
            dev_err!(
                dev,
                "{bits} bits of address do not reach the memory: {error:?}\n"
            );
        })?;
        // Whatever is too long for one descriptor is cut later.
        // SAFETY: As above.
        unsafe {
            pdev.dma_set_max_seg_size(u32::MAX);
            raw::set_no_segment_boundary(dev);
        }

        let max_timeout = property_ms(
            dev,
            c"ferrodma,max-timeout-ms",
            DEFAULT_MAX_TIMEOUT_MS,
            LONGEST_TIMEOUT_MS,
        )?;
        let timeout = property_ms(
            dev,
            c"ferrodma,timeout-ms",
            DEFAULT_TIMEOUT_MS.min(max_timeout),
            max_timeout,
        )?;

        let (function, shape) = D::function(dev, caps)?;
        if shape.stock.as_ref().is_some_and(|stock| !stock.is_of(dev)) {
            return Err(EINVAL);
        }
        let max_segments = shape
            .stock
            .as_ref()
            .map_or(MAX_SEGMENTS, |stock| MAX_SEGMENTS.min(stock.total() / 2));
        let block_size = shape.stock.as_ref().map_or(0, |stock| stock.block_size());
        let max_job_bytes = match block_size {
            0 => shape.max_job_bytes,
            // CAST: At most 256 pages.
            size => (size * max_segments) as u64,
        }
        .min(caps.max_transfer);
        // Memory of a program may be cut at the end of each page, and what is left on both sides is to
        // be aligned.
        let address_alignment = match D::ADDRESSES {
            Addresses::UserMemory => caps.alignment,
            Addresses::BufferOffsets | Addresses::CopiedMemory => 1,
        };
        let info = Info {
            function: D::ADDRESSES as u32,
            engine: caps.id,
            flags: if caps.fault_irq {
                uapi::INFO_FILL | uapi::INFO_FAULT_IRQ
            } else {
                uapi::INFO_FILL
            },
            buffer_size: shape.buffer_size,
            max_job_bytes,
            max_timeout_ns: u64::from(max_timeout) * 1_000_000,
            // CAST: Small numbers, here and below.
            block_size: block_size as u32,
            max_segments: max_segments as u32,
            alignment: caps.alignment,
            address_bits: caps.address_bits,
            queue_depth: QUEUE_DEPTH as u32,
            address_alignment,
            ..Info::default()
        };
        let layout = caps.layout;
        let size = layout
            .size
            .checked_mul(DESCRIPTORS_PER_BLOCK)
            .ok_or(EINVAL)?;
        let layout = BlockLayout {
            size,
            align: layout.align,
            boundary: 0,
        };
        let descriptors = Pool::new(dev, c"ferrodma descriptors", layout)?;
        let layout = BlockLayout {
            size: PAGE_SIZE,
            align: PAGE_SIZE,
            boundary: 0,
        };
        let patterns = Pool::new(dev, c"ferrodma patterns", layout)?;
        let max_entry = raw::max_mapping_size(dev);
        let timeout_ns = u64::from(timeout) * 1_000_000;
        // SAFETY: The channel drains it when it is shut, before the device is unbound; where it
        // does not come to that, it is dropped in probe.
        let stock = shape.stock.map(|stock| unsafe { Stock::unbounded(stock) });
        let channel = Channel::new(info, timeout_ns, D::ADDRESSES, max_entry, stock)?;
        let window = Window::new(&channel, name)?;
        let hw = Arc::new(
            Hardware {
                dev,
                name: name.to_cstring()?,
                caps: *engine.caps(),
                engine,
                poll_bytes: D::poll_bytes(),
                window,
                function,
                descriptors,
                patterns,
            },
            GFP_KERNEL,
        )?;
        Ok(Self { channel, hw })
    }
}

/// A property of the device's node, or `default` where there is none.
pub fn property_u32(dev: &Device<Bound>, name: &CStr, default: u32) -> u32 {
    dev.fwnode()
        .map_or(default, |node| node.property_read(name).or(default))
}

/// A property that is a time limit in milliseconds, or `default` where there is none.
///
/// # Errors
///
/// EINVAL: it is zero, or more than `most`.
fn property_ms(dev: &Device<Bound>, name: &CStr, default: u32, most: u32) -> Result<u32> {
    let ms = property_u32(dev, name, default);
    if (1..=most).contains(&ms) {
        return Ok(ms);
    }
    dev_err!(dev, "{name} is {ms}, and not between 1 and {most}\n");
    Err(EINVAL)
}

/// Calls the channel when its interrupt comes.
struct Handler<'bound> {
    channel: Arc<Channel>,
    hw: Arc<Hardware<'bound>>,
}

impl irq::Handler for Handler<'_> {
    fn handle(&self) -> IrqReturn {
        self.channel.interrupt(&self.hw)
    }
}

/// A channel whose gate is open, until it is dropped.
struct Open<'bound> {
    channel: Arc<Channel>,
    hw: Arc<Hardware<'bound>>,
}

impl<'bound> Open<'bound> {
    /// Opens the gate.
    ///
    /// # Safety
    ///
    /// The result must be dropped, not leaked.
    unsafe fn new(channel: &Arc<Channel>, hw: &Arc<Hardware<'bound>>) -> Self {
        // SAFETY: `drop` closes it, and holds a reference to `hw` until then.
        unsafe { channel.gate.open(hw) };
        Self {
            channel: channel.clone(),
            hw: hw.clone(),
        }
    }

    /// Stops hardware and closes the gate for good.
    fn shut(&self) {
        self.channel.shut(&self.hw);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shut();
    }
}

/// What a device of a [`Driver`] holds while it is bound.
///
/// Dropped in the order of the fields: nothing new is opened; hardware is stopped and all users are
/// out; the interrupt is freed, which waits for its handler; and with that the last reference to
/// the hardware goes, its mappings, descriptors and memory.
#[pin_data]
pub struct BoundChannel<'bound> {
    registration: Registration,
    #[pin]
    _debugfs: debugfs::Shown,
    open: Open<'bound>,
    #[pin]
    _irq: irq::Registration<'bound, Handler<'bound>>,
}

impl<'bound> BoundChannel<'bound> {
    /// Calls a hook of [`channel/power.rs`](Channel).
    pub(crate) fn power(&self, hook: fn(&Channel, &Hardware<'_>)) {
        hook(&self.open.channel, &self.open.hw);
    }

    fn new(
        pdev: &'bound platform::Device<Core<'_>>,
        parts: Parts<'bound>,
        number: Number,
        operations: &'static Operations,
        selftest: bool,
    ) -> Result<impl PinInit<Self, Error> + 'bound> {
        let dev: &'bound Device<Bound> = pdev.as_ref();
        let irq = pdev.irq_by_index(0)?;
        let Parts { channel, hw } = parts;
        let handler = Handler {
            channel: channel.clone(),
            hw: hw.clone(),
        };
        // SAFETY: The string is never changed. The handler holds the hardware that it is a part of,
        // and is dropped when the interrupt has been freed; free_irq() is the last user of the name.
        let irq_name: &'static CStr = unsafe { CStr::from_char_ptr(hw.name.as_char_ptr()) };
        let (debugfs_root, debugfs_name) = (debugfs::root(), debugfs::name_of(dev)?);
        // What fails is undone in reverse order.
        Ok(try_pin_init!(Self {
            // SAFETY: The registration is dropped with this structure, which the driver core owns.
            _irq <- unsafe {
                irq::Registration::new(irq, irq::Flags::SHARED, irq_name, Ok(handler))
            },
            // SAFETY: As above.
            open: unsafe { Open::new(&channel, &hw) },
            _: {
                if selftest {
                    prove(dev, &channel, &hw)?;
                }
                // The proof is one of the interrupt as well.
                channel.state.lock().polls = true;
            },
            _debugfs <- debugfs::show(&debugfs_root, &debugfs_name, channel.clone()),
            registration: Registration::new(dev, &channel, number, operations)?,
            _: {
                dev_info!(
                    dev,
                    "{}: {}, reaches {} bits of memory, /dev/{}\n",
                    hw.engine.caps().name,
                    if selftest { "proved" } else { "not proved" },
                    raw::memory_bits(dev).min(hw.engine.caps().address_bits),
                    registration.name()
                );
            },
        }))
    }
}

/// Jobs that are small enough to be polled: an engine that moves a gigabyte in a second does as much
/// before an interrupt has been taken.
pub const POLL_BYTES: u32 = 4096;

/// Has the function prove the channel.
fn prove(dev: &Device<Bound>, channel: &Arc<Channel>, hw: &Hardware<'_>) -> Result {
    let client = Client::new(channel)?;
    hw.function.prove(dev, &client).map_err(|error| {
        // Says nothing of the hardware.
        if error == ENOMEM {
            return error;
        }
        dev_err!(
            dev,
            "{} does not move bytes as it should: {error:?}\n",
            hw.engine.caps().name
        );
        EIO
    })
}
