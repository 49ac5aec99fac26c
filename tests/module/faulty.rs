// SPDX-License-Identifier: GPL-2.0

//! A channel whose hardware really fails.
//!
//! It works as its engine does, except for copies with certain numbers of source spans, whose
//! descriptors are corrupted before hardware reads them:
//!
//! | spans | change | hardware |
//! |---|---|---|
//! | [`HALTS`] | [`Spoil::halt`]: cuts the list after one descriptor | moves only the first span |
//! | [`FAULTS`] | [`Spoil::misdirect`]: spoils the second address | reports a bus error |
//! | [`STICKS`] | as for `HALTS`, and [`Engine::quiesce`] fails | as for `HALTS` |
//! | [`FLOODS`] | ignores the first [`STORM`] interrupts | asserts its interrupt line meanwhile |
//!
//! After `HALTS` hardware raises no interrupt. A bus error is reported only by engines that can.
//!
//! Other variants take only short spans, use descriptors with one source and one destination each,
//! or have too few address bits for any memory.

use kernel::{
    device::Bound,
    platform,
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    }, //
};

use ferrodma::{
    dma::{
        chain::Chains,
        span::Span,
        transfer::{
            Pairs,
            Transfer, //
        }, //
    },
    engine::{
        bcm2835::Bcm2835,
        zdma::Zdma,
        Caps,
        Descriptors,
        Engine,
        Outcome,
        Quiesced, //
    }, //
};

/// Source spans of a copy that pauses.
pub(crate) const HALTS: usize = 2;
/// Source spans of a copy that meets a bus error.
pub(crate) const FAULTS: usize = 3;
/// Source spans of a copy that pauses and cannot be stopped.
const STICKS: usize = 4;
/// Source spans of a copy at whose end the line is held.
const FLOODS: usize = 7;

/// Interrupts that the handler does not serve: an interrupt storm, but fewer than the 100,000 after
/// which the kernel disables the line.
const STORM: u32 = 10_000;

/// Address bits of an engine that cannot reach all memory: the kernel always has some above 1 MiB.
const NARROW: u32 = 20;

/// Longest span in bytes of an engine that takes only short ones: less than a page, and a multiple
/// of every engine's alignment.
pub(crate) const SHORT: u64 = 3000;

/// An engine whose descriptors can be corrupted.
trait Spoil: Engine {
    /// Writes descriptors for lists split at each other's boundaries, if the engine has separate
    /// lists.
    fn link_pairs(&self, pairs: Pairs<'_>, chains: &mut Chains);

    /// Makes hardware stop after the first descriptor, without an interrupt.
    fn halt(&self, chains: &mut Chains);

    /// Gives the second descriptor an address for which hardware reports an error.
    fn misdirect(&self, chains: &mut Chains);

    /// Returns the bytes done of `transfer`, which was halted.
    fn bytes_halted(&self, transfer: &Transfer) -> u64;
}

/// Offsets of the control word and of the next descriptor's address in a ZDMA descriptor, and the
/// commands in the control word (UG1085, "Linked-list Mode").
const CTRL: usize = 12;
const NEXT: usize = 16;
const CMD_MASK: u8 = 3 << 3;
const CMD_HALT: u8 = 1 << 3;

impl Spoil for Zdma<'_> {
    fn link_pairs(&self, pairs: Pairs<'_>, chains: &mut Chains) {
        let src = pairs.clone().map(|pair| Span::new(pair.src, pair.len));
        self.link(src, &mut chains.src);
        let dst = pairs.map(|pair| Span::new(pair.dst, pair.len));
        self.link(dst, &mut chains.dst);
    }

    fn halt(&self, chains: &mut Chains) {
        if let Some(first) = chains.src.bytes(0) {
            first[CTRL] = first[CTRL] & !CMD_MASK | CMD_HALT;
        }
    }

    fn misdirect(&self, chains: &mut Chains) {
        if let Some(first) = chains.src.bytes(0) {
            first[NEXT] |= 4;
        }
    }

    fn bytes_halted(&self, transfer: &Transfer) -> u64 {
        self.bytes_done(transfer)
    }
}

/// Bytes of the next control block's address in a control block of the BCM2835.
const NEXT_BLOCK: core::ops::Range<usize> = 20..24;

