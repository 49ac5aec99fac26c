// SPDX-License-Identifier: GPL-2.0

//! The platform driver of a channel, except for the memory that its jobs work on.
//!
//! A leaf driver describes that memory in a [`ChannelDriver`], and declares itself with
//! [`module_channel_driver!`](crate::module_channel_driver!). This module does the rest: DMA mask,
//! interrupt, channel, self-test, character device, and their removal in reverse order.

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
    sync::Arc,
    types::ScopeGuard,
    ThisModule, //
};

use self::parameters::Parameters;
use crate::{
    channel::{
        Channel,
        MAX_SEGMENTS,
        QUEUE_DEPTH, //
    },
    chardev::{
        mmap,
        number::Number,
        Operations,
        Registration, //
    },
    client::Client,
    dma::{
        chain::DESCRIPTORS_PER_BLOCK,
        pool::{
            BlockLayout,
            DmaPool, //
        }, //
    },
    engine::{
        Attach,
        Compatible, //
    },
    hardware::Hardware,
    memory::Backing,
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

/// Default of the device tree's `ferrodma,max-timeout-ms`, and the highest value.
const DEFAULT_MAX_TIMEOUT_MS: u32 = 10_000;
const LONGEST_TIMEOUT_MS: u32 = 3_600_000;

/// A driver of channels: the memory that their jobs work on, and their self-test.
pub trait ChannelDriver: 'static {
    /// Name of its devices without their number: `ferrodma-<function>`.
    const STEM: &'static CStr;
    /// Table of compatibles; [`compatibles!`](crate::compatibles!) declares that of a function.
    const OF_TABLE: of::IdTable<Compatible>;
    /// Module of the driver.
    const MODULE: &'static ThisModule;
    /// Returns the parameters of the module; [`parameters!`](crate::parameters!) declares them.
    fn parameters() -> &'static Parameters;

    /// Allocates the memory that the jobs of a device work on.
    ///
    /// # Errors
    ///
    /// EINVAL: a property in the device tree is out of range. ENOMEM.
    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>>;

    /// Moves known bytes with the engine of `dev`, and checks that they have arrived. `backing` is
    /// the result of [`ChannelDriver::backing`].
    ///
    /// # Errors
    ///
    /// EIO: the bytes differ. Those of [`Client::copy`] and [`Client::transfer`].
    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result;
}

/// [`ChannelDriver::backing`] and [`ChannelDriver::self_test`], for code that is not generic: what
/// is generic here is compiled into each driver module.
type MakeBacking = for<'bound> fn(&'bound Device<Bound>) -> Result<Backing<'bound>>;
type SelfTest = for<'bound> fn(&'bound Device<Bound>, &Client, &Backing<'bound>) -> Result;

/// The platform driver of a [`ChannelDriver`].
pub struct Driver<D>(PhantomData<D>);

impl<D: ChannelDriver> Driver<D> {
    const OPERATIONS: &'static Operations = &Operations::new(D::MODULE);
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
            let parameters = D::parameters();
            let self_test = parameters.selftest().then_some(D::self_test as SelfTest);
            let parts = Parts::new(pdev, attach, number.name(), parameters, D::backing)?;
            BoundChannel::new(pdev, parts, number, Self::OPERATIONS, self_test)
        })
    }

    fn unbind<'bound>(_pdev: &'bound platform::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        this.open.shut();
    }
}

/// The parts of a channel before its gate is opened.
struct Parts<'bound> {
    channel: Arc<Channel>,
    hw: Arc<Hardware<'bound>>,
    backing: Backing<'bound>,
    /// Frees the device's memory in the channel if the probe fails: the window's file may keep the
    /// channel alive for longer.
    undo: ScopeGuard<Arc<Channel>, fn(Arc<Channel>)>,
}

