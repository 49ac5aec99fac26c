// SPDX-License-Identifier: GPL-2.0

//! BCM2835 DMA: the controller of Raspberry Pi 1 to 4, Zero and Zero 2 W.
//!
//! Source: "BCM2835 ARM Peripherals", chapter 4, with its errata; `drivers/dma/bcm2835-dma.c` for
//! requirements of the hardware that these do not mention. A controller has several channels, most
//! of which the kernel's driver uses; here each channel is a device of its own.
//!
//! A transfer is a list of control blocks in memory, each with a source, a destination and a
//! length. Addresses need no alignment. The bus is 32 bits wide; its addresses differ from those of
//! the CPU, and the DMA API translates them (`dma-ranges`).
//!
//! # Lengths
//!
//! Hardware moves any number of bytes. QEMU's model counts down in steps of 4, and misses the end
//! of a length that is no multiple of 4. Such a piece could be split in two that overlap, but
//! splitting source and destination lists at each other's boundaries gives pieces of less than four
//! bytes too, which cannot be split. So lengths must be multiples of 4, on hardware as well.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        Io, //
    },
    platform,
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    },
    time::Delta, //
};

use crate::{
    dma::{
        chain::DescriptorLayout,
        transfer::{
            Pairs,
            Transfer, //
        }, //
    },
    engine::{
        map_registers,
        wait_until_idle,
        Caps,
        Descriptors,
        Engine,
        Outcome,
        Quiesced, //
    },
    raw,
    uapi, //
};

mod regs;

/// Bytes of a channel's register block that this driver uses.
const REGS_SIZE: usize = 0x24;

/// TIMEOUT: A paused channel waits for writes that are under way, one burst at most. The kernel's
/// driver waits for 10,000 reads of a register, and then resets the channel in any case. A reset
/// channel is idle at once.
const QUIESCE_LIMIT: Delta = Delta::from_millis(10);
const QUIESCE_POLL: Delta = Delta::from_micros(20);

/// Limit of a full channel, whose length field has 30 bits; less a page, so that the pieces of a
/// long span are aligned as well as its start.
const MAX_SPAN: u64 = (1 << 30) - 4096;

/// Limit of a lite channel, whose length field has 16 bits.
const MAX_LITE_SPAN: u64 = (1 << 16) - 4096;

static CAPS: Caps = Caps {
    name: c"bcm2835",
    id: uapi::ENGINE_BCM2835,
    address_bits: 32,
    max_span: MAX_SPAN,
    // All that 32-bit addresses reach.
    max_transfer: u32::MAX as u64 & !3,
    alignment: 4,
    fill: false,
    // The data sheet says that a read error interrupts, but no test has seen that yet.
    fault_irq: false,
    layout: DescriptorLayout {
        size: size_of::<ControlBlock>(),
        align: size_of::<ControlBlock>(),
    },
};

static LITE_CAPS: Caps = Caps {
    name: c"bcm2835 lite",
    max_span: MAX_LITE_SPAN,
    ..CAPS
};

/// A control block (section 4.2.1.1), little-endian.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct ControlBlock {
    /// Flags.
    transfer_information: u32,
    source: u32,
    destination: u32,
    /// Length in bytes.
    length: u32,
    /// Strides of a two-dimensional transfer.
    stride: u32,
    /// Bus address of the next control block; 0 in the last.
    next: u32,
    _reserved: [u32; 2],
}

const _: () = assert!(size_of::<ControlBlock>() == 32);

impl ControlBlock {
    /// Raises an interrupt at the end of the control block.
    const INTERRUPT: u32 = 1 << 0;
    /// Waits for each write to be acknowledged.
    const WAIT_FOR_RESPONSE: u32 = 1 << 3;
    /// Increments the destination address, and the source address.
    const DESTINATION_INCREMENTS: u32 = 1 << 4;
    const SOURCE_INCREMENTS: u32 = 1 << 8;
}

/// A channel of the controller.
pub struct Bcm2835<'bound> {
    dev: &'bound Device<Bound>,
    io: IoMem<'bound, REGS_SIZE>,
    caps: &'static Caps,
    /// Bus addresses of the control block and of the next write when the channel was last stopped.
    stopped_at: Atomic<u32>,
    stopped_dst: Atomic<u32>,
}

