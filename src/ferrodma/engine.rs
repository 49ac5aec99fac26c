// SPDX-License-Identifier: GPL-2.0

//! What the core needs of a DMA controller.
//!
//! An engine knows registers and descriptors, and nothing of users, queues or time. Each has a
//! folder of its own below this module; the driver's match data picks one.

use kernel::{
    device::Bound,
    io::{
        mem::IoMem,
        poll::read_poll_timeout, //
    },
    platform,
    prelude::*,
    time::Delta, //
};

use crate::dma::{
    chain::DescriptorLayout,
    transfer::Transfer, //
};

pub mod bcm2835;
pub mod zdma;

/// What a controller can do.
#[derive(Clone, Copy)]
pub struct Caps {
    /// Its name in the log.
    pub name: &'static CStr,
    /// Its number in the user API, `FERRODMA_ENGINE_*`.
    pub id: u32,
    /// Width of its bus addresses in bits.
    pub address_bits: u32,
    /// Most bytes in one descriptor or register transfer.
    pub max_span: u64,
    /// Most bytes in one transfer, for instance what [`Engine::bytes_done`] can count.
    pub max_transfer: u64,
    /// Lengths must be multiples of this power of two, also those of the pieces of a list. Addresses
    /// may be any.
    pub alignment: u32,
    /// Whether it can fill one span with one byte value by itself. All else is copied from a pattern.
    pub fill: bool,
    /// Whether it interrupts when it meets an error. If not, that is found out at the time limit.
    pub fault_irq: bool,
    /// Its descriptors.
    pub layout: DescriptorLayout,
}

/// Numbers of descriptors in the chains of a transfer.
#[derive(Clone, Copy, Default)]
pub struct Descriptors {
    /// In [`Chains::src`](crate::dma::chain::Chains::src).
    pub src: usize,
    /// In [`Chains::dst`](crate::dma::chain::Chains::dst).
    pub dst: usize,
}

/// What an interrupt was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came from another device on the line.
    NotMine,
    /// It came from this engine, which has not finished what was started.
    Unfinished,
    /// What was started is finished; the hardware touches none of its memory any more.
    Done,
    /// The hardware has met an error, and may or may not have stopped.
    Fault,
}

/// In what state hardware was found when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiesced {
    /// Nothing was wrong.
    Clean,
    /// It had met an error, which no interrupt had told.
    Faulted,
}

/// A channel of a DMA controller.
///
/// # Safety
///
/// Implementors promise that the hardware touches memory named by a transfer only after
/// [`Engine::start`] was called with it, and not any more once [`Engine::acknowledge`] has said
/// [`Outcome::Done`] or [`Engine::quiesce`] has succeeded. The memory is reused then. What
/// [`Engine::encode`] is given is changed, and not taken away: it goes with the device.
pub unsafe trait Engine: Send + Sync {
    /// What it can do. Does not change.
    fn caps(&self) -> &Caps;

    /// How many descriptors `transfer` needs. None is the cheaper way where hardware has one.
    fn descriptors(&self, transfer: &Transfer) -> Descriptors;

    /// Writes the descriptors of `transfer`, for which there is room.
    fn encode(&self, transfer: &mut Transfer);

    /// Starts `transfer`. May be called from interrupt context.
    ///
    /// # Safety
    ///
    /// The hardware is idle, and no [`Engine::quiesce`] is under way. What the transfer's spans and
    /// chains name is the hardware's alone until it is done or has been stopped.
    unsafe fn start(&self, transfer: &Transfer);

    /// Takes note of an interrupt, and clears it. Called from interrupt context.
    fn acknowledge(&self) -> Outcome;

    /// Bytes of `transfer` that were written: it was the last to be started, and was stopped.
    fn bytes_done(&self, transfer: &Transfer) -> u64;

    /// Stops the hardware, drops what it has not done, and masks and clears its interrupts. May sleep.
    /// Works on idle hardware too.
    ///
    /// Hardware that cannot be stopped in the middle is waited for, for a time that suffices for
    /// `bytes`: what it was last started to move. The time limit is the engine's, and finite.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT: it does not stop, and may still access memory.
    fn quiesce(&self, bytes: u64) -> Result<Quiesced>;

    /// Writes all registers that [`Engine::start`] does not, which may be lost when the system is
    /// suspended, and unmasks the interrupts. Called after [`Engine::quiesce`] has succeeded, if the
    /// next transfer may be started then.
    fn restore(&self);
}

/// Sets up the engine of a device that is being probed: clocks, registers, a defined and idle
/// state, interrupts enabled in the controller. Logs why it fails, unless that is EPROBE_DEFER.
pub type Attach =
    for<'bound> fn(&'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>>;

/// The match data of a compatible: which engine the device is.
pub struct Compatible {
    /// Sets the engine up.
    pub attach: Attach,
}

/// Declares the table of compatibles of a driver, with the engine of each.
///
/// For a function there is one of each engine, `ferrodma,<controller>-<function>`.
///
/// # Examples
///
/// ```ignore
/// ferrodma::compatibles!(OF_TABLE, "coherent");
/// ferrodma::compatibles!(OF_TABLE, { "vendor,device" => zdma::attach });
/// ```
#[macro_export]
macro_rules! compatibles {
    ($table:ident, $function:literal) => {
        $crate::compatibles!($table, {
            concat!("ferrodma,zynqmp-", $function) => $crate::engine::zdma::attach,
            concat!("ferrodma,versal2-", $function) => $crate::engine::zdma::attach_versal2,
            concat!("ferrodma,bcm2835-", $function) => $crate::engine::bcm2835::attach,
        });
    };
    ($table:ident, { $($compatible:expr => $attach:expr),* $(,)? }) => {
        ::kernel::of_device_table!(
            $table,
            $crate::engine::Compatible,
            [$((
                ::kernel::of::DeviceId::new(::kernel::c_str!($compatible)),
                $crate::engine::Compatible { attach: $attach },
            )),*]
        );
    };
}

/// Maps the registers of `pdev`, or logs why that fails.
///
/// Not exclusively: 7.3 requests a region below the device's resource, which for a device of a device
/// tree is in no tree of resources, and so releases nothing; it would be busy for ever.
///
/// # Errors
///
/// ENXIO: there are none in the device tree. Those of the mapping.
fn map_registers<'bound, const SIZE: usize>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<IoMem<'bound, SIZE>> {
    pdev.io_request_by_index(0)
        .ok_or(ENXIO)
        .and_then(|request| request.iomap_sized::<SIZE>())
        .inspect_err(|error| {
            dev_err!(pdev.as_ref(), "failed to map the registers: {error:?}\n");
        })
}

/// Looks with `look` every `poll` until what it sees is `at_rest`, for `limit`, and then once more:
/// whoever polls may be kept from it for longer, and hardware is not to blame for that.
///
/// # Errors
///
/// ETIMEDOUT.
fn wait_for_rest<T>(
    mut look: impl FnMut() -> T,
    at_rest: impl Fn(&T) -> bool,
    poll: Delta,
    limit: Delta,
) -> Result {
    match read_poll_timeout(|| Ok(look()), &at_rest, poll, limit) {
        Err(error) if !at_rest(&look()) => Err(error),
        _ => Ok(()),
    }
}
