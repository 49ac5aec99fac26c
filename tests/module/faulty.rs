// SPDX-License-Identifier: GPL-2.0

//! A channel whose hardware really goes wrong.
//!
//! It works as ZDMA does, except for copies with certain numbers of source spans, whose descriptors
//! are spoilt before hardware sees them:
//!
//! | spans | what is done | what hardware does |
//! |---|---|---|
//! | [`HALTS`] | the first descriptor says HALT instead of going on | pauses behind the first span, for ever |
//! | [`FAULTS`] | the second descriptor's address is misaligned | reports a bus error reading a descriptor |
//! | [`STICKS`] | as `HALTS`, and [`Engine::quiesce`] leaves it so | stays paused whatever the core does |
//!
//! Besides, it may be one whose descriptors have a source and a destination each, and that takes
//! short spans only.

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
    engine::{
        zdma::Zdma,
        Caps,
        Descriptors,
        Engine,
        Outcome,
        Rest, //
    },
    transfer::{
        Pairs,
        Span,
        Transfer, //
    }, //
};

/// Source spans of a copy that pauses.
pub(crate) const HALTS: usize = 2;
/// Source spans of a copy that meets a bus error.
pub(crate) const FAULTS: usize = 3;
/// Source spans of a copy that pauses and cannot be stopped.
const STICKS: usize = 4;

/// Longest span in bytes of an engine that takes short ones only: an odd number, less than a page.
const SHORT: u64 = 3001;

/// Where a ZDMA descriptor has its control word and the address of the next one, and the commands
/// in the former (UG1085, "Linked-list Mode").
const CTRL: usize = 12;
const NEXT: usize = 16;
const CMD_MASK: u8 = 3 << 3;
const CMD_HALT: u8 = 1 << 3;

/// A ZDMA channel that does not always work.
struct Faulty<'bound> {
    zdma: Zdma<'bound>,
    caps: Caps,
    in_pairs: bool,
    stuck: Atomic<bool>,
}

// SAFETY: As for `Zdma`, which does all the work. That a channel is said not to stop although it
// might is no breach; that it reads descriptors of its own chain only, the changes below leave as
// it is.
unsafe impl Engine for Faulty<'_> {
    fn caps(&self) -> &Caps {
        &self.caps
    }

    fn descriptors(&self, transfer: &Transfer) -> Descriptors {
        let native = self.zdma.descriptors(transfer);
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
        self.zdma.encode(transfer);
        let nr_src = transfer.src().len();
        let (src, dst, Some(chains)) = transfer.encoder() else {
            return;
        };
        if self.in_pairs {
            let pairs = Pairs::new(src, dst);
            let src = pairs.clone().map(|pair| Span::new(pair.src, pair.len));
            self.zdma.link(src, &mut chains.src);
            let dst = pairs.map(|pair| Span::new(pair.dst, pair.len));
            self.zdma.link(dst, &mut chains.dst);
        }
        let Some(first) = chains.src.bytes(0) else {
            return;
        };
        match nr_src {
            HALTS | STICKS => first[CTRL] = first[CTRL] & !CMD_MASK | CMD_HALT,
            FAULTS => first[NEXT] |= 4,
            _ => {}
        }
    }

    unsafe fn start(&self, transfer: &Transfer) {
        let sticks = transfer.src().len() == STICKS;
        self.stuck.store(sticks, ordering::Relaxed);
        // SAFETY: The caller promises the same.
        unsafe { self.zdma.start(transfer) };
    }

    fn acknowledge(&self) -> Outcome {
        self.zdma.acknowledge()
    }

    fn bytes_done(&self, transfer: &Transfer) -> u64 {
        self.zdma.bytes_done(transfer)
    }

    fn quiesce(&self, bytes: u64) -> Result<Rest> {
        if self.stuck.load(ordering::Relaxed) {
            return Err(ETIMEDOUT);
        }
        self.zdma.quiesce(bytes)
    }
}

/// A channel with ZDMA's own lists.
pub(crate) fn attach<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    let zdma = Zdma::new(pdev)?;
    let caps = *zdma.caps();
    new(zdma, caps, false)
}

/// A channel with a list of pairs and short spans.
pub(crate) fn attach_in_pairs<'bound>(
    pdev: &'bound platform::Device<Bound>,
) -> Result<KBox<dyn Engine + 'bound>> {
    let zdma = Zdma::new(pdev)?;
    let caps = Caps {
        max_span: SHORT,
        ..*zdma.caps()
    };
    new(zdma, caps, true)
}

fn new<'bound>(
    zdma: Zdma<'bound>,
    caps: Caps,
    in_pairs: bool,
) -> Result<KBox<dyn Engine + 'bound>> {
    Ok(KBox::new(
        Faulty {
            zdma,
            caps,
            in_pairs,
            stuck: Atomic::new(false),
        },
        GFP_KERNEL,
    )?)
}
