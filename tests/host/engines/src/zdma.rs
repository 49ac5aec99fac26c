// SPDX-License-Identifier: GPL-2.0

//! A model of a ZDMA channel, after chapter "DMA Controller" of UG1085 and module `ZDMA` of UG1087;
//! for the offset of the interrupt registers of Versal Gen 2, after
//! `drivers/dma/xilinx/zynqmp_dma.c`.

use std::sync::{
    Arc,
    Mutex, //
};

use kernel::{
    clk,
    io::Registers,
    log,
    prelude::*, //
};

use crate::{
    bus,
    engine::{
        zdma,
        Attach,
        Engine,
        Outcome,
        Quiesced, //
    },
    jobs::{
        self,
        Job, //
    },
    raw, //
};

const ISR: usize = 0x100;
const IMR: usize = 0x104;
const IEN: usize = 0x108;
const IDS: usize = 0x10c;
const CTRL0: usize = 0x110;
const STATUS: usize = 0x11c;
const DATA_ATTR: usize = 0x120;
const DSCR_ATTR: usize = 0x124;
const SRC: usize = 0x128;
const DST: usize = 0x138;
const WR_ONLY: usize = 0x148;
const SRC_START: usize = 0x158;
const DST_START: usize = 0x160;
const TOTAL_BYTE: usize = 0x188;
const CTRL2: usize = 0x200;

const DONE: u32 = 1 << 10;
const BUSY: u32 = 2;

/// Returns whether a register is one of a transfer or of attributes, which keep the written value.
fn is_plain(offset: usize) -> bool {
    matches!(offset, CTRL0 | DATA_ATTR..0x168) && offset % 4 == 0
}

struct State {
    /// Offset of the interrupt registers from those of ZynqMP.
    shift: usize,
    /// Whether the channel stays busy after the next start.
    is_stuck: bool,
    isr: u32,
    imr: u32,
    status: u32,
    total: u32,
    plain: [u32; 0x168 / 4],
}

/// The model.
struct Channel(Mutex<State>);

impl State {
    /// Resets the channel.
    fn reset(&mut self) {
        (self.isr, self.imr, self.status, self.total) = (0, 0xfff, 0, 0);
        self.plain.fill(0);
        self.plain[DATA_ATTR / 4] = 0x0483_d20f;
    }

    fn address(&self, offset: usize) -> u64 {
        u64::from(self.plain[offset / 4]) | u64::from(self.plain[offset / 4 + 1]) << 32
    }

    /// Returns the address and the length of each span of the source or of the destination.
    fn side(&self, is_list: bool, words: usize, start: usize) -> Vec<(u64, usize)> {
        if !is_list {
            return vec![(self.address(words), self.plain[words / 4 + 2] as usize)];
        }
        let (mut at, mut spans) = (self.address(start), Vec::new());
        loop {
            let ctrl = bus::read_u32(at + 12);
            assert_eq!(ctrl & 2, 2, "not a linked descriptor");
            spans.push((bus::read_u64(at), bus::read_u32(at + 8) as usize));
            if ctrl >> 3 & 3 == 2 {
                return spans;
            }
            at = bus::read_u64(at + 16);
        }
    }

    fn start(&mut self) {
        self.status = BUSY;
        if self.is_stuck {
            return;
        }
        let ctrl0 = self.plain[CTRL0 / 4];
        let is_list = ctrl0 & 1 << 6 != 0;
        let dst = self.side(is_list, DST, DST_START);
        let total = dst.iter().map(|(_, len)| len).sum();
        let bytes: Vec<u8> = if ctrl0 >> 4 & 3 == 1 {
            let words = &self.plain[WR_ONLY / 4..][..4];
            let pattern = words.iter().flat_map(|word| word.to_le_bytes());
            pattern.cycle().take(total).collect()
        } else {
            let src = self.side(is_list, SRC, SRC_START);
            src.iter()
                .flat_map(|&(addr, len)| bus::read(addr, len))
                .collect()
        };
        assert_eq!(bytes.len(), total, "the sides differ");
        let mut bytes = &bytes[..];
        for (addr, len) in dst {
            bus::write(addr, &bytes[..len]);
            bytes = &bytes[len..];
        }
        self.total += total as u32;
        self.status = 0;
        self.isr |= DONE;
    }
}

impl Channel {
    fn new(shift: usize) -> Arc<Self> {
        let mut state = State {
            shift,
            is_stuck: false,
            isr: 0,
            imr: 0,
            status: 0,
            total: 0,
            plain: [0; 0x168 / 4],
        };
        state.reset();
        Arc::new(Self(Mutex::new(state)))
    }

    /// Returns whether the channel asserts its interrupt.
    fn interrupts(&self) -> bool {
        let state = self.0.lock().expect("no thread has panicked");
        state.isr & !state.imr != 0
    }

    /// Loses power, and gets it back.
    fn lose_power(&self) {
        self.0.lock().expect("no thread has panicked").reset();
    }

    fn stick(&self) {
        self.0.lock().expect("no thread has panicked").is_stuck = true;
    }
}