impl<'bound> Parts<'bound> {
    fn new(
        pdev: &'bound platform::Device<Core<'_>>,
        attach: Attach,
        name: &CStr,
        parameters: &'static Parameters,
        make_backing: MakeBacking,
    ) -> Result<Self> {
        let dev: &'bound Device<Bound> = pdev.as_ref();
        let engine = attach(pdev)?;
        let caps = engine.caps();
        let mask = DmaMask::try_new(caps.address_bits)?;
        // SAFETY: No memory of this device is allocated or mapped for DMA yet.
        unsafe { pdev.dma_set_mask_and_coherent(mask) }.inspect_err(|error| {
            let bits = caps.address_bits;
            dev_err!(dev, "failed to set a {bits}-bit DMA mask: {error:?}\n");
        })?;
        // Any length will do, as longer entries are split into descriptors later.
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

        let backing = make_backing(dev)?;
        if !backing.is_of(dev) {
            return Err(EINVAL);
        }
        let (mut max_segments, mut block_size) = (MAX_SEGMENTS, 0);
        let (mut buffer_size, mut address_alignment) = (0, 1);
        let max_job_bytes = match &backing {
            // CAST: `usize` is as wide, here and below.
            Backing::Buffer(buffer) => {
                buffer_size = buffer.len() as u64;
                buffer_size
            }
            Backing::Pages { max_job_bytes } => {
                // Such memory may be split at the end of each page, and both pieces must be
                // aligned.
                address_alignment = caps.alignment;
                *max_job_bytes
            }
            Backing::Blocks(blocks) => {
                max_segments = MAX_SEGMENTS.min(blocks.total() / 2);
                block_size = blocks.block_size();
                (block_size * max_segments) as u64
            }
        }
        .min(caps.max_transfer);
        let info = Info {
            function: backing.function(),
            engine: caps.id,
            flags: if caps.fault_irq {
                uapi::INFO_FAULT_IRQ
            } else {
                0
            },
            buffer_size,
            max_job_bytes,
            max_timeout_ns: u64::from(max_timeout) * 1_000_000,
            // CAST: Small numbers, here and below.
            block_size: block_size as u32,
            max_segments: max_segments as u32,
            alignment: caps.alignment,
            address_bits: caps.address_bits,
            queue_depth: QUEUE_DEPTH as u32,
            address_alignment,
            version: uapi::VERSION,
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
        let descriptors = DmaPool::new(dev, c"ferrodma descriptors", layout)?;
        let layout = BlockLayout {
            size: PAGE_SIZE,
            align: PAGE_SIZE,
            boundary: 0,
        };
        let patterns = DmaPool::new(dev, c"ferrodma patterns", layout)?;
        let max_entry = raw::max_mapping_size(dev);
        let timeout_ns = u64::from(timeout) * 1_000_000;
        // SAFETY: The channel drains the blocks in `Channel::shut`, before the device is unbound.
        // If the probe fails before, `undo` drains them. Jobs hold the blocks that are taken, and
        // `shut` waits until none is mapped; a job that is not unmapped is leaked.
        let staging = unsafe { backing.staging(max_entry) };
        let channel = Channel::new(info, timeout_ns, staging)?;
        let undo: ScopeGuard<_, fn(Arc<Channel>)> =
            ScopeGuard::new_with_data(channel.clone(), |channel| channel.free_device_memory());
        let window = mmap::window(&channel, name)?;
        let hw = Arc::new(
            Hardware {
                dev,
                name: name.to_cstring()?,
                caps: *engine.caps(),
                engine,
                poll_bytes: parameters.poll_bytes(),
                window,
                buffer: backing.buffer().cloned(),
                descriptors,
                patterns,
            },
            GFP_KERNEL,
        )?;
        Ok(Self {
            channel,
            hw,
            backing,
            undo,
        })
    }
}

/// Returns a property of the device's node, or `default` if the node does not have it.
pub fn property_u32(dev: &Device<Bound>, name: &CStr, default: u32) -> u32 {
    dev.fwnode()
        .map_or(default, |node| node.property_read(name).or(default))
}

/// Returns a property that is a time limit in milliseconds, or `default` if the node does not have
/// it.
///
/// # Errors
///
/// EINVAL: the property is zero, or more than `most`.
fn property_ms(dev: &Device<Bound>, name: &CStr, default: u32, most: u32) -> Result<u32> {
    let ms = property_u32(dev, name, default);
    if (1..=most).contains(&ms) {
        return Ok(ms);
    }
    dev_err!(dev, "{name} is {ms}, and not between 1 and {most}\n");
    Err(EINVAL)
}

/// The interrupt handler of a channel.
struct Handler<'bound> {
    channel: Arc<Channel>,
    hw: Arc<Hardware<'bound>>,
}