impl<'bound> Bcm2835<'bound> {
    /// Sets up the channel of `pdev`.
    ///
    /// # Errors
    ///
    /// ENXIO: the device tree names no registers. EBUSY: the kernel's driver has the channel, or it
    /// is active. ENODEV: it is one of the 40-bit channels of BCM2711, whose registers differ.
    /// ETIMEDOUT: it does not stop.
    pub fn new(pdev: &'bound platform::Device<Bound>) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        // The kernel's driver has requested the registers of the whole controller, so they cannot
        // be requested here. It does not use the channels that `brcm,dma-channel-mask` omits.
        let io = map_registers::<REGS_SIZE>(pdev)?;
        let start = pdev.resource_by_index(0).ok_or(ENXIO)?.start();
        raw::bcm2835_channel(start).inspect_err(|error| {
            if *error == EBUSY {
                dev_err!(
                    dev,
                    "brcm,dma-channel-mask leaves this channel to the kernel's own driver\n"
                );
            } else {
                dev_err!(dev, "this is a 40-bit channel, which is not supported\n");
            }
        })?;
        // ACTIVE alone is not enough: it stays set in a channel without a control block.
        let at = io.read(regs::CONBLK_AD).addr();
        if io.read(regs::CS).active() && at != 0 {
            dev_err!(
                dev,
                "failed to take the channel: it is active, CONBLK_AD {at:#x}\n"
            );
            return Err(EBUSY);
        }
        let caps = if io.read(regs::DEBUG).lite() {
            &LITE_CAPS
        } else {
            &CAPS
        };
        let channel = Self {
            dev,
            io,
            caps,
            stopped_at: Atomic::new(0),
            stopped_dst: Atomic::new(0),
        };
        channel.quiesce(0)?;
        Ok(channel)
    }

    /// Returns the flags of every write to CS while the channel is in use.
    fn control() -> regs::CS {
        regs::CS::zeroed()
            .with_disdebug(true)
            .with_wait_for_outstanding_writes(true)
    }

    /// Clears the error bits in DEBUG, and returns whether one was set.
    fn take_fault(&self) -> bool {
        let debug = self.io.read(regs::DEBUG);
        if debug.is_fault() {
            self.io.write_reg(debug);
        }
        debug.is_fault()
    }
}

/// Sets up a [`Bcm2835`], as the match data of a driver.
pub fn attach<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Bcm2835::new(pdev)?, GFP_KERNEL)?)
}

