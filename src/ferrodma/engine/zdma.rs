// SPDX-License-Identifier: GPL-2.0

//! ZDMA: the general-purpose DMA controller of Zynq UltraScale+ and Versal.
//!
//! Source: Zynq UltraScale+ technical reference manual (UG1085), chapter "DMA Controller", and
//! register reference (UG1087), module `ZDMA`; for Versal Gen 2, whose interrupt registers are elsewhere,
//! `drivers/dma/xilinx/zynqmp_dma.c`. A channel is a device of its own with one interrupt.
//!
//! One source and one destination are written into registers. Lists become two linked lists of
//! descriptors, one for each side, which may be cut differently. A fill is a write-only transfer,
//! which the manual has for register transfers only: for one destination, that is.

use core::marker::PhantomData;

use kernel::{
    clk::OptionalClk,
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        register::{
            Array,
            RegisterBase,
            WithBase, //
        },
        Io, //
    },
    num::Bounded,
    platform,
    prelude::*,
    time::Delta, //
};

use crate::{
    dma::{
        chain::{
            Chain,
            DescriptorLayout, //
        },
        span::Span,
        transfer::Transfer, //
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

/// Bytes of a channel's register block that this driver uses, in any chip.
const REGS_SIZE: usize = 0x418;

/// TIMEOUT: A channel that is busy cannot be disabled; the manual ("Channel Disabled") knows only
/// the end of the transfer, an error, and leaving a pause. So its end is waited for, at a rate that
/// is a small part of what the controller does on an idle bus, and for a while on top.
const QUIESCE_BYTES_PER_MS: u64 = 100_000;
const QUIESCE_EXTRA_MS: u64 = 10;

/// What a boot loader may have started before us.
const UNKNOWN_BYTES: u64 = 64 << 20;

/// Between two looks at a channel that is to come to rest.
const QUIESCE_POLL: Delta = Delta::from_micros(10);

/// The AXI cache attribute for accesses that snoop the CPU's caches: write-back, read- and
/// write-allocate.
const AXCACHE_COHERENT: u32 = 0xf;

/// `CTRL0.mode` of a transfer that writes what is in `WR_ONLY_WORD` and reads nothing.
const MODE_WRITE_ONLY: u32 = 1;

static CAPS: Caps = Caps {
    name: c"zdma",
    id: uapi::ENGINE_ZDMA,
    address_bits: 44,
    // The length field has 30 bits. A multiple of the longest burst keeps what follows a cut as
    // well aligned as what precedes it.
    max_span: (1 << 30) - 4096,
    // TOTAL_BYTE has 32 bits.
    max_transfer: u32::MAX as u64,
    alignment: 1,
    fill: true,
    fault_irq: true,
    layout: DescriptorLayout {
        size: size_of::<Descriptor>(),
        align: size_of::<Descriptor>(),
    },
};

/// A descriptor of the linked-list kind (UG1085, "Linked-list Mode").
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Descriptor {
    /// Address of the data, little-endian as the rest.
    addr: u64,
    /// Bytes of data, bits 29 to 0.
    size: u32,
    /// Coherency, kind of descriptor, command.
    ctrl: u32,
    /// Address of the next descriptor.
    next: u64,
    _reserved: u64,
}

const _: () = assert!(size_of::<Descriptor>() == 32);

impl Descriptor {
    /// The access snoops the CPU's caches.
    const CTRL_COHERENT: u32 = 1 << 0;
    /// The next descriptor is where `next` says, not behind this one.
    const CTRL_LINKED: u32 = 1 << 1;
    /// This is the last descriptor.
    const CTRL_STOP: u32 = 2 << 3;
}

/// Clocks of the channel, running as long as this exists.
struct Clocks {
    main: OptionalClk,
    apb: OptionalClk,
}

impl Clocks {
    fn enable(dev: &Device<Bound>) -> Result<Self> {
        let main = OptionalClk::get(dev, Some(c"clk_main"))?;
        let apb = OptionalClk::get(dev, Some(c"clk_apb"))?;
        main.prepare_enable()?;
        if let Err(error) = apb.prepare_enable() {
            main.disable_unprepare();
            return Err(error);
        }
        Ok(Self { main, apb })
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        self.apb.disable_unprepare();
        self.main.disable_unprepare();
    }
}

/// Where a chip has the interrupt registers of a channel.
pub trait Chip: RegisterBase<regs::Interrupts> + Send + Sync {}

/// Zynq UltraScale+ and Versal.
pub struct ZynqMp;

impl RegisterBase<regs::Interrupts> for ZynqMp {
    const BASE: usize = 0;
}

impl Chip for ZynqMp {}

/// Versal Gen 2.
pub struct Versal2;

impl RegisterBase<regs::Interrupts> for Versal2 {
    const BASE: usize = 0x308;
}

impl Chip for Versal2 {}

/// A ZDMA channel.
pub struct Zdma<'bound, C = ZynqMp> {
    io: IoMem<'bound, REGS_SIZE>,
    /// The channel snoops the CPU's caches, as the DMA API has found in the device tree.
    coherent: bool,
    _clocks: Clocks,
    chip: PhantomData<C>,
}

impl<'bound, C: Chip> Zdma<'bound, C> {
    /// Sets up the channel of `pdev`.
    ///
    /// # Errors
    ///
    /// ENXIO: no registers in the device tree. ETIMEDOUT: the channel is busy and does not stop.
    /// Those of clocks and mappings.
    pub fn new(pdev: &'bound platform::Device<Bound>) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        let clocks = Clocks::enable(dev).inspect_err(|error| {
            // They may come later.
            if *error != EPROBE_DEFER {
                dev_err!(dev, "failed to enable the clocks: {error:?}\n");
            }
        })?;
        let io = map_registers::<REGS_SIZE>(pdev)?;
        let zdma = Self {
            io,
            coherent: raw::is_dma_coherent(dev),
            _clocks: clocks,
            chip: PhantomData,
        };
        zdma.quiesce(UNKNOWN_BYTES).inspect_err(|error| {
            dev_err!(dev, "failed to stop the channel: {error:?}\n");
        })?;
        zdma.restore();
        Ok(zdma)
    }

    /// Clears the byte counter and lets the channel go. The register write orders itself behind all
    /// writes to memory before.
    fn go(&self) {
        self.io
            .write_reg(regs::TOTAL_BYTE::zeroed().with_count(u32::MAX));
        self.io.write_reg(regs::CTRL2::zeroed().with_en(true));
    }

    fn set_mode(&self, lists: bool, write_only: bool) {
        let ctrl0 = regs::CTRL0::zeroed()
            .with_ovr_fetch(true)
            .with_point_type_sg(lists);
        self.io.write_reg(if write_only {
            ctrl0.with_const_mode::<MODE_WRITE_ONLY>()
        } else {
            ctrl0
        });
    }

    fn set_src(&self, span: &Span) {
        let (lsb, msb) = halves(span.addr());
        self.io
            .write_reg(regs::SRC_DSCR_WORD0::zeroed().with_lsb(lsb));
        self.io
            .write_reg(regs::SRC_DSCR_WORD1::zeroed().with_msb(msb));
        self.io
            .write_reg(regs::SRC_DSCR_WORD2::zeroed().with_size(size(span)));
        self.io
            .write_reg(regs::SRC_DSCR_WORD3::zeroed().with_coherent(self.coherent));
    }

    fn set_dst(&self, span: &Span) {
        let (lsb, msb) = halves(span.addr());
        self.io
            .write_reg(regs::DST_DSCR_WORD0::zeroed().with_lsb(lsb));
        self.io
            .write_reg(regs::DST_DSCR_WORD1::zeroed().with_msb(msb));
        self.io
            .write_reg(regs::DST_DSCR_WORD2::zeroed().with_size(size(span)));
        self.io
            .write_reg(regs::DST_DSCR_WORD3::zeroed().with_coherent(self.coherent));
    }

    /// Writes one side's list.
    pub fn link(&self, spans: impl Iterator<Item = Span>, chain: &mut Chain) {
        let ctrl = Descriptor::CTRL_LINKED
            | if self.coherent {
                Descriptor::CTRL_COHERENT
            } else {
                0
            };
        chain.write(
            spans,
            |span, next| Descriptor {
                addr: span.addr().to_le(),
                size: size(&span).get().to_le(),
                ctrl: ctrl.to_le(),
                next: next.to_le(),
                _reserved: 0,
            },
            |last: &mut Descriptor| {
                last.ctrl |= Descriptor::CTRL_STOP.to_le();
                last.next = 0;
            },
        );
    }
}