impl irq::Handler for Handler<'_> {
    fn handle(&self) -> IrqReturn {
        self.channel.interrupt(&self.hw)
    }
}

/// A channel whose gate is open until this is dropped.
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
        // SAFETY: `drop` closes the gate, and `self.hw` keeps `hw` alive until then.
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

/// The data of a bound device of a [`Driver`].
///
/// Dropped in the order of the fields: the node is deregistered, so that no file is opened any
/// more; hardware is stopped, and all users leave the gate; the interrupt is freed, which waits for
/// its handler. That drops the last reference to the hardware, with its mappings, descriptors and
/// memory.
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
    /// Calls `hook`, a power callback of [`Channel`], for this device.
    pub(crate) fn power(&self, hook: fn(&Channel, &Hardware<'_>)) {
        hook(&self.open.channel, &self.open.hw);
    }

    fn new(
        pdev: &'bound platform::Device<Core<'_>>,
        parts: Parts<'bound>,
        number: Number,
        operations: &'static Operations,
        self_test: Option<SelfTest>,
    ) -> Result<impl PinInit<Self, Error> + 'bound> {
        let dev: &'bound Device<Bound> = pdev.as_ref();
        let irq = pdev.irq_by_index(0)?;
        let Parts {
            channel,
            hw,
            backing,
            undo,
        } = parts;
        let handler = Handler {
            channel: channel.clone(),
            hw: hw.clone(),
        };
        // SAFETY: The string is never changed. It is a part of the hardware, to which the handler
        // holds a reference. The handler is dropped after free_irq(), the last user of the name.
        let irq_name: &'static CStr = unsafe { CStr::from_char_ptr(hw.name.as_char_ptr()) };
        let (debugfs_root, debugfs_name) = (debugfs::root(), debugfs::name_of(dev)?);
        // If a step fails, those before it are undone in reverse order.
        Ok(try_pin_init!(Self {
            // SAFETY: The registration is dropped with this structure, which the driver core owns.
            _irq <- unsafe {
                irq::Registration::new(irq, irq::Flags::SHARED, irq_name, Ok(handler))
            },
            // SAFETY: As above.
            open: unsafe { Open::new(&channel, &hw) },
            _: {
                // From here on `Open::shut` does the same.
                undo.dismiss();
                if let Some(self_test) = self_test {
                    run_self_test(self_test, dev, &channel, &hw, &backing)?;
                }
                // The self-test tests the interrupt too, so polling starts after it.
                channel.state.lock().polls = true;
            },
            _debugfs <- debugfs::show(&debugfs_root, &debugfs_name, channel.clone()),
            registration: Registration::new(dev, &channel, number, operations)?,
            _: {
                dev_info!(
                    dev,
                    "{}: {}, reaches {} bits of memory, /dev/{}\n",
                    hw.engine.caps().name,
                    if self_test.is_some() { "self-test passed" } else { "not tested" },
                    raw::memory_bits(dev).min(hw.engine.caps().address_bits),
                    registration.name()
                );
            },
        }))
    }
}

/// Runs the driver's self-test.
fn run_self_test<'bound>(
    self_test: SelfTest,
    dev: &'bound Device<Bound>,
    channel: &Arc<Channel>,
    hw: &Hardware<'bound>,
    backing: &Backing<'bound>,
) -> Result {
    let client = Client::new(channel)?;
    self_test(dev, &client, backing).map_err(|error| {
        // Lack of memory is no fault of the hardware.
        if error == ENOMEM {
            return error;
        }
        dev_err!(
            dev,
            "{}: self-test failed: {error:?}\n",
            hw.engine.caps().name
        );
        EIO
    })
}