// SAFETY: The channel reads control blocks and moves data only between the write to CS.active in
// `start()`, which nothing else sets, and its end. Without an error only the last control block
// raises an interrupt, and only when all outstanding writes have been acknowledged. `quiesce()`
// pauses and resets the channel. It succeeds only if the channel is not active, waits for no write,
// and either had no control block or has lost it through the reset. The proof is a register that
// this driver has not written since `start()` and that is now 0: CONBLK_AD, or, if the channel has
// paused, TXFR_LEN, which was not 0 before.
unsafe impl Engine for Bcm2835<'_> {
    fn caps(&self) -> &Caps {
        self.caps
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        Descriptors {
            src: Pairs::count_of(transfer.src(), transfer.dst()),
            dst: 0,
        }
    }

    fn encode(&self, transfer: &mut Transfer) {
        let (src, dst, Some(chains)) = transfer.encoder() else {
            return;
        };
        let transfer_information =
            ControlBlock::DESTINATION_INCREMENTS | ControlBlock::SOURCE_INCREMENTS;
        chains.src.write(
            Pairs::new(src, dst),
            // CAST: The DMA mask keeps addresses within 32 bits, and lengths are cut to 30.
            |pair, next| ControlBlock {
                transfer_information: transfer_information.to_le(),
                source: (pair.src as u32).to_le(),
                destination: (pair.dst as u32).to_le(),
                length: (pair.len as u32).to_le(),
                stride: 0,
                next: (next as u32).to_le(),
                _reserved: [0; 2],
            },
            |last: &mut ControlBlock| {
                let end = ControlBlock::INTERRUPT | ControlBlock::WAIT_FOR_RESPONSE;
                last.transfer_information |= end.to_le();
                last.next = 0;
            },
        );
    }

    unsafe fn start(&self, transfer: &Transfer) {
        let Some(chains) = transfer.chains() else {
            return;
        };
        // CAST: The DMA mask keeps it within 32 bits.
        let first = chains.src.address(0) as u32;
        self.io
            .write_reg(regs::CONBLK_AD::zeroed().with_addr(first));
        // The register write is ordered after all earlier writes to memory.
        self.io.write_reg(Self::control().with_active(true));
    }

    fn acknowledge(&self) -> Outcome {
        let cs = self.io.read(regs::CS);
        if !cs.int() && !cs.error() {
            return Outcome::NotMine;
        }
        let fault = self.take_fault();
        // ACTIVE is written as 0: a channel at its end is not active, and one that has met an
        // error, or that is being stopped, must not become active again.
        self.io
            .write_reg(Self::control().with_int(true).with_end(true));
        if fault || cs.error() {
            Outcome::Fault
        } else {
            // Only the last control block interrupts.
            Outcome::Done
        }
    }

    fn bytes_done(&self, transfer: &Transfer) -> u64 {
        let at = self.stopped_at.load(ordering::Relaxed);
        let next = u64::from(self.stopped_dst.load(ordering::Relaxed));
        let Some(chains) = transfer.chains() else {
            return 0;
        };
        let mut done = 0;
        for (index, pair) in transfer.pairs().enumerate() {
            if chains.src.address(index) == u64::from(at) {
                // An address outside of the destination means that the control block was not begun.
                return match next.checked_sub(pair.dst) {
                    Some(written) if written < pair.len => done + written,
                    _ => done,
                };
            }
            done += pair.len;
        }
        // All control blocks are done.
        done
    }

    fn quiesce(&self, _bytes: u64) -> Result<Quiesced> {
        // CS.active is cleared, which pauses the channel. CS.abort is not used, as it would fetch
        // the next control block. Resetting a channel that still writes upsets the bus, so it gets
        // some time to pause; if it does not, it is reset anyway.
        self.io.write_reg(Self::control());
        let paused = wait_until_idle(
            || (self.io.read(regs::CS), self.io.read(regs::CONBLK_AD)),
            |(cs, conblk)| {
                // A channel without a control block is idle, paused or not.
                (cs.paused() || conblk.addr() == 0) && !cs.waiting_for_outstanding_writes()
            },
            QUIESCE_POLL,
            QUIESCE_LIMIT,
        );
        if paused.is_err() {
            // At debug level, as programs can provoke this as often as they like.
            dev_dbg!(
                self.dev,
                "reset before the channel has paused: CS {:#x}, DEBUG {:#x}\n",
                self.io.read(regs::CS).into_raw(),
                self.io.read(regs::DEBUG).into_raw()
            );
        }
        let at = self.io.read(regs::CONBLK_AD).addr();
        let next = self.io.read(regs::DEST_AD).addr();
        let left = self.io.read(regs::TXFR_LEN).bytes();
        self.stopped_at.store(at, ordering::Relaxed);
        self.stopped_dst.store(next, ordering::Relaxed);

        let fault = self.take_fault();
        self.io.write_reg(regs::CS::zeroed().with_reset(true));
        // ACTIVE is 0 because this function has written it. That does not show that the reset
        // worked: a channel that ignored the reset would continue its transfer at the next start.
        // So a register that is not written here must have been cleared. A channel without a
        // control block has no transfer.
        let is_reset = |conblk: u32, len: u32| match paused {
            Ok(()) => conblk == 0 || (left != 0 && len == 0),
            Err(_) => at != 0 && conblk == 0,
        };
        wait_until_idle(
            || {
                let conblk = self.io.read(regs::CONBLK_AD).addr();
                let len = self.io.read(regs::TXFR_LEN).bytes();
                (self.io.read(regs::CS), conblk, len)
            },
            |&(cs, conblk, len)| {
                !cs.active() && !cs.waiting_for_outstanding_writes() && is_reset(conblk, len)
            },
            QUIESCE_POLL,
            QUIESCE_LIMIT,
        )
        .and_then(|()| {
            // A reset may leave CONBLK_AD as it was.
            self.io.write_reg(regs::CONBLK_AD::zeroed());
            match self.io.read(regs::CONBLK_AD).addr() {
                0 => Ok(()),
                _ => Err(ETIMEDOUT),
            }
        })
        .inspect_err(|_| {
            dev_err!(
                self.dev,
                "failed to reset the channel: CS {:#x}, CONBLK_AD {:#x}, TXFR_LEN {:#x}\n",
                self.io.read(regs::CS).into_raw(),
                self.io.read(regs::CONBLK_AD).addr(),
                self.io.read(regs::TXFR_LEN).bytes()
            );
        })?;
        self.io
            .write_reg(regs::CS::zeroed().with_int(true).with_end(true));
        self.take_fault();
        Ok(if fault {
            Quiesced::Faulted
        } else {
            Quiesced::Clean
        })
    }

    // Nothing to do: all settings are in each control block and each write to CS.
    fn restore(&self) {}
}
