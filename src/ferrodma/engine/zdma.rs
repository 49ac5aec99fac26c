// SPDX-License-Identifier: GPL-2.0

//! ZDMA: the general-purpose DMA controller of Zynq UltraScale+ and Versal.
//!
//! Source: Zynq UltraScale+ technical reference manual (UG1085), chapter "DMA Controller", and
//! register reference (UG1087), module `ZDMA`; for Versal Gen 2, whose interrupt registers are at
//! other offsets, `drivers/dma/xilinx/zynqmp_dma.c`. Each channel is a device of its own with one
//! interrupt.
//!
//! A copy with one source and one destination needs only registers. Lists become two linked lists
//! of descriptors, one for the source and one for the destination, whose pieces may differ in
//! length. A fill is a write-only transfer, which the manual describes for register transfers only,
//! so it has one destination.

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

/// Bytes of a channel's register block that this driver uses, on any chip.
const REGS_SIZE: usize = 0x418;

/// TIMEOUT: A busy channel cannot be disabled: by the manual ("Channel Disabled") only the end of
/// the transfer, an error, or leaving a pause disables it. So `quiesce()` waits for the end of the
/// transfer, for the time that it takes at a small part of the rate that the controller has on an
/// idle bus, and some more.
const QUIESCE_BYTES_PER_MS: u64 = 100_000;
const QUIESCE_EXTRA_MS: u64 = 10;

/// Bytes that a boot loader's transfer may have left to move.
const UNKNOWN_BYTES: u64 = 64 << 20;

/// Interval between two reads of the status of a channel that is to become idle.
const QUIESCE_POLL: Delta = Delta::from_micros(10);

/// The AXI cache attribute for accesses that snoop the CPU's caches: write-back, read- and
/// write-allocate.
const AXCACHE_COHERENT: u32 = 0xf;

/// Value of `CTRL0.mode` for a transfer that writes `WR_ONLY_WORD` and reads nothing.
const MODE_WRITE_ONLY: u32 = 1;

static CAPS: Caps = Caps {
    name: c"zdma",
    id: uapi::ENGINE_ZDMA,
    address_bits: 44,
    // The length field has 30 bits. One page is subtracted: a page is a multiple of the longest
    // burst, so each piece of a long span is aligned as its start is.
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
    /// Address of the data. All fields are little-endian.
    addr: u64,
    /// Length of the data in bytes, bits 29 to 0.
    size: u32,
    /// Coherency, type of descriptor, command.
    ctrl: u32,
    /// Address of the next descriptor.
    next: u64,
    _reserved: u64,
}

const _: () = assert!(size_of::<Descriptor>() == 32);

impl Descriptor {
    /// The accesses to the data snoop the CPU's caches.
    const CTRL_COHERENT: u32 = 1 << 0;
    /// The next descriptor is at `next`, not behind this one.
    const CTRL_LINKED: u32 = 1 << 1;
    /// This is the last descriptor.
    const CTRL_STOP: u32 = 2 << 3;
}

/// The clocks of a channel, enabled as long as this exists.
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

/// The base of a channel's interrupt registers, which depends on the chip.
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
    /// Whether the channel snoops the CPU's caches, as the DMA API has read from the device tree.
    coherent: bool,
    _clocks: Clocks,
    chip: PhantomData<C>,
}

impl<'bound, C: Chip> Zdma<'bound, C> {
    /// Sets up the channel of `pdev`.
    ///
    /// # Errors
    ///
    /// ENXIO: the device tree names no registers. ETIMEDOUT: the channel is busy and does not stop.
    /// Those of clocks and mappings.
    pub fn new(pdev: &'bound platform::Device<Bound>) -> Result<Self> {
        let dev: &Device<Bound> = pdev.as_ref();
        let clocks = Clocks::enable(dev).inspect_err(|error| {
            // Their driver may be probed later.
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

    /// Clears the byte counter and enables the channel. The register write is ordered after all
    /// earlier writes to memory.
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

    /// Writes the descriptors of one list.
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

/// Sets up a [`Zdma`] of Zynq UltraScale+ and Versal, as the match data of a driver.
pub fn attach<'bound>(pdev: &'bound platform::Device<Bound>) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Zdma::<ZynqMp>::new(pdev)?, GFP_KERNEL)?)
}

/// Sets up a [`Zdma`] of Versal Gen 2, as the match data of a driver.
pub fn attach_versal2<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(Zdma::<Versal2>::new(pdev)?, GFP_KERNEL)?)
}

/// Returns the lower and the upper half of a bus address as the registers take them. The DMA mask
/// keeps addresses within 44 bits.
fn halves(addr: u64) -> (Bounded<u32, 32>, Bounded<u32, 17>) {
    (
        // CAST: Truncates to the lower half on purpose.
        Bounded::from(addr as u32),
        // CAST: The upper half; the DMA mask keeps it within the 17 bits of the field.
        Bounded::<u32, 17>::from_expr((addr >> 32) as u32 & 0x1_ffff),
    )
}

/// Returns the length of a span as the registers take it; no span is longer than `max_span`.
fn size(span: &Span) -> Bounded<u32, 30> {
    // CAST: At most `CAPS.max_span`, which fits.
    Bounded::<u32, 30>::from_expr(span.len() as u32 & 0x3fff_ffff)
}

// SAFETY: The channel reads descriptors and moves data only between the write to CTRL2.en in
// `go()`, which only `start()` calls, and the time it becomes idle. DMA_DONE is raised when the bus
// has acknowledged the last write; a DMA_DONE together with DMA_PAUSE is not reported as done.
// `quiesce()` succeeds only if STATUS says idle. Reads may go beyond the end of a source, up to the
// next multiple of the bus width; that is within the same page, and reading has no effect there.
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
        // DMA_PAUSE is not cleared, so that `quiesce()` finds it. It raises no interrupt.
        self.io
            .write(regs::ISR::of::<C>(), isr.with_dma_pause(false));
        if isr.is_fault() {
            Outcome::Fault
        } else if isr.dma_pause() {
            // The descriptors before the pause are done, but not the list.
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
        wait_until_idle(
            || {
                let status = self.io.read(regs::STATUS);
                if !status.is_idle() && self.io.read(regs::ISR::of::<C>()).dma_pause() {
                    // A paused channel is disabled by CTRL0.cont while CTRL2.en is clear (UG1085,
                    // "Channel Disabled").
                    self.io.write_reg(regs::CTRL2::zeroed());
                    self.io.update(regs::CTRL0, |r| r.with_cont(true));
                }
                status
            },
            |status| status.is_idle(),
            QUIESCE_POLL,
            Delta::from_millis(i64::try_from(limit_ms).unwrap_or(i64::MAX / 1_000_000)),
        )?;
        // A channel that has met an error may be idle and still enabled, and would start again at
        // the next write to a control register.
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
        // Writes whole registers: a boot loader or a loss of power may have changed any bit.
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
