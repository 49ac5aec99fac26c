// SPDX-License-Identifier: GPL-2.0

//! Jobs for an engine, prepared as the core does it.

use std::marker::PhantomData;

use kernel::{
    device::Bound,
    io::Registers,
    platform,
    prelude::*,
    sync::Arc, //
};

use crate::{
    bus,
    dma::{
        chain::{
            Chains,
            DESCRIPTORS_PER_BLOCK, //
        },
        pool::DmaPool,
        span::Span,
        transfer::Transfer, //
    },
    engine::{
        Attach,
        Engine,
        Outcome, //
    }, //
};

/// Returns a device with these registers.
pub(crate) fn device(registers: std::sync::Arc<dyn Registers>) -> platform::Device<Bound> {
    platform::Device::new(0x3f00_7400, registers)
}

/// Sets up an engine that lives as long as the test.
pub(crate) fn attach(
    attach: Attach,
    registers: std::sync::Arc<dyn Registers>,
) -> Result<KBox<dyn Engine + 'static>> {
    attach(Box::leak(Box::new(device(registers))))
}

/// Runs copies of random lists on an engine, whose lengths are multiples of `unit`.
pub(crate) fn run_random(engine: &dyn Engine, unit: usize, seed: u64) {
    let mut state = seed * 2 + 1;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // CAST: Less than `limit`.
        ((state >> 16) % limit as u64) as usize
    };
    let mut cut = |total: usize, pieces: usize| -> Vec<usize> {
        let mut left = total - pieces;
        let mut lens: Vec<usize> = (1..pieces)
            .map(|_| {
                let more = below(left + 1);
                left -= more;
                1 + more
            })
            .collect();
        lens.push(1 + left);
        lens.iter().map(|len| len * unit).collect()
    };
    // Long and short lists by turns: the transfer and its chains are those of the job before.
    let sizes = [
        (1, 1),
        (40, 3),
        (1, 7),
        (64, 65),
        (7, 1),
        (33, 32),
        (2, 1),
        (32, 64),
    ];
    let mut transfer = Transfer::default();
    for (src, dst) in sizes {
        let (src, dst) = (spans(&cut(300, src)), spans(&cut(300, dst)));
        let job = Job::with(engine, transfer, src, dst);
        job.run(engine);
        transfer = job.transfer;
    }
}

/// Allocates memory in pieces of these lengths.
fn spans(lens: &[usize]) -> Vec<Span> {
    let span = |&len: &usize| Span::new(bus::allocate(len), len as u64);
    lens.iter().map(span).collect()
}

/// A copy, or a fill if there is no source.
pub(crate) struct Job {
    pub(crate) transfer: Transfer,
    pub(crate) src: Vec<Span>,
    pub(crate) dst: Vec<Span>,
}

impl Job {
    /// Allocates memory in pieces of these lengths, fills the sources, and writes the descriptors.
    pub(crate) fn new(engine: &dyn Engine, src: &[usize], dst: &[usize]) -> Self {
        Self::with(engine, Transfer::default(), spans(src), spans(dst))
    }

    /// Fills the sources, and writes the descriptors into a transfer that was used before.
    fn with(engine: &dyn Engine, transfer: Transfer, src: Vec<Span>, dst: Vec<Span>) -> Self {
        for (index, span) in src.iter().enumerate() {
            // Not zero, and not the same again at any power of two.
            let byte = |at: u64| {
                let place = (index as u64) << 32 | at;
                (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 | 1
            };
            bus::write(span.addr(), &(0..span.len()).map(byte).collect::<Vec<_>>());
        }
        Self::of(engine, transfer, src, dst)
    }

    /// Writes descriptors for addresses at which there need not be memory.
    pub(crate) fn of(
        engine: &dyn Engine,
        mut transfer: Transfer,
        src: Vec<Span>,
        dst: Vec<Span>,
    ) -> Self {
        transfer.clear(src.is_empty().then_some(0x5a));
        let max = engine.caps().max_span;
        transfer
            .push_src(src.iter().copied(), max)
            .expect("there is memory");
        transfer
            .push_dst(dst.iter().copied(), max)
            .expect("there is memory");
        let need = engine.descriptors(&transfer);
        if need.src != 0 || need.dst != 0 {
            let layout = engine.caps().layout;
            let pool = DmaPool {
                block_size: layout.size * DESCRIPTORS_PER_BLOCK,
                device: PhantomData,
            };
            let pool = Arc::new(pool, GFP_KERNEL).expect("there is memory");
            let chains = transfer.chains.get_or_insert_with(|| {
                KBox::new(Chains::new(layout), GFP_KERNEL).expect("there is memory")
            });
            // SAFETY: No device will be unbound.
            unsafe { chains.src.reserve(&pool, need.src) }.expect("there is memory");
            // SAFETY: As above.
            unsafe { chains.dst.reserve(&pool, need.dst) }.expect("there is memory");
            engine.encode(&mut transfer);
        } else {
            transfer.chains = None;
        }
        Self { transfer, src, dst }
    }

    /// Starts the job on the engine.
    pub(crate) fn start(&self, engine: &dyn Engine) {
        // SAFETY: Tests start one job at a time, and no memory is freed.
        unsafe { engine.start(&self.transfer) };
    }

    /// Returns the first bytes of the destination, as far as they are those of the source.
    pub(crate) fn arrived(&self) -> usize {
        let (src, dst) = (Self::bytes_of(&self.src), Self::bytes_of(&self.dst));
        src.iter().zip(&dst).take_while(|(a, b)| a == b).count()
    }

    fn bytes_of(spans: &[Span]) -> Vec<u8> {
        spans
            .iter()
            .flat_map(|span| bus::read(span.addr(), span.len() as usize))
            .collect()
    }

    /// Returns whether all bytes have arrived.
    pub(crate) fn has_arrived(&self) -> bool {
        let dst = Self::bytes_of(&self.dst);
        if self.src.is_empty() {
            dst.iter().all(|&byte| byte == 0x5a)
        } else {
            Self::bytes_of(&self.src) == dst
        }
    }

    /// Runs the job, and checks its interrupt and its bytes.
    pub(crate) fn run(&self, engine: &dyn Engine) {
        self.start(engine);
        assert_eq!(engine.acknowledge(), Outcome::Done);
        assert_eq!(engine.acknowledge(), Outcome::NotMine, "said twice");
        assert!(self.has_arrived(), "wrong bytes");
    }
}