/// [`Zdma::new`] as the match data of a driver, for Zynq UltraScale+ and Versal.
pub fn attach<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Zdma::<ZynqMp>::new(pdev)?, GFP_KERNEL)?)
}

/// The same for Versal Gen 2.
pub fn attach_versal2<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Zdma::<Versal2>::new(pdev)?, GFP_KERNEL)?)
}

/// The two halves of a bus address as the registers take them. The DMA mask keeps it within 44
/// bits.
fn halves(addr: u64) -> (Bounded<u32, 32>, Bounded<u32, 17>) {
    (
        // CAST: The lower half is meant.
        Bounded::from(addr as u32),
        // CAST: The upper half, of which the field keeps what the mask allows.
        Bounded::<u32, 17>::from_expr((addr >> 32) as u32 & 0x1_ffff),
    )
}

/// The length of a span as the registers take it; spans are cut to `max_span`.
fn size(span: &Span) -> Bounded<u32, 30> {
    // CAST: At most `CAPS.max_span`, which fits.
    Bounded::<u32, 30>::from_expr(span.len() as u32 & 0x3fff_ffff)
}

// SAFETY: The channel reads descriptors and moves data between CTRL2.en being written in `go()`,
// which only `start()` calls, and its going idle. DMA_DONE is raised when the last write was
// acknowledged by the bus; one that comes with DMA_PAUSE is not reported as done. `quiesce()`
// succeeds only if STATUS says idle. Reads may go beyond the end of a source, up to the next
// multiple of the bus width, which stays within the page and touches nothing.
unsafe impl<C: Chip> Engine for Zdma<'_, C> {
    fn caps(&self) -> &Caps {
        &CAPS
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        let (src, dst) = (transfer.src().len(), transfer.dst().len());
        if transfer.fill().is_some() || (src == 1 && dst == 1) {
            Descriptors::default()
        } else {
            Descriptors { src, dst }
        }
    }

    fn encode(&self, transfer: &mut Transfer) {
        if let (src, dst, Some(chains)) = transfer.encoder() {
            self.link(src.iter().copied(), &mut chains.src);
            self.link(dst.iter().copied(), &mut chains.dst);
        }
    }

    unsafe fn start(&self, transfer: &Transfer) {
        if let (Some(value), [dst]) = (transfer.fill(), transfer.dst()) {
            let data = u32::from_ne_bytes([value; 4]);
            for word in 0..4 {
                if let Some(at) = regs::WR_ONLY_WORD::try_at(word) {
                    self.io
                        .write(at, regs::WR_ONLY_WORD::zeroed().with_data(data));
                }
            }
            self.set_mode(false, true);
            self.set_src(dst);
            self.set_dst(dst);
        } else if let Some(chains) = transfer.chains() {
            let (src_lsb, src_msb) = halves(chains.src.address(0));
            let (dst_lsb, dst_msb) = halves(chains.dst.address(0));
            self.set_mode(true, false);
            self.io
                .write_reg(regs::SRC_START_LSB::zeroed().with_lsb(src_lsb));
            self.io
                .write_reg(regs::SRC_START_MSB::zeroed().with_msb(src_msb));
            self.io
                .write_reg(regs::DST_START_LSB::zeroed().with_lsb(dst_lsb));
            self.io
                .write_reg(regs::DST_START_MSB::zeroed().with_msb(dst_msb));
        } else if let ([src], [dst]) = (transfer.src(), transfer.dst()) {
            self.set_mode(false, false);
            self.set_src(src);
            self.set_dst(dst);
        } else {
            return;
        }
        self.go();
    }

    fn acknowledge(&self) -> Outcome {
        let isr = self.io.read(regs::ISR::of::<C>());
        if !isr.dma_done() && !isr.is_fault() {
            return Outcome::NotMine;
        }
        // A pause is not acknowledged, so that `quiesce()` finds it. It does not interrupt.
        self.io
            .write(regs::ISR::of::<C>(), isr.with_dma_pause(false));
        if isr.is_fault() {
            Outcome::Fault
        } else if isr.dma_pause() {
            // The descriptors before the pause are done, the list is not.
            Outcome::Unfinished
        } else {
            Outcome::Done
        }
    }

    fn bytes_done(&self, _transfer: &Transfer) -> u64 {
        u64::from(self.io.read(regs::TOTAL_BYTE).count())
    }

    fn quiesce(&self, bytes: u64) -> Result<Quiesced> {
        self.io.write(
            regs::IDS::of::<C>(),
            regs::IDS::zeroed().with_const_all::<0xfff>(),
        );
        let limit_ms = (bytes / QUIESCE_BYTES_PER_MS).saturating_add(QUIESCE_EXTRA_MS);
        wait_for_rest(
            || {
                let status = self.io.read(regs::STATUS);
                if !status.is_idle() && self.io.read(regs::ISR::of::<C>()).dma_pause() {
                    // A paused channel is disabled by telling it to go on while it is not enabled
                    // (UG1085, "Channel Disabled").
                    self.io.write_reg(regs::CTRL2::zeroed());
                    self.io.update(regs::CTRL0, |r| r.with_cont(true));
                }
                status
            },
            |status| status.is_idle(),
            QUIESCE_POLL,
            Delta::from_millis(i64::try_from(limit_ms).unwrap_or(i64::MAX / 1_000_000)),
        )?;
        // A channel that has met an error may be idle and still enabled, and would start again at the
        // next write to a control register.
        self.io.write_reg(regs::CTRL2::zeroed());
        self.io.update(regs::CTRL0, |r| r.with_cont(false));
        let isr = self.io.read(regs::ISR::of::<C>());
        self.io.write(regs::ISR::of::<C>(), isr);
        Ok(if isr.is_fault() {
            Quiesced::Faulted
        } else {
            Quiesced::Clean
        })
    }

    fn restore(&self) {
        // Whole registers, as a boot loader or a loss of power may have left them otherwise.
        let data = regs::DATA_ATTR::after_reset();
        let dscr = regs::DSCR_ATTR::zeroed();
        if self.coherent {
            self.io.write_reg(
                data.with_const_arcache::<AXCACHE_COHERENT>()
                    .with_const_awcache::<AXCACHE_COHERENT>(),
            );
            self.io.write_reg(
                dscr.with_axcohrnt(true)
                    .with_const_axcache::<AXCACHE_COHERENT>(),
            );
        } else {
            self.io.write_reg(data);
            self.io.write_reg(dscr);
        }
        self.io.write(
            regs::IEN::of::<C>(),
            regs::IEN::zeroed()
                .with_dma_done(true)
                .with_axi_wr_data(true)
                .with_axi_rd_data(true)
                .with_axi_rd_dst_dscr(true)
                .with_axi_rd_src_dscr(true),
        );
    }
}
