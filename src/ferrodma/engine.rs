// SPDX-License-Identifier: GPL-2.0

//! The interface between the core and a DMA controller.
//!
//! An engine knows registers and descriptors, but not users, queues or time limits. Each engine has
//! a file in the folder of this module; the driver's match data selects one.

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

/// The capabilities of a controller.
#[derive(Clone, Copy)]
pub struct Caps {
    /// Name for the log.
    pub name: &'static CStr,
    /// Number in the user API, `FERRODMA_ENGINE_*`.
    pub id: u32,
    /// Width of bus addresses in bits.
    pub address_bits: u32,
    /// Most bytes in one descriptor or register transfer.
    pub max_span: u64,
    /// Most bytes in one transfer, for instance as many as [`Engine::bytes_done`] can count.
    pub max_transfer: u64,
    /// A power of two of which all lengths must be multiples, those of the pieces of a list
    /// included. Addresses are not restricted.
    pub alignment: u32,
    /// Whether the controller can fill one span with a byte value. All other fills are copies of a
    /// pattern.
    pub fill: bool,
    /// Whether the controller interrupts when it meets an error. If not, the job ends at its time
    /// limit.
    pub fault_irq: bool,
    /// Layout of the descriptors.
    pub layout: DescriptorLayout,
}

/// Numbers of descriptors in the chains of a transfer.
#[derive(Clone, Copy, Default)]
pub struct Descriptors {
    /// Descriptors in [`Chains::src`](crate::dma::chain::Chains::src).
    pub src: usize,
    /// Descriptors in [`Chains::dst`](crate::dma::chain::Chains::dst).
    pub dst: usize,
}

/// The cause of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another device on the same interrupt line.
    NotMine,
    /// This engine, which has not finished the transfer.
    Unfinished,
    /// This engine has finished the transfer; hardware does not access the memory of the transfer
    /// any more.
    Done,
    /// Hardware has met an error, and may or may not have stopped.
    Fault,
}

/// The state in which hardware was found when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiesced {
    /// No error was found.
    Clean,
    /// Hardware had met an error that no interrupt has reported.
    Faulted,
}

/// A channel of a DMA controller.
///
/// # Safety
///
/// Implementors promise that hardware accesses the memory named by a transfer only after
/// [`Engine::start`] was called for it, and not any more once [`Engine::acknowledge`] has returned
/// [`Outcome::Done`] or [`Engine::quiesce`] has succeeded: the memory is reused then.
/// [`Engine::encode`] changes the chains that it is given, but does not take them out of the
/// transfer: they must be freed while the device is bound.
pub unsafe trait Engine: Send + Sync {
    /// Returns the capabilities, which do not change.
    fn caps(&self) -> &Caps;

    /// Returns how many descriptors `transfer` needs. Zero means that registers suffice, which is
    /// cheaper.
    fn descriptors(&self, transfer: &Transfer) -> Descriptors;

    /// Writes the descriptors of `transfer`, whose chains have memory for them.
    fn encode(&self, transfer: &mut Transfer);

    /// Starts `transfer`. May be called from interrupt context.
    ///
    /// # Safety
    ///
    /// The hardware is idle, and no [`Engine::quiesce`] is under way. Only hardware uses the memory
    /// that the spans and chains of the transfer name, until it is done or was stopped.
    unsafe fn start(&self, transfer: &Transfer);

    /// Reads and clears the interrupt status. Called from interrupt context.
    fn acknowledge(&self) -> Outcome;

    /// Returns how many bytes of `transfer` were written. It was the last transfer to be started,
    /// and was stopped.
    fn bytes_done(&self, transfer: &Transfer) -> u64;

    /// Stops the hardware, drops the rest of its transfer, and masks and clears its interrupts. May
    /// sleep. Works on idle hardware too.
    ///
    /// If hardware cannot be stopped during a transfer, this waits for the end of the transfer,
    /// long enough for `bytes`, the length of the last transfer started. The engine sets the time
    /// limit, which is finite.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT: it does not stop, and may still access memory.
    fn quiesce(&self, bytes: u64) -> Result<Quiesced>;

    /// Writes all registers that [`Engine::start`] does not write, as suspend may lose their
    /// contents, and unmasks the interrupts. Called after [`Engine::quiesce`] has succeeded, before
    /// the next transfer is started.
    fn restore(&self);
}

/// Sets up the engine of a device that is being probed: enables clocks, maps registers, stops the
/// hardware and unmasks its interrupts. Logs an error, unless it is EPROBE_DEFER.
pub type Attach =
    for<'bound> fn(&'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>>;

/// The match data of a compatible: the engine of the device.
pub struct Compatible {
    /// Function that sets up the engine.
    pub attach: Attach,
}

/// Declares the table of compatibles of a driver, with the engine of each.
///
/// Given the name of a function, such as `"coherent"`, the table has a compatible for each engine,
/// `ferrodma,<controller>-<function>`.
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
/// Not exclusively: 7.3 requests a region below the device's resource. The resource of a device
/// from a device tree is not in the resource tree, so releasing that region has no effect, and it
/// would stay busy for ever.
///
/// # Errors
///
/// ENXIO: the device tree names no registers. Those of the mapping.
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

/// Calls `look` every `poll` until its result is `is_idle`, for up to `limit`. Then calls it once
/// more: the polling task itself may have been preempted for longer than the limit.
///
/// # Errors
///
/// ETIMEDOUT.
fn wait_until_idle<T>(
    mut look: impl FnMut() -> T,
    is_idle: impl Fn(&T) -> bool,
    poll: Delta,
    limit: Delta,
) -> Result {
    match read_poll_timeout(|| Ok(look()), &is_idle, poll, limit) {
        Err(error) if !is_idle(&look()) => Err(error),
        _ => Ok(()),
    }
}
