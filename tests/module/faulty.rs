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
//! | [`LOSES`] | acknowledges the interrupt before anything sees it | moves all |
//! | [`FLOODS`] | ignores the first [`STORM`] interrupts | asserts its interrupt line meanwhile |
//! | [`SWEPT`] | as for `HALTS` or `FAULTS`, at the span that is not [`USUAL`] bytes long | moves the spans up to that one |
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
/// Source spans of a copy whose interrupt is lost, each of [`SHORTEST`] bytes.
const LOSES: usize = 13;
/// A length that no other copy of so many spans has.
const SHORTEST: u64 = 4;
/// Source spans of a copy in which the length of one says what happens there.
const SWEPT: usize = 256;
/// Bytes of the other spans, of a span at which hardware pauses, and of one behind which it meets a
/// bus error.
const USUAL: u64 = 8;
const HALTS_HERE: u64 = 4;
const FAULTS_HERE: u64 = 12;
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

    /// Makes hardware stop after the descriptor `at`, without an interrupt.
    fn halt(&self, chains: &mut Chains, at: usize);

    /// Gives the descriptor behind `at` an address for which hardware reports an error.
    fn misdirect(&self, chains: &mut Chains, at: usize);

    /// Returns the bytes done of `transfer`, which was halted after the span `at`.
    fn bytes_halted(&self, transfer: &Transfer, at: usize) -> u64;
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

    fn halt(&self, chains: &mut Chains, at: usize) {
        if let Some(bytes) = chains.src.bytes(at) {
            bytes[CTRL] = bytes[CTRL] & !CMD_MASK | CMD_HALT;
        }
    }

    fn misdirect(&self, chains: &mut Chains, at: usize) {
        if let Some(bytes) = chains.src.bytes(at) {
            bytes[NEXT] |= 4;
        }
    }

    fn bytes_halted(&self, transfer: &Transfer, _at: usize) -> u64 {
        self.bytes_done(transfer)
    }
}

/// Bytes of the next control block's address in a control block of the BCM2835.
const NEXT_BLOCK: core::ops::Range<usize> = 20..24;

impl Spoil for Bcm2835<'_> {
    fn link_pairs(&self, _pairs: Pairs<'_>, _chains: &mut Chains) {}

    fn halt(&self, chains: &mut Chains, at: usize) {
        if let Some(bytes) = chains.src.bytes(at) {
            // Only the last block interrupts, and hardware does not reach it.
            bytes[NEXT_BLOCK].fill(0);
        }
    }

    /// Does nothing: QEMU's model reports no errors.
    fn misdirect(&self, _chains: &mut Chains, _at: usize) {}

    /// Returns the spans up to that one: hardware found the end of its list there.
    fn bytes_halted(&self, transfer: &Transfer, at: usize) -> u64 {
        transfer.pairs().take(at + 1).map(|pair| pair.len).sum()
    }
}

/// What goes wrong, and behind which span.
#[derive(Clone, Copy)]
enum Fault {
    Halt(usize),
    Misdirect(usize),
}

impl Fault {
    /// Returns what is to go wrong in a copy of these source spans.
    fn of(src: &[Span]) -> Option<Self> {
        match src.len() {
            HALTS | STICKS => Some(Self::Halt(0)),
            FAULTS => Some(Self::Misdirect(0)),
            SWEPT => {
                let mut others = src
                    .iter()
                    .enumerate()
                    .filter(|(_, span)| span.len() != USUAL);
                let (at, span) = others.next()?;
                match span.len() {
                    _ if others.next().is_some() => None,
                    HALTS_HERE => Some(Self::Halt(at)),
                    FAULTS_HERE => Some(Self::Misdirect(at)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// An engine that fails on certain transfers.
struct Faulty<E> {
    engine: E,
    caps: Caps,
    in_pairs: bool,
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
        match Fault::of(src) {
            Some(Fault::Halt(at)) => self.engine.halt(chains, at),
            Some(Fault::Misdirect(at)) => self.engine.misdirect(chains, at),
            None => {}
        }
    }

    unsafe fn start(&self, transfer: &Transfer) {
        let spans = transfer.src().len();
        self.stuck.store(spans == STICKS, ordering::Relaxed);
        let refused = if spans == FLOODS { STORM } else { 0 };
        self.refused.store(refused, ordering::Relaxed);
        // SAFETY: The caller promises the same.
        unsafe { self.engine.start(transfer) };
        if spans == LOSES && transfer.src().iter().all(|span| span.len() == SHORTEST) {
            // QEMU has moved all by now.
            self.engine.acknowledge();
        }
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
        match Fault::of(transfer.src()) {
            Some(Fault::Halt(at)) => self.engine.bytes_halted(transfer, at),
            _ => self.engine.bytes_done(transfer),
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
            stuck: Atomic::new(false),
            refused: Atomic::new(0),
        },
        GFP_KERNEL,
    )?)
}
