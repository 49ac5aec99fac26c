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
    io::{
        poll,
        Registers, //
    },
    log,
    prelude::*,
    time::Delta, //
};

use crate::{
    bus,
    dma::{
        span::Span,
        transfer::Transfer, //
    },
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

const PAUSE: u32 = 1 << 11;
const DONE: u32 = 1 << 10;
/// Errors of the bus: while data are written and read, and while a descriptor of the destination
/// and of the source is read.
const BUS_ERRORS: [u32; 4] = [1 << 9, 1 << 8, 1 << 7, 1 << 6];
const PAUSED: u32 = 1;
const BUSY: u32 = 2;
const FAILED: u32 = 3;

/// Returns whether a register is one of a transfer or of attributes, which keep the written value.
fn is_plain(offset: usize) -> bool {
    matches!(offset, CTRL0 | DATA_ATTR..0x168) && offset % 4 == 0
}

struct State {
    /// Offset of the interrupt registers from those of ZynqMP.
    shift: usize,
    /// Whether accesses snoop the CPU's caches, as the device tree says.
    is_coherent: bool,
    /// Whether the channel stays busy after the next start.
    is_stuck: bool,
    /// How many reads of STATUS find the channel busy after a start, before it moves all data.
    busy_reads: usize,
    /// The interrupts with which the next transfer stops before its end, and the bytes that it has
    /// moved by then.
    stops: Option<(u32, usize)>,
    /// All writes to registers, in their order.
    writes: Vec<(usize, u32)>,
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
        let coherent = u32::from(self.is_coherent);
        if !is_list {
            let [size, ctrl] = [2, 3].map(|word| self.plain[words / 4 + word]);
            assert_eq!(size >> 30, 0, "the size has 30 bits");
            assert_eq!(ctrl, coherent, "word 3 of a register transfer");
            return vec![(self.address(words), size as usize)];
        }
        let (mut at, mut spans) = (self.address(start), Vec::new());
        loop {
            // Otherwise the channel reports an error of the bus (UG1085, "Linked-list Mode").
            assert_eq!(at % 32, 0, "where a descriptor is");
            let (size, ctrl) = (bus::read_u32(at + 8), bus::read_u32(at + 12));
            assert_eq!(size >> 30, 0, "the size has 30 bits");
            assert_ne!(size, 0, "an empty descriptor");
            // Linked, without an interrupt; with the command to go on, or to stop.
            assert_eq!(ctrl & !(3 << 3), 2 | coherent, "control of a descriptor");
            assert_eq!(bus::read_u64(at + 24), 0, "reserved");
            spans.push((bus::read_u64(at), size as usize));
            let next = bus::read_u64(at + 16);
            match ctrl >> 3 & 3 {
                0 => at = next,
                2 => {
                    assert_eq!(next, 0, "behind the last descriptor");
                    return spans;
                }
                command => panic!("command {command}"),
            }
        }
    }

    fn start(&mut self) {
        self.status = BUSY;
        if !self.is_stuck && self.busy_reads == 0 {
            self.work();
        }
    }

    /// Does the transfer, or the part of it that the channel is to do.
    fn work(&mut self) {
        let ctrl0 = self.plain[CTRL0 / 4];
        let is_list = ctrl0 & 1 << 6 != 0;
        let dst = self.side(is_list, DST, DST_START);
        // A write-only transfer has the length of the source, too.
        let src = self.side(is_list, SRC, SRC_START);
        let length = |spans: &[(u64, usize)]| spans.iter().map(|(_, len)| len).sum();
        let total: usize = length(&dst);
        assert_eq!(length(&src), total, "the sides differ");
        assert_eq!(
            self.total, 0,
            "the counter counts from the last transfer on"
        );
        let (isr, moved) = self.stops.take().unwrap_or((DONE, total));
        let mut left = moved;
        let bytes: Vec<u8> = if ctrl0 >> 4 & 3 == 1 {
            let words = &self.plain[WR_ONLY / 4..][..4];
            let pattern = words.iter().flat_map(|word| word.to_le_bytes());
            pattern.cycle().take(moved).collect()
        } else {
            let read = |(addr, len): (u64, usize)| {
                let part = len.min(left);
                left -= part;
                bus::read(addr, part)
            };
            // No memory is needed for what is not moved.
            src.into_iter()
                .take(if moved == 0 { 0 } else { usize::MAX })
                .flat_map(read)
                .collect()
        };
        let mut bytes = &bytes[..];
        for (addr, len) in dst {
            let part = len.min(bytes.len());
            if part == 0 {
                break;
            }
            bus::write(addr, &bytes[..part]);
            bytes = &bytes[part..];
        }
        self.total += moved as u32;
        self.isr |= isr;
        self.status = match isr {
            _ if BUS_ERRORS.iter().any(|error| isr & error != 0) => FAILED,
            _ if isr & PAUSE != 0 => PAUSED,
            _ => 0,
        };
    }
}