impl Spoil for Bcm2835<'_> {
    fn link_pairs(&self, _pairs: Pairs<'_>, _chains: &mut Chains) {}

    fn halt(&self, chains: &mut Chains) {
        if let Some(first) = chains.src.bytes(0) {
            // Only the last block interrupts, and hardware does not reach it.
            first[NEXT_BLOCK].fill(0);
        }
    }

    /// Does nothing: QEMU's model reports no errors.
    fn misdirect(&self, _chains: &mut Chains) {}

    /// Returns the first span: hardware found the end of its list there.
    fn bytes_halted(&self, transfer: &Transfer) -> u64 {
        transfer.pairs().next().map_or(0, |pair| pair.len)
    }
}

/// An engine that fails on certain transfers.
struct Faulty<E> {
    engine: E,
    caps: Caps,
    in_pairs: bool,
    halted: Atomic<bool>,
    stuck: Atomic<bool>,
    /// Interrupts that are still not to be served.
    refused: Atomic<u32>,
}

// SAFETY: As for the inner engine, which does all the work. Reporting that it does not stop
// although it might is safe. The changes to descriptors below leave their list within its own
// chains.
unsafe impl<E: Spoil> Engine for Faulty<E> {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        let native = self.engine.descriptors(transfer);
        if !self.in_pairs || native.src == 0 {
            return native;
        }
        let count = transfer.pairs().count();
        Descriptors {
            src: count,
            dst: count,
        }
    }

    fn encode(&self, transfer: &mut Transfer) {
        self.engine.encode(transfer);
        let (src, dst, Some(chains)) = transfer.encoder() else {
            return;
        };
        if self.in_pairs {
            self.engine.link_pairs(Pairs::new(src, dst), chains);
        }
        match src.len() {
            HALTS | STICKS => self.engine.halt(chains),
            FAULTS => self.engine.misdirect(chains),
            _ => {}
        }
    }

    unsafe fn start(&self, transfer: &Transfer) {
        let spans = transfer.src().len();
        self.halted
            .store(matches!(spans, HALTS | STICKS), ordering::Relaxed);
        self.stuck.store(spans == STICKS, ordering::Relaxed);
        let refused = if spans == FLOODS { STORM } else { 0 };
        self.refused.store(refused, ordering::Relaxed);
        // SAFETY: The caller promises the same.
        unsafe { self.engine.start(transfer) };
    }

    fn acknowledge(&self) -> Outcome {
        // Not a race: the channel calls this under its lock.
        let refused = self.refused.load(ordering::Relaxed);
        if refused > 0 {
            self.refused.store(refused - 1, ordering::Relaxed);
            return Outcome::NotMine;
        }
        self.engine.acknowledge()
    }

    fn bytes_done(&self, transfer: &Transfer) -> u64 {
        if self.halted.load(ordering::Relaxed) {
            self.engine.bytes_halted(transfer)
        } else {
            self.engine.bytes_done(transfer)
        }
    }

    fn quiesce(&self, bytes: u64) -> Result<Quiesced> {
        if self.stuck.load(ordering::Relaxed) {
            return Err(ETIMEDOUT);
        }
        self.engine.quiesce(bytes)
    }

    fn restore(&self) {
        self.engine.restore();
    }
}

/// Sets up a ZDMA channel with separate lists.
pub(crate) fn zdma<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, false, |_| {})
}

/// Sets up a ZDMA channel with a list of pairs and short spans.
pub(crate) fn zdma_in_pairs<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, true, |caps| caps.max_span = SHORT)
}

/// Sets up a ZDMA channel with few address bits.
pub(crate) fn zdma_narrow<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, false, |caps| {
        caps.address_bits = NARROW
    })
}

/// Sets up a channel of the BCM2835.
pub(crate) fn bcm2835<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(Bcm2835::new(pdev)?, false, |_| {})
}

/// Sets up a channel of the BCM2835 with short spans.
pub(crate) fn bcm2835_short<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(Bcm2835::new(pdev)?, false, |caps| caps.max_span = SHORT)
}

/// Sets up a channel of the BCM2835 with few address bits.
pub(crate) fn bcm2835_narrow<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(Bcm2835::new(pdev)?, false, |caps| {
        caps.address_bits = NARROW
    })
}

fn new<'bound, E: Spoil + 'bound>(
    engine: E,
    in_pairs: bool,
    change: impl FnOnce(&mut Caps),
) -> Result<KBox<dyn Engine + 'bound>> {
    let mut caps = *engine.caps();
    change(&mut caps);
    Ok(KBox::new(
        Faulty {
            engine,
            caps,
            in_pairs,
            halted: Atomic::new(false),
            stuck: Atomic::new(false),
            refused: Atomic::new(0),
        },
        GFP_KERNEL,
    )?)
}