impl Registers for Channel {
    fn read(&self, offset: usize) -> u32 {
        let state = self.0.lock().expect("no thread has panicked");
        match offset {
            _ if offset == ISR + state.shift => state.isr,
            _ if offset == IMR + state.shift => state.imr,
            STATUS => state.status,
            TOTAL_BYTE => state.total,
            _ if is_plain(offset) => state.plain[offset / 4],
            _ => panic!("no register at {offset:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut state = self.0.lock().expect("no thread has panicked");
        match offset {
            _ if offset == ISR + state.shift => state.isr &= !value,
            _ if offset == IEN + state.shift => state.imr &= !value,
            _ if offset == IDS + state.shift => state.imr |= value,
            TOTAL_BYTE => state.total &= !value,
            CTRL2 if value & 1 != 0 => state.start(),
            CTRL2 => {}
            _ if is_plain(offset) => state.plain[offset / 4] = value,
            _ => panic!("no register to write at {offset:#x}"),
        }
    }
}

/// For each chip, the function that sets it up and the offset of its interrupt registers.
const CHIPS: [(Attach, usize); 2] = [(zdma::attach, 0), (zdma::attach_versal2, 0x308)];

/// Runs `test` on a channel of each chip that snoops the CPU's caches.
fn on_each_chip(test: fn(&Channel, &dyn Engine)) {
    raw::set_dma_coherent(true);
    for (attach, shift) in CHIPS {
        let channel = Channel::new(shift);
        let engine = jobs::attach(attach, channel.clone()).expect("it is idle");
        test(&channel, &*engine);
    }
}

#[test]
fn registers_and_lists_are_copied() {
    on_each_chip(|_, engine| {
        Job::new(engine, &[61], &[61]).run(engine);
        Job::new(engine, &[64, 3, 61], &[28, 100]).run(engine);
        // Needs more than one block of descriptors.
        Job::new(engine, &[8; 100], &[16; 50]).run(engine);
    });
}

#[test]
fn destination_is_filled() {
    on_each_chip(|_, engine| Job::new(engine, &[], &[77]).run(engine));
}

#[test]
fn end_of_a_job_interrupts_until_it_is_acknowledged() {
    on_each_chip(|channel, engine| {
        assert!(!channel.interrupts());
        let job = Job::new(engine, &[16], &[16]);
        job.start(engine);
        assert!(channel.interrupts());
        assert_eq!(engine.acknowledge(), Outcome::Done);
        assert!(!channel.interrupts());
        assert_eq!(engine.bytes_done(&job.transfer), 16);
    });
}

#[test]
fn what_power_loss_leaves_is_restored() {
    on_each_chip(|channel, engine| {
        let attributes = || [DATA_ATTR, DSCR_ATTR].map(|offset| channel.read(offset));
        let right = attributes();
        channel.lose_power();
        assert_ne!(attributes(), right);
        assert_eq!(engine.quiesce(0), Ok(Quiesced::Clean));
        engine.restore();
        assert_eq!(attributes(), right);
        Job::new(engine, &[16], &[16]).start(engine);
        assert!(channel.interrupts(), "interrupts are masked");
    });
}

#[test]
fn channel_that_was_stopped_does_not_interrupt_until_it_is_restored() {
    on_each_chip(|channel, engine| {
        assert_eq!(engine.quiesce(0), Ok(Quiesced::Clean));
        let job = Job::new(engine, &[16], &[16]);
        job.start(engine);
        assert!(!channel.interrupts());
        assert_eq!(engine.quiesce(16), Ok(Quiesced::Clean));
        engine.restore();
        job.start(engine);
        assert!(channel.interrupts());
    });
}

#[test]
fn channel_that_snoops_says_so_in_all_attributes() {
    on_each_chip(|channel, _| {
        assert_eq!(channel.read(DATA_ATTR), 0x07c3_df0f);
        assert_eq!(channel.read(DSCR_ATTR), 0x1f0);
    });
}

#[test]
fn channel_that_does_not_snoop_has_the_attributes_of_a_reset() {
    raw::set_dma_coherent(false);
    for (attach, shift) in CHIPS {
        let channel = Channel::new(shift);
        channel.write(DATA_ATTR, 0);
        channel.write(DSCR_ATTR, 0x1f0);
        let engine = jobs::attach(attach, channel.clone()).expect("it is idle");
        assert_eq!(channel.read(DATA_ATTR), 0x0483_d20f);
        assert_eq!(channel.read(DSCR_ATTR), 0);
        Job::new(&*engine, &[16], &[16]).run(&*engine);
    }
}

#[test]
fn clocks_that_fail_are_told_in_the_log_unless_they_come_later() {
    for (error, lines) in [(EBUSY, 1), (ENODEV, 1), (ENXIO, 1), (EPROBE_DEFER, 0)] {
        clk::set_answer(Err(error));
        let refused = jobs::attach(zdma::attach, Channel::new(0));
        assert_eq!(refused.err(), Some(error));
        assert_eq!(log::take_lines(), lines, "{error:?}");
    }
    clk::set_answer(Ok(()));
}

#[test]
fn channel_that_is_busy_for_ever_is_told() {
    on_each_chip(|channel, engine| {
        channel.stick();
        Job::new(engine, &[16], &[16]).start(engine);
        assert_eq!(engine.quiesce(16), Err(ETIMEDOUT));
        assert!(!channel.interrupts());
    });
}