impl Channel {
    fn new(shift: usize) -> Arc<Self> {
        // More than 32 bits.
        bus::move_to(0x5a5_c010_0000);
        let mut state = State {
            shift,
            is_coherent: raw::dma_coherent(),
            is_stuck: false,
            busy_reads: 0,
            stops: None,
            writes: Vec::new(),
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

    /// Lets the next transfer stop when it has moved so many bytes, with these interrupts.
    fn stop_after(&self, moved: usize, isr: u32) {
        self.0.lock().expect("no thread has panicked").stops = Some((isr, moved));
    }

    /// Returns what was written to registers since the last call.
    fn take_writes(&self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.0.lock().expect("no thread has panicked").writes)
    }

    /// Returns the interrupts, and clears them.
    fn take_isr(&self) -> u32 {
        std::mem::take(&mut self.0.lock().expect("no thread has panicked").isr)
    }

    fn status(&self) -> u32 {
        self.0.lock().expect("no thread has panicked").status
    }

    /// Lets the next transfer take some time.
    fn be_slow(&self) {
        self.0.lock().expect("no thread has panicked").busy_reads = 2;
    }

    /// Sets all bits of all registers of a transfer and of attributes, as a boot loader may.
    fn spoil(&self) {
        self.0
            .lock()
            .expect("no thread has panicked")
            .plain
            .fill(u32::MAX);
    }

    fn stick(&self) {
        self.0.lock().expect("no thread has panicked").is_stuck = true;
    }
}

impl Registers for Channel {
    fn read(&self, offset: usize) -> u32 {
        let mut state = self.0.lock().expect("no thread has panicked");
        match offset {
            _ if offset == ISR + state.shift => state.isr,
            _ if offset == IMR + state.shift => state.imr,
            STATUS => {
                let status = state.status;
                if status == BUSY && state.busy_reads != 0 {
                    state.busy_reads -= 1;
                    state.start();
                }
                status
            }
            TOTAL_BYTE => state.total,
            _ if is_plain(offset) => state.plain[offset / 4],
            _ => panic!("no register at {offset:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut state = self.0.lock().expect("no thread has panicked");
        let interrupts = ISR + state.shift..=IDS + state.shift;
        let shift = if interrupts.contains(&offset) {
            state.shift
        } else {
            0
        };
        state.writes.push((offset - shift, value));
        match offset {
            _ if offset == ISR + state.shift => state.isr &= !value,
            _ if offset == IEN + state.shift => state.imr &= !value,
            _ if offset == IDS + state.shift => state.imr |= value,
            TOTAL_BYTE => state.total &= !value,
            CTRL2 if value & 1 != 0 => {
                // Mode of operation: reads beyond the end of a source, and neither rate control nor
                // a request of a peripheral.
                let mode = state.plain[CTRL0 / 4];
                assert_eq!(mode & !(1 << 6 | 3 << 4), 1 << 7, "CTRL0 at a start");
                state.start();
            }
            CTRL2 => {}
            // A pause ends with CTRL0.cont; as CTRL2.en is clear, the channel is disabled then.
            CTRL0 if value & 2 != 0 && state.status == PAUSED => {
                assert_eq!(
                    state.writes[state.writes.len() - 2],
                    (CTRL2, 0),
                    "it would go on"
                );
                state.status = 0;
                state.plain[CTRL0 / 4] = value;
            }
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
        channel.take_writes();
        assert_eq!(engine.quiesce(16), Err(ETIMEDOUT));
        // Only a paused channel is told to leave its pause.
        assert_eq!(channel.take_writes(), [(IDS, 0xfff)]);
        assert!(!channel.interrupts());
    });
}

#[test]
fn random_lists_are_copied() {
    for is_coherent in [false, true] {
        raw::set_dma_coherent(is_coherent);
        for seed in 0..4 {
            let engine = jobs::attach(zdma::attach, Channel::new(0)).expect("it is idle");
            jobs::run_random(&*engine, 1, seed);
        }
    }
}

#[test]
fn descriptors_are_those_of_the_manual() {
    for (is_coherent, ctrl) in [(false, [0x02, 0x12]), (true, [0x03, 0x13])] {
        raw::set_dma_coherent(is_coherent);
        let engine = jobs::attach(zdma::attach, Channel::new(0)).expect("it is idle");
        let job = Job::new(&*engine, &[0x123, 0x45], &[0x168]);
        let chains = job.transfer.chains.as_ref().expect("it has descriptors");
        let at = chains.src.address(0);
        for (index, span) in job.src.iter().enumerate() {
            let mut bytes = span.addr().to_le_bytes().to_vec();
            bytes.extend([[0x23, 0x01, 0, 0], [0x45, 0, 0, 0]][index]);
            bytes.extend([ctrl[index], 0, 0, 0]);
            bytes.extend([at + 32, 0][index].to_le_bytes());
            bytes.extend([0; 8]);
            assert_eq!(bus::read(chains.src.address(index), 32), bytes);
        }
    }
}

#[test]
fn each_interrupt_is_what_the_manual_says() {
    on_each_chip(|channel, engine| {
        let job = Job::new(engine, &[64, 64], &[128]);
        for isr in 0..1 << 12 {
            let outcome = if BUS_ERRORS.iter().any(|error| isr & error != 0) {
                Outcome::Fault
            } else {
                match isr & (DONE | PAUSE) {
                    DONE => Outcome::Done,
                    // The descriptors before the pause are done, but not the list.
                    0xc00 => Outcome::Unfinished,
                    // Unused here, or without an interrupt.
                    _ => Outcome::NotMine,
                }
            };
            channel.stop_after(64, isr);
            job.start(engine);
            let interrupts = outcome != Outcome::NotMine;
            assert_eq!(channel.interrupts(), interrupts, "ISR {isr:#x}");
            channel.take_writes();
            assert_eq!(engine.acknowledge(), outcome, "ISR {isr:#x}");
            assert_eq!(
                channel.take_writes().is_empty(),
                !interrupts,
                "ISR {isr:#x}"
            );
            assert!(!channel.interrupts(), "ISR {isr:#x}");
            // An error that was acknowledged is not told once more. A pause is found and left.
            assert_eq!(engine.quiesce(128), Ok(Quiesced::Clean), "ISR {isr:#x}");
            assert_ne!(channel.status(), PAUSED, "ISR {isr:#x}");
            assert_eq!(channel.take_isr(), 0, "ISR {isr:#x}");
            engine.restore();
        }
    });
}

#[test]
fn error_that_was_not_acknowledged_is_found_when_the_channel_is_stopped() {
    on_each_chip(|channel, engine| {
        for isr in BUS_ERRORS {
            channel.stop_after(64, isr);
            Job::new(engine, &[64, 64], &[128]).start(engine);
            assert_eq!(engine.quiesce(128), Ok(Quiesced::Faulted));
            assert_eq!(engine.quiesce(128), Ok(Quiesced::Clean), "said twice");
            engine.restore();
            Job::new(engine, &[61], &[61]).run(engine);
        }
    });
}

#[test]
fn done_and_paused_at_once_is_not_the_end_of_the_list() {
    on_each_chip(|channel, engine| {
        channel.stop_after(64, DONE | PAUSE);
        Job::new(engine, &[64, 64], &[128]).start(engine);
        assert_eq!(engine.acknowledge(), Outcome::Unfinished);
        assert_eq!(engine.acknowledge(), Outcome::NotMine);
    });
}

#[test]
fn bytes_are_counted_wherever_a_list_stops() {
    on_each_chip(|channel, engine| {
        for moved in 0..=100 {
            let job = Job::new(engine, &[20, 30, 50], &[60, 40]);
            channel.stop_after(moved, PAUSE);
            job.start(engine);
            assert_eq!(channel.status(), PAUSED);
            assert_eq!(engine.quiesce(100), Ok(Quiesced::Clean));
            assert_eq!(channel.status(), 0, "still paused");
            assert_eq!(engine.bytes_done(&job.transfer), moved as u64);
            assert!(job.arrived() >= moved);
            engine.restore();
        }
        Job::new(engine, &[20, 30, 50], &[60, 40]).run(engine);
    });
}

#[test]
fn interrupts_are_masked_first_when_the_channel_is_stopped() {
    on_each_chip(|channel, engine| {
        channel.take_writes();
        assert_eq!(engine.quiesce(0), Ok(Quiesced::Clean));
        let writes = channel.take_writes();
        assert_eq!(writes[0], (IDS, 0xfff));
        // At the end it is disabled, and would not go on after a pause.
        assert!(writes.contains(&(CTRL2, 0)));
        let mode = writes.iter().rev().find(|(offset, _)| *offset == CTRL0);
        assert_eq!(mode.map(|(_, value)| value & 2), Some(0));
        engine.restore();
        let enabled = (IEN, DONE | BUS_ERRORS.iter().sum::<u32>());
        assert!(channel.take_writes().contains(&enabled));
    });
}

#[test]
fn channel_is_enabled_by_the_last_write_of_a_start() {
    on_each_chip(|channel, engine| {
        for (src, dst) in [
            (&[61][..], &[61][..]),
            (&[9, 9][..], &[18][..]),
            (&[][..], &[77][..]),
        ] {
            let job = Job::new(engine, src, dst);
            channel.take_writes();
            job.start(engine);
            let writes = channel.take_writes();
            assert_eq!(
                writes[writes.len() - 2..],
                [(TOTAL_BYTE, u32::MAX), (CTRL2, 1)]
            );
            assert_eq!(engine.acknowledge(), Outcome::Done);
        }
    });
}

#[test]
fn long_span_is_cut_where_the_length_field_ends() {
    on_each_chip(|channel, engine| {
        // There is no memory at these addresses, and nothing is moved.
        let (src, dst) = (0x12_3456_7890, 0x7f_ffff_ff01);
        let job = |transfer, len| {
            let [src, dst] = [src, dst].map(|addr| vec![Span::new(addr, len)]);
            Job::of(engine, transfer, src, dst)
        };
        let long = job(Transfer::default(), 0x8000_0001);
        let chains = long.transfer.chains.as_ref().expect("it has descriptors");
        let pieces = [
            (0x12_3456_7890, 0x80_0000_0000 - 0xff, 0x3fff_f000),
            (0x12_7456_6890, 0x80_3fff_ef01, 0x3fff_f000),
            (0x12_b456_5890, 0x80_7fff_df01, 0x2001),
        ];
        for (index, (src, dst, size)) in pieces.into_iter().enumerate() {
            for (chain, addr) in [(&chains.src, src), (&chains.dst, dst)] {
                let at = chain.address(index);
                assert_eq!(bus::read_u64(at), addr, "address of {index}");
                assert_eq!(bus::read_u32(at + 8), size, "size of {index}");
            }
        }
        channel.stop_after(0, DONE);
        long.start(engine);
        // The longest that registers take, and a byte more.
        let longer = job(long.transfer, 0x3fff_f001);
        let need = engine.descriptors(&longer.transfer);
        assert_eq!((need.src, need.dst), (2, 2));
        let longest = job(longer.transfer, 0x3fff_f000);
        let need = engine.descriptors(&longest.transfer);
        assert_eq!((need.src, need.dst), (0, 0));
        channel.stop_after(0, DONE);
        longest.start(engine);
        for (words, addr) in [(SRC, src), (DST, dst)] {
            let word = |index: usize| channel.read(words + 4 * index);
            assert_eq!(u64::from(word(0)) | u64::from(word(1)) << 32, addr);
            assert_eq!(word(2), 0x3fff_f000);
        }

        let caps = engine.caps();
        assert_eq!(caps.max_span, (1 << 30) - 4096);
        assert_eq!(caps.max_transfer, 0xffff_ffff);
        assert_eq!(caps.address_bits, 44);
        assert_eq!((caps.layout.size, caps.layout.align), (32, 32));
        assert!(caps.fill && caps.fault_irq);
        assert_eq!(caps.alignment, 1);
    });
}

#[test]
fn one_span_and_a_fill_need_no_descriptors() {
    on_each_chip(|_, engine| {
        for (src, dst, list) in [(1, 1, 0), (0, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1)] {
            let job = Job::new(engine, &vec![24 / src.max(1); src], &vec![24 / dst; dst]);
            let need = engine.descriptors(&job.transfer);
            assert_eq!(
                (need.src, need.dst),
                (list * src, list * dst),
                "{src} to {dst}"
            );
            job.run(engine);
        }
    });
}

#[test]
fn clocks_are_enabled_as_long_as_the_engine_exists() {
    let engine = jobs::attach(zdma::attach, Channel::new(0)).expect("it is idle");
    assert_eq!(clk::enabled(), 2);
    drop(engine);
    assert_eq!(clk::enabled(), 0);
    let channel = Channel::new(0);
    channel.stick();
    channel.write(CTRL0, 1 << 7);
    channel.write(CTRL2, 1);
    assert_eq!(jobs::attach(zdma::attach, channel).err(), Some(ETIMEDOUT));
    assert_eq!(clk::enabled(), 0);
}

#[test]
fn second_clock_that_cannot_be_enabled_leaves_the_first_disabled() {
    clk::set_most(1);
    assert_eq!(
        jobs::attach(zdma::attach, Channel::new(0)).err(),
        Some(EBUSY)
    );
    assert_eq!(clk::enabled(), 0);
}

#[test]
fn channel_at_work_is_waited_for() {
    on_each_chip(|channel, engine| {
        let job = Job::new(engine, &[20, 30, 50], &[60, 40]);
        channel.be_slow();
        job.start(engine);
        assert_eq!(engine.acknowledge(), Outcome::NotMine);
        assert_eq!(engine.quiesce(100), Ok(Quiesced::Clean));
        assert!(job.has_arrived());
        assert_eq!(engine.bytes_done(&job.transfer), 100);
        assert!(!channel.interrupts());
        assert_eq!(channel.take_isr(), 0);
    });
}

#[test]
fn channel_at_work_for_a_boot_loader_is_waited_for_and_taken() {
    for (attach, shift) in CHIPS {
        raw::set_dma_coherent(true);
        let channel = Channel::new(shift);
        let [src, dst] = [0; 2].map(|_| bus::allocate(16));
        bus::write(src, &[7; 16]);
        for (words, addr) in [(SRC, src), (DST, dst)] {
            for (index, word) in [addr as u32, (addr >> 32) as u32, 16, 1].iter().enumerate() {
                channel.write(words + 4 * index, *word);
            }
        }
        channel.be_slow();
        // All interrupts are unmasked.
        channel.write(IEN + shift, 0xfff);
        channel.write(CTRL0, 1 << 7);
        channel.write(CTRL2, 1);
        let engine = jobs::attach(attach, channel.clone()).expect("it becomes idle");
        assert_eq!(bus::read(dst, 16), [7; 16]);
        assert_eq!(channel.take_isr(), 0);
        // Those that are not named in the manual as done or as an error are masked.
        assert_eq!(channel.read(IMR + shift), 0x83f);
        // Long enough for 16 MiB at 1 GB/s.
        assert!(poll::last_limit() > Delta::from_millis(16));
        Job::new(&*engine, &[61], &[61]).run(&*engine);
    }
}

#[test]
fn registers_that_a_boot_loader_has_left_have_no_effect() {
    raw::set_dma_coherent(true);
    for (attach, shift) in CHIPS {
        let channel = Channel::new(shift);
        channel.spoil();
        let engine = jobs::attach(attach, channel.clone()).expect("it is idle");
        Job::new(&*engine, &[61], &[61]).run(&*engine);
        Job::new(&*engine, &[64, 3, 61], &[28, 100]).run(&*engine);
        Job::new(&*engine, &[], &[77]).run(&*engine);
        assert_eq!(channel.read(DATA_ATTR), 0x07c3_df0f);
        assert_eq!(channel.read(DSCR_ATTR), 0x1f0);
    }
}

#[test]
fn time_to_stop_grows_with_the_length_of_the_transfer() {
    on_each_chip(|_, engine| {
        for bytes in [0, 1, 1 << 20, 99_999_999, u64::from(u32::MAX)] {
            assert_eq!(engine.quiesce(bytes), Ok(Quiesced::Clean));
            let limit = poll::last_limit();
            // Between 1 GB/s and 50 MB/s, and some more.
            let at_least = Delta::from_nanos(bytes as i64) + Delta::from_millis(5);
            let at_most = Delta::from_nanos(20 * bytes as i64) + Delta::from_secs(1);
            assert!(limit >= at_least && limit <= at_most, "{bytes}: {limit:?}");
        }
    });
}

#[test]
fn memory_at_the_limits_of_addresses_is_reached() {
    let (end, across): (u64, u64) = (0xfff_fff0_0000, 0xfff8_0000);
    for (base, unused, dst) in [
        // Data, and descriptors, that end where 44 bits end.
        (end, bus::SIZE - 256, &[128][..]),
        (end, bus::SIZE - 256 - 2 * 1024, &[64, 64]),
        // Data from below 4 GiB to above; the descriptors of the source below, the others above.
        (across, (1 << 19) - 64, &[128]),
        (across, (1 << 19) - 256 - 1024, &[64, 64]),
    ] {
        // A thread has memory of its own.
        let test = move || {
            let channel = Channel::new(0);
            bus::move_to(base);
            bus::allocate(unused);
            let engine = jobs::attach(zdma::attach, channel).expect("it is idle");
            Job::new(&*engine, &[128], dst).run(&*engine);
        };
        std::thread::spawn(test).join().expect("the test passes");
    }
}
