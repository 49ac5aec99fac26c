// SPDX-License-Identifier: GPL-2.0

//! A channel whose hardware really goes wrong.
//!
//! It works as its engine does, except for copies with certain numbers of source spans, whose
//! descriptors are spoilt before hardware sees them:
//!
//! | spans | what is done | what hardware does |
//! |---|---|---|
//! | [`HALTS`] | [`Spoil::halt`]: the list ends behind its first descriptor | moves the first span, and says nothing |
//! | [`FAULTS`] | [`Spoil::misdirect`]: the second descriptor's address is wrong | reports a bus error, if it can |
//! | [`STICKS`] | as `HALTS`, and [`Engine::quiesce`] leaves it so | the same, whatever the core does |
//! | [`FLOODS`] | nothing; the first [`STORM`] interrupts are not served | holds its interrupt line meanwhile |
//!
//! Besides, it may take short spans only, be one whose descriptors have a source and a destination
//! each, or have too few address bits for any memory.

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

/// Interrupts that are left to others on the line, who do not want them: a storm, and less than what
/// makes the kernel switch the line off (100,000).
const STORM: u32 = 10_000;

/// Address bits of an engine that reaches too little memory: the kernel always has some above.
const NARROW: u32 = 20;

/// Longest span in bytes of an engine that takes short ones only: less than a page, and a multiple
/// of what any engine takes.
pub(crate) const SHORT: u64 = 3000;

/// An engine whose descriptors can be spoilt.
trait Spoil: Engine {
    /// Writes descriptors for lists cut at each other's ends, if that is not the engine's own way.
    fn link_pairs(&self, pairs: Pairs<'_>, chains: &mut Chains);

    /// Lets hardware stop behind the first descriptor, and not say so.
    fn halt(&self, chains: &mut Chains);

    /// Gives the second descriptor an address that hardware reports.
    fn misdirect(&self, chains: &mut Chains);

    /// Bytes of `transfer`, which was halted.
    fn bytes_halted(&self, transfer: &Transfer) -> u64;
}

/// Where a ZDMA descriptor has its control word and the address of the next one, and the commands
/// in the former (UG1085, "Linked-list Mode").
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

/// Where a control block of the BCM2835 has the address of the next one.
const NEXT_BLOCK: core::ops::Range<usize> = 20..24;

impl Spoil for Bcm2835<'_> {
    fn link_pairs(&self, _pairs: Pairs<'_>, _chains: &mut Chains) {}

    fn halt(&self, chains: &mut Chains) {
        if let Some(first) = chains.src.bytes(0) {
            // Only the last block interrupts, and hardware does not come to it.
            first[NEXT_BLOCK].fill(0);
        }
    }

    /// Its model in QEMU has no errors.
    fn misdirect(&self, _chains: &mut Chains) {}

    /// To hardware it was at the end.
    fn bytes_halted(&self, transfer: &Transfer) -> u64 {
        transfer.pairs().next().map_or(0, |pair| pair.len)
    }
}

/// A channel that does not always work.
struct Faulty<E> {
    engine: E,
    caps: Caps,
    in_pairs: bool,
    halted: Atomic<bool>,
    stuck: Atomic<bool>,
    /// Interrupts that are still not to be served.
    refused: Atomic<u32>,
}

// SAFETY: As for the engine within, which does all the work. That a channel is said not to stop
// although it might is no breach; that it reads descriptors of its own chains only, the changes below
// leave as it is.
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
        // The channel calls this under its lock.
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

/// A ZDMA channel with its own lists.
pub(crate) fn zdma<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, false, |_| {})
}

/// A ZDMA channel with a list of pairs and short spans.
pub(crate) fn zdma_in_pairs<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, true, |caps| caps.max_span = SHORT)
}

/// A ZDMA channel with few address bits.
pub(crate) fn zdma_narrow<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(<Zdma<'_>>::new(pdev)?, false, |caps| {
        caps.address_bits = NARROW
    })
}

/// A channel of the BCM2835.
pub(crate) fn bcm2835<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(Bcm2835::new(pdev)?, false, |_| {})
}

/// The same with short spans.
pub(crate) fn bcm2835_short<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    new(Bcm2835::new(pdev)?, false, |caps| caps.max_span = SHORT)
}

/// The same with few address bits.
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
