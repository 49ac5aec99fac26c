// SPDX-License-Identifier: GPL-2.0

//! BCM2835 DMA: the controller of Raspberry Pi 1 to 4, Zero and Zero 2 W.
//!
//! Source: "BCM2835 ARM Peripherals", chapter 4, with its errata; for what the hardware needs
//! besides, `drivers/dma/bcm2835-dma.c`. A channel is a device of its own here, although several are
//! in one controller, most of which the kernel's driver keeps.
//!
//! A transfer is a list of control blocks in memory, each of which has a source, a destination and a
//! length. Any alignment of the addresses works. The bus is 32 bits wide; its addresses are not those
//! of the CPU, which is the DMA API's concern (`dma-ranges`).
//!
//! # Lengths
//!
//! Hardware moves any number of bytes. QEMU's model counts down in steps of 4, and misses the end
//! where the length is no multiple of it. Such a piece could be cut into one that is and the four
//! bytes up to its end, some of them moved twice; but where lists are cut at each other's ends there
//! are pieces of less than four bytes, and of these nothing can be made. So lengths must be multiples
//! of 4, here and there.

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
        wait_for_rest,
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

/// TIMEOUT: A paused channel waits for writes that are under way, a burst at most; the kernel's driver
/// waits for 10,000 reads of a register, and then resets the channel in any case. After a reset it is
/// idle at once.
const QUIESCE_LIMIT: Delta = Delta::from_millis(10);
const QUIESCE_POLL: Delta = Delta::from_micros(20);

/// A full channel: the length has 30 bits. The limit keeps what follows a cut as well aligned as what
/// precedes it.
const MAX_SPAN: u64 = (1 << 30) - 4096;

/// A lite channel: the length has 16 bits.
const MAX_LITE_SPAN: u64 = (1 << 16) - 4096;

static CAPS: Caps = Caps {
    name: c"bcm2835",
    id: uapi::ENGINE_BCM2835,
    address_bits: 32,
    max_span: MAX_SPAN,
    // All that its addresses reach.
    max_transfer: u32::MAX as u64 & !3,
    alignment: 4,
    fill: false,
    // The data sheet says that a read error interrupts, which nobody has seen yet.
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
    /// What to do besides.
    transfer_information: u32,
    source: u32,
    destination: u32,
    /// Bytes.
    length: u32,
    /// For two-dimensional transfers.
    stride: u32,
    /// Bus address of the next control block; 0 in the last.
    next: u32,
    _reserved: [u32; 2],
}

const _: () = assert!(size_of::<ControlBlock>() == 32);

impl ControlBlock {
    /// Interrupts at its end.
    const INTERRUPT: u32 = 1 << 0;
    /// Waits for each write to be acknowledged before it ends.
    const WAIT_FOR_RESPONSE: u32 = 1 << 3;
    /// The destination goes on, and so does the source.
    const DESTINATION_INCREMENTS: u32 = 1 << 4;
    const SOURCE_INCREMENTS: u32 = 1 << 8;
}

/// A channel of the controller.
pub struct Bcm2835<'bound> {
    dev: &'bound Device<Bound>,
    io: IoMem<'bound, REGS_SIZE>,
    caps: &'static Caps,
    /// Where the channel was when it was last stopped: its control block, and its next write.
    stopped_at: Atomic<u32>,
    stopped_dst: Atomic<u32>,
}

impl<'bound> Bcm2835<'bound> {
    /// Sets up the channel of `pdev`.
    ///
    /// # Errors
    ///
    /// ENXIO: no registers in the device tree. EBUSY: the kernel's driver has the channel, or it is at
    /// work. ENODEV: it is one of the 40-bit channels of BCM2711, whose registers are others. ETIMEDOUT:
    /// it does not come to rest.
    pub fn new(pdev: &'bound platform::Device<Bound>) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        // The kernel's driver has requested the whole controller, so they cannot be requested here. It
        // leaves alone what `brcm,dma-channel-mask` does not give it.
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
        // ACTIVE alone says little: it stays set in a channel that has nothing to do.
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

    /// What every write to CS of a channel at work has.
    fn control() -> regs::CS {
        regs::CS::zeroed()
            .with_disdebug(true)
            .with_wait_for_outstanding_writes(true)
    }

    /// Clears what DEBUG says of errors, and returns whether there was one.
    fn take_fault(&self) -> bool {
        let debug = self.io.read(regs::DEBUG);
        if debug.is_fault() {
            self.io.write_reg(debug);
        }
        debug.is_fault()
    }
}

/// [`Bcm2835::new`] as the match data of a driver.
pub fn attach<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Bcm2835::new(pdev)?, GFP_KERNEL)?)
}

// SAFETY: The channel reads control blocks and moves data between CS.active being written in
// `start()` and its end; nothing else writes it. The interrupt without an error comes when the last
// control block has ended, which waits for all outstanding writes. `quiesce()` pauses the channel and
// resets it, and succeeds only if the channel is not active, waits for no write, and had nothing to
// do or shows that the reset worked: CONBLK_AD is 0, or, of a channel that has paused, TXFR_LEN,
// neither of which this driver has written since.
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
        // The register write orders itself behind all writes to memory before.
        self.io.write_reg(Self::control().with_active(true));
    }

    fn acknowledge(&self) -> Outcome {
        let cs = self.io.read(regs::CS);
        if !cs.int() && !cs.error() {
            return Outcome::NotMine;
        }
        let fault = self.take_fault();
        // A channel that has come to its end is not active, and one that has met an error, or that
        // somebody is stopping at this moment, shall not be.
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
                // If it is elsewhere, the control block was not begun.
                return match next.checked_sub(pair.dst) {
                    Some(written) if written < pair.len => done + written,
                    _ => done,
                };
            }
            done += pair.len;
        }
        // It had come to the end.
        done
    }

    fn quiesce(&self, _bytes: u64) -> Result<Quiesced> {
        // Not active: paused. No abort from here, since that fetches the next control block. A channel
        // that still writes when it is reset leaves the bus in disorder, so it gets some time to pause;
        // but what is stuck is reset as it is.
        self.io.write_reg(Self::control());
        let paused = wait_for_rest(
            || (self.io.read(regs::CS), self.io.read(regs::CONBLK_AD)),
            |(cs, conblk)| {
                // A channel that has nothing to do need not be paused.
                (cs.paused() || conblk.addr() == 0) && !cs.waiting_for_outstanding_writes()
            },
            QUIESCE_POLL,
            QUIESCE_LIMIT,
        );
        if paused.is_err() {
            // Programs may bring this about as often as they like.
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
        // ACTIVE is 0 because this function has written it, which proves no reset: a channel that
        // ignored it would go on with its transfer at the next start. So one register that is not
        // written here must have been cleared. A channel without a control block has no transfer.
        let is_reset = |conblk: u32, len: u32| match paused {
            Ok(()) => conblk == 0 || (left != 0 && len == 0),
            Err(_) => at != 0 && conblk == 0,
        };
        wait_for_rest(
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
            // A reset need not clear it.
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

    // What it needs is in each control block and each write to CS.
    fn restore(&self) {}
}
