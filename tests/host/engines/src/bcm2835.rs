// SPDX-License-Identifier: GPL-2.0

//! A model of a channel of the BCM2835 DMA controller, after chapter 4 of "BCM2835 ARM
//! Peripherals".

use std::sync::{
    Arc,
    Mutex, //
};

use kernel::{
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
        bcm2835,
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

const CS: usize = 0x00;
const CONBLK_AD: usize = 0x04;
const DEBUG: usize = 0x20;

const ACTIVE: u32 = 1 << 0;
const END: u32 = 1 << 1;
const INT: u32 = 1 << 2;
const PAUSED: u32 = 1 << 4;
const WAITING: u32 = 1 << 6;
const ERROR: u32 = 1 << 8;
/// What the channel is told whenever it is made active: to wait for outstanding writes, and to go
/// on while a debugger stops the CPU.
const CONTROL: u32 = 1 << 28 | 1 << 29;
const RESET: u32 = 1 << 31;

/// Behaviour that the data sheet leaves open, and faults.
#[derive(Clone, Copy, Default)]
struct Quirks {
    /// A control block is begun, but done only when [`Channel::go_on`] is called.
    is_slow: bool,
    /// A reset keeps the address of the next control block.
    keeps_next: bool,
    /// A reset keeps the address of the control block.
    keeps_control_block: bool,
    /// DEBUG always counts writes as outstanding.
    counts_wrong: bool,
    /// The channel says that it waits for writes as long as it has a control block.
    never_pauses: bool,
    /// A channel at its end stays active.
    stays_active: bool,
    /// The channel ignores all writes to CS.
    is_stuck: bool,
    /// The channel pauses and ignores a reset: it continues when it is made active again.
    ignores_reset: bool,
    /// A write is still on the bus when the channel is paused, and when it is reset.
    late_write: bool,
    /// A reset clears the flag that the channel waits for that write.
    forgets_writes: bool,
    /// The channel is a lite one: its lengths have 16 bits.
    is_lite: bool,
    /// The channel moves so many bytes, and then nothing more until it is reset.
    stops_after: Option<usize>,
    /// DEBUG shows no errors, or CS does not.
    hides_debug: bool,
    hides_cs: bool,
    /// A reset leads to an error of the bus.
    fails_at_reset: bool,
    /// When it stops between two control blocks, it has not begun the second one.
    begins_late: bool,
    /// A channel that is to pause has a burst of this many bytes on the bus.
    burst: usize,
    /// The address of a control block stays as it was once written.
    keeps_address: bool,
}

#[derive(Default)]
struct State {
    quirks: Quirks,
    cs: u32,
    control_block: u32,
    next: u32,
    src: u32,
    dst: u32,
    /// Bytes of the control block that are still to be moved.
    len: u32,
    /// Error bits in DEBUG.
    errors: u32,
    /// All writes to registers, in their order.
    writes: Vec<(usize, u32)>,
    /// Whether a write of the channel is on the bus.
    is_writing: bool,
    /// How many reads of CS find a channel that is to pause waiting for its last burst.
    pausing: usize,
}

/// The model.
struct Channel(Mutex<State>);

impl State {
    /// Loads a control block (section 4.2.1.1), and checks it.
    fn load(&mut self) {
        let at = u64::from(self.control_block);
        assert_eq!(at % 32, 0, "where a control block is");
        // Both addresses are incremented. The last one waits for its writes and interrupts.
        let is_last = bus::read_u32(at + 20) == 0;
        let info = 1 << 4 | 1 << 8 | if is_last { 1 | 1 << 3 } else { 0 };
        assert_eq!(bus::read_u32(at), info, "transfer information");
        let limit = if self.quirks.is_lite { 16 } else { 30 };
        let len = bus::read_u32(at + 12);
        assert_eq!(len >> limit, 0, "the length has {limit} bits");
        assert_ne!(len, 0, "an empty control block");
        assert_eq!(bus::read(at + 16, 4), [0; 4], "stride");
        assert_eq!(bus::read(at + 24, 8), [0; 8], "reserved");
        self.src = bus::read_u32(at + 4);
        self.dst = bus::read_u32(at + 8);
        self.len = bus::read_u32(at + 12);
        self.next = bus::read_u32(at + 20);
        self.is_writing = self.quirks.late_write;
    }

    /// Moves the rest of a control block, or as much as the channel moves at all.
    fn copy(&mut self) {
        let mut part = self.len as usize;
        if let Some(left) = &mut self.quirks.stops_after {
            part = part.min(*left);
            *left -= part;
        }
        // A late write is one of no bytes.
        if part != 0 || self.is_writing {
            let bytes = bus::read(self.src.into(), part);
            bus::write(self.dst.into(), &bytes);
        }
        self.src += part as u32;
        self.dst += part as u32;
        self.len -= part as u32;
        self.is_writing = false;
    }

    /// Works on the control blocks.
    fn work(&mut self) {
        while self.cs & ACTIVE != 0 && (self.len != 0 || self.control_block != 0) {
            if self.len == 0 {
                if self.quirks.stops_after == Some(0) && self.quirks.begins_late {
                    return;
                }
                self.load();
            }
            let info = match self.control_block {
                0 => 0,
                at => bus::read_u32(at.into()),
            };
            self.copy();
            if self.len != 0 {
                return;
            }
            self.cs |= END;
            if info & 1 != 0 {
                self.cs |= INT;
            }
            self.control_block = self.next;
        }
        if self.is_writing {
            self.copy();
        }
        if self.control_block == 0 && !self.quirks.stays_active {
            self.cs &= !ACTIVE;
        }
    }
}

impl Channel {
    fn new(quirks: Quirks) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            quirks,
            ..State::default()
        })))
    }

    /// Lets hardware continue.
    fn go_on(&self) {
        self.0.lock().expect("no thread has panicked").work();
    }

    /// Lets the channel move so many bytes at the next start.
    fn stop_after(&self, moved: usize) {
        self.0
            .lock()
            .expect("no thread has panicked")
            .quirks
            .stops_after = Some(moved);
    }

    /// Loses power, and gets it back.
    fn lose_power(&self) {
        let mut state = self.0.lock().expect("no thread has panicked");
        *state = State {
            quirks: state.quirks,
            ..State::default()
        };
    }

    /// Sets END and INT in CS, and reports errors of the bus.
    fn set_status(&self, cs: u32, errors: u32) {
        let mut state = self.0.lock().expect("no thread has panicked");
        (state.cs, state.errors) = (cs, errors);
    }

    /// Reports an error of the bus.
    fn fail(&self, error: u32) {
        self.0.lock().expect("no thread has panicked").errors |= error;
    }

    /// Returns what was written to registers since the last call.
    fn take_writes(&self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.0.lock().expect("no thread has panicked").writes)
    }

    fn is_active(&self) -> bool {
        self.0.lock().expect("no thread has panicked").cs & ACTIVE != 0
    }
}

impl Registers for Channel {
    fn read(&self, offset: usize) -> u32 {
        let mut state = self.0.lock().expect("no thread has panicked");
        match offset {
            CS if state.pausing != 0 => {
                state.pausing -= 1;
                if state.pausing == 0 {
                    state.quirks.stops_after = Some(state.quirks.burst);
                    state.copy();
                }
                // It moves nothing more, and waits for what it has moved.
                state.cs | PAUSED | WAITING
            }
            CS => {
                let is_paused = state.cs & ACTIVE == 0;
                let is_shown = state.errors != 0 && !state.quirks.hides_cs;
                let error = if is_shown { ERROR } else { 0 };
                state.cs
                    | error
                    | if state.is_writing || state.quirks.never_pauses && state.control_block != 0 {
                        WAITING
                    } else if is_paused {
                        PAUSED
                    } else {
                        0
                    }
            }
            CONBLK_AD => state.control_block,
            0x10 => state.dst,
            0x14 => state.len,
            0x1c => state.next,
            DEBUG => {
                let count = if state.quirks.counts_wrong { 3 << 4 } else { 0 };
                let errors = if state.quirks.hides_debug {
                    0
                } else {
                    state.errors
                };
                u32::from(state.quirks.is_lite) << 28 | count | errors
            }
            _ => panic!("no register at {offset:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut state = self.0.lock().expect("no thread has panicked");
        state.writes.push((offset, value));
        match offset {
            CS if state.quirks.is_stuck && state.cs & ACTIVE != 0 => {}
            CS if value & RESET != 0 && state.quirks.ignores_reset => state.cs &= !ACTIVE,
            CS if value & RESET != 0 => {
                assert_eq!(state.pausing, 0, "reset while a burst is on the bus");
                (state.cs, state.len) = (0, 0);
                if !state.is_writing {
                    (state.src, state.dst) = (0, 0);
                }
                state.errors |= u32::from(state.quirks.fails_at_reset);
                if !state.quirks.keeps_next {
                    state.next = 0;
                }
                if !state.quirks.keeps_control_block {
                    state.control_block = 0;
                }
                state.is_writing &= !state.quirks.forgets_writes;
            }
            CS => {
                let is_known = value & ACTIVE == 0 || value == ACTIVE | CONTROL;
                assert!(is_known || state.control_block == 0 || value == ACTIVE);
                if value & ACTIVE == 0 && state.cs & ACTIVE != 0 && state.quirks.burst != 0 {
                    state.pausing = 2;
                }
                state.cs &= !(value & (INT | END)) & !ACTIVE;
                state.cs |= value & ACTIVE;
                if !state.quirks.is_slow && !state.quirks.is_stuck {
                    state.work();
                } else if value & ACTIVE != 0 && state.control_block != 0 {
                    state.load();
                }
            }
            CONBLK_AD if state.quirks.keeps_address && state.control_block != 0 => {}
            CONBLK_AD => {
                assert_eq!(state.cs & ACTIVE, 0, "written while the channel is active");
                state.control_block = value;
            }
            DEBUG => state.errors &= !value,
            _ => panic!("no register to write at {offset:#x}"),
        }
    }
}

fn attach(channel: &Arc<Channel>) -> Result<KBox<dyn Engine>> {
    raw::set_bcm2835_channel(Ok(()));
    jobs::attach(bcm2835::attach, channel.clone())
}

/// Stops a job that hardware has begun, and checks that it does not continue.
fn stop(quirks: Quirks) {
    let channel = Channel::new(Quirks {
        is_slow: true,
        ..quirks
    });
    let engine = attach(&channel).expect("it is idle");
    let job = Job::new(&*engine, &[64, 64], &[64, 64]);
    job.start(&*engine);
    assert_eq!(engine.quiesce(128), Ok(Quiesced::Clean));
    let writes = bus::writes();
    channel.go_on();
    assert_eq!(bus::writes(), writes, "memory was written after a stop");
    assert_eq!(engine.bytes_done(&job.transfer), 0);
    // The channel works again.
    let next = Job::new(&*engine, &[32], &[32]);
    next.start(&*engine);
    channel.go_on();
    assert_eq!(engine.acknowledge(), Outcome::Done);
    assert!(next.has_arrived());
    assert!(!job.has_arrived());
}

#[test]
fn lists_are_copied() {
    let engine = attach(&Channel::new(Quirks::default())).expect("it is idle");
    Job::new(&*engine, &[64], &[64]).run(&*engine);
    Job::new(&*engine, &[64, 4, 60], &[32, 96]).run(&*engine);
    // Needs more than one block of descriptors.
    Job::new(&*engine, &[8; 100], &[8; 100]).run(&*engine);
    // Is cut by the other list behind 64 KiB.
    Job::new(&*engine, &[0x2_0000], &[0x1_8000, 0x8000]).run(&*engine);
}

#[test]
fn job_at_work_is_stopped() {
    stop(Quirks::default());
}

#[test]
fn reset_that_keeps_the_next_control_block_stops_a_job() {
    stop(Quirks {
        keeps_next: true,
        ..Quirks::default()
    });
}

#[test]
fn reset_that_keeps_the_control_block_stops_a_job() {
    stop(Quirks {
        keeps_next: true,
        keeps_control_block: true,
        ..Quirks::default()
    });
}

#[test]
fn writes_that_stay_outstanding_in_debug_do_not_keep_a_job_from_being_stopped() {
    stop(Quirks {
        counts_wrong: true,
        ..Quirks::default()
    });
}

#[test]
fn channel_that_does_not_pause_is_reset() {
    stop(Quirks {
        never_pauses: true,
        ..Quirks::default()
    });
}

/// Stops a job that hardware has begun, and checks that the driver reports a failure.
fn fail_to_stop(quirks: Quirks) -> Arc<Channel> {
    let channel = Channel::new(Quirks {
        is_slow: true,
        ..quirks
    });
    let engine = attach(&channel).expect("it is idle");
    Job::new(&*engine, &[64, 64], &[64, 64]).start(&*engine);
    assert_eq!(engine.quiesce(128), Err(ETIMEDOUT));
    // A second attempt must fail too.
    assert_eq!(engine.quiesce(128), Err(ETIMEDOUT));
    channel
}

#[test]
fn channel_that_does_not_stop_is_told() {
    fail_to_stop(Quirks {
        is_stuck: true,
        ..Quirks::default()
    });
}

#[test]
fn channel_that_ignores_a_reset_is_told() {
    let channel = fail_to_stop(Quirks {
        ignores_reset: true,
        ..Quirks::default()
    });
    // The report was right: the next start continues the old job.
    let writes = bus::writes();
    channel.write(CS, ACTIVE);
    channel.go_on();
    assert_ne!(bus::writes(), writes);
}

#[test]
fn channel_that_was_not_stopped_is_not_taken() {
    let channel = fail_to_stop(Quirks {
        ignores_reset: true,
        ..Quirks::default()
    });
    assert_eq!(attach(&channel).err(), Some(ETIMEDOUT));
}

#[test]
fn write_that_is_under_way_after_a_reset_is_told() {
    let channel = fail_to_stop(Quirks {
        late_write: true,
        ..Quirks::default()
    });
    let writes = bus::writes();
    channel.go_on();
    assert_ne!(bus::writes(), writes);
}

#[test]
fn channel_that_has_not_paused_and_shows_no_reset_is_told() {
    fail_to_stop(Quirks {
        late_write: true,
        forgets_writes: true,
        keeps_control_block: true,
        ..Quirks::default()
    });
}

#[test]
fn channel_that_is_active_with_nothing_to_do_is_taken() {
    let channel = Channel::new(Quirks {
        stays_active: true,
        ..Quirks::default()
    });
    channel.write(CS, ACTIVE);
    assert!(channel.is_active());
    let engine = attach(&channel).expect("it is idle");
    assert!(!channel.is_active());
    Job::new(&*engine, &[64], &[64]).run(&*engine);
}

#[test]
fn channel_at_work_is_left_alone() {
    let channel = Channel::new(Quirks {
        is_slow: true,
        ..Quirks::default()
    });
    let block = bus::allocate(32) as u32;
    let fields = [0x119, block, block, 4, 0, 0, 0, 0].map(u32::to_le_bytes);
    bus::write(block.into(), &fields.concat());
    channel.write(CONBLK_AD, block);
    channel.write(CS, ACTIVE);
    assert_eq!(attach(&channel).err(), Some(EBUSY));
    assert_eq!(log::take_lines(), 1);
    assert!(channel.is_active());
    assert_eq!(channel.read(CONBLK_AD), block);
}

#[test]
fn channel_of_the_kernel_s_driver_or_with_40_bits_is_not_touched() {
    for error in [EBUSY, ENODEV] {
        raw::set_bcm2835_channel(Err(error));
        let channel = Channel::new(Quirks {
            stays_active: true,
            ..Quirks::default()
        });
        channel.write(CS, ACTIVE);
        let refused = jobs::attach(bcm2835::attach, channel.clone());
        assert_eq!(refused.err(), Some(error));
        assert_eq!(log::take_lines(), 1);
        assert!(channel.is_active());
    }
}

#[test]
fn random_lists_are_copied() {
    for is_lite in [false, true] {
        for seed in 0..4 {
            let engine = attach(&Channel::new(Quirks {
                is_lite,
                ..Quirks::default()
            }));
            jobs::run_random(&*engine.expect("it is idle"), 4, seed);
        }
    }
}

#[test]
fn control_blocks_are_those_of_the_data_sheet() {
    let engine = attach(&Channel::new(Quirks::default())).expect("it is idle");
    let job = Job::new(&*engine, &[0x124, 0x44], &[0x168]);
    let chains = job.transfer.chains.as_ref().expect("it has descriptors");
    let at = [0, 1].map(|index| chains.src.address(index));
    let dst = job.dst[0].addr() as u32;
    let fields = [
        [
            0x110,
            job.src[0].addr() as u32,
            dst,
            0x124,
            0,
            at[1] as u32,
            0,
            0,
        ],
        [
            0x119,
            job.src[1].addr() as u32,
            dst + 0x124,
            0x44,
            0,
            0,
            0,
            0,
        ],
    ];
    for (at, fields) in at.into_iter().zip(fields) {
        let bytes: Vec<u8> = fields.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(bus::read(at, 32), bytes);
    }
}

#[test]
fn lite_channel_gets_lengths_of_16_bits() {
    for (is_lite, max_span) in [(false, (1 << 30) - 4096), (true, (1 << 16) - 4096)] {
        let engine = attach(&Channel::new(Quirks {
            is_lite,
            ..Quirks::default()
        }));
        let engine = engine.expect("it is idle");
        let caps = engine.caps();
        assert_eq!(caps.max_span, max_span);
        assert_eq!((caps.address_bits, caps.alignment), (32, 4));
        assert_eq!(caps.max_transfer, 0xffff_fffc);
        assert_eq!((caps.layout.size, caps.layout.align), (32, 32));
        assert!(!caps.fill && !caps.fault_irq);
        // The model refuses a control block that is too long.
        let lens = [0x1_8000, 0xf000, 0xf004];
        for len in lens {
            Job::new(&*engine, &[len], &[len]).run(&*engine);
        }
    }
}

/// Stops a list after `moved` bytes, and checks how many the driver says.
fn stop_after(moved: usize, begins_late: bool) {
    let channel = Channel::new(Quirks {
        stops_after: Some(moved),
        begins_late,
        ..Quirks::default()
    });
    let engine = attach(&channel).expect("it is idle");
    let job = Job::new(&*engine, &[20, 32, 48], &[60, 40]);
    job.start(&*engine);
    assert_eq!(engine.quiesce(100), Ok(Quiesced::Clean));
    assert_eq!(engine.bytes_done(&job.transfer), moved as u64);
    assert!(job.arrived() >= moved);
    let writes = bus::writes();
    channel.go_on();
    assert_eq!(bus::writes(), writes);
}

#[test]
fn bytes_are_counted_wherever_a_list_stops() {
    for moved in (0..=100).step_by(4) {
        stop_after(moved, false);
    }
    // Between the control blocks.
    for moved in [0, 20, 52, 60, 100] {
        stop_after(moved, true);
    }
}

#[test]
fn each_error_of_the_bus_is_told_and_cleared() {
    for error in [1 << 0, 1 << 1, 1 << 2] {
        let channel = Channel::new(Quirks::default());
        let engine = attach(&channel).expect("it is idle");
        Job::new(&*engine, &[64], &[64]).start(&*engine);
        channel.fail(error);
        assert_eq!(engine.acknowledge(), Outcome::Fault);
        assert_eq!(channel.read(DEBUG), 0, "error {error}");
        assert_eq!(engine.acknowledge(), Outcome::NotMine);
        assert_eq!(engine.quiesce(64), Ok(Quiesced::Clean));
        Job::new(&*engine, &[64], &[64]).run(&*engine);

        // An error without an interrupt is found when the channel is stopped.
        channel.fail(error);
        assert_eq!(engine.quiesce(64), Ok(Quiesced::Faulted));
        assert_eq!(channel.read(DEBUG), 0, "error {error}");
        assert_eq!(engine.quiesce(64), Ok(Quiesced::Clean), "said twice");
    }
}

#[test]
fn registers_are_written_in_this_order() {
    let channel = Channel::new(Quirks::default());
    let engine = attach(&channel).expect("it is idle");
    let job = Job::new(&*engine, &[64, 64], &[128]);
    let first = job
        .transfer
        .chains
        .as_ref()
        .map(|chains| chains.src.address(0) as u32);
    channel.take_writes();
    job.start(&*engine);
    let start = [
        (CONBLK_AD, first.expect("it has descriptors")),
        (CS, CONTROL | ACTIVE),
    ];
    assert_eq!(channel.take_writes(), start);
    // ACTIVE is never written to a channel at its end.
    assert_eq!(engine.acknowledge(), Outcome::Done);
    assert_eq!(channel.take_writes(), [(CS, CONTROL | INT | END)]);
    // It is paused, reset, without a control block, and without an interrupt.
    assert_eq!(engine.quiesce(128), Ok(Quiesced::Clean));
    let stop = [(CS, CONTROL), (CS, RESET), (CONBLK_AD, 0), (CS, INT | END)];
    assert_eq!(channel.take_writes(), stop);
}

#[test]
fn error_that_one_register_shows_is_told() {
    for hides_cs in [false, true] {
        let channel = Channel::new(Quirks {
            hides_cs,
            hides_debug: !hides_cs,
            ..Quirks::default()
        });
        let engine = attach(&channel).expect("it is idle");
        Job::new(&*engine, &[64], &[64]).start(&*engine);
        channel.fail(1 << 2);
        assert_eq!(engine.acknowledge(), Outcome::Fault);
    }
}

#[test]
fn error_that_a_reset_leads_to_is_cleared() {
    let channel = Channel::new(Quirks {
        fails_at_reset: true,
        ..Quirks::default()
    });
    let engine = attach(&channel).expect("it is idle");
    assert_eq!(channel.read(DEBUG), 0);
    assert_eq!(engine.quiesce(0), Ok(Quiesced::Clean));
    assert_eq!(channel.read(DEBUG), 0);
}

#[test]
fn each_pair_of_spans_needs_a_control_block() {
    let engine = attach(&Channel::new(Quirks::default())).expect("it is idle");
    for (src, dst, pairs) in [(&[64][..], &[64][..], 1), (&[20, 44], &[40, 24], 3)] {
        let need = engine.descriptors(&Job::new(&*engine, src, dst).transfer);
        assert_eq!((need.src, need.dst), (pairs, 0));
    }
}

#[test]
fn bytes_are_counted_wherever_a_list_of_many_control_blocks_stops() {
    let many = [8; 70];
    for (src, dst) in [(&many[..], &[560][..]), (&[560], &many), (&many, &many)] {
        let channel = Channel::new(Quirks::default());
        let engine = attach(&channel).expect("it is idle");
        let job = Job::new(&*engine, src, dst);
        for moved in (0..=560).step_by(4) {
            channel.stop_after(moved);
            job.start(&*engine);
            assert_eq!(engine.quiesce(560), Ok(Quiesced::Clean));
            assert_eq!(engine.bytes_done(&job.transfer), moved as u64);
        }
    }
}

#[test]
fn address_that_the_job_before_has_left_counts_as_nothing() {
    let channel = Channel::new(Quirks {
        begins_late: true,
        ..Quirks::default()
    });
    let engine = attach(&channel).expect("it is idle");
    let job = Job::new(&*engine, &[64], &[64]);
    job.run(&*engine);
    // The next write would be behind the destination.
    channel.stop_after(0);
    job.start(&*engine);
    assert_eq!(engine.quiesce(64), Ok(Quiesced::Clean));
    assert_eq!(engine.bytes_done(&job.transfer), 0);
}

#[test]
fn burst_that_is_under_way_is_waited_for_and_counted() {
    for burst in [4, 16, 60] {
        let channel = Channel::new(Quirks {
            is_slow: true,
            burst,
            ..Quirks::default()
        });
        let engine = attach(&channel).expect("it is idle");
        let job = Job::new(&*engine, &[64, 64], &[64, 64]);
        job.start(&*engine);
        assert_eq!(engine.quiesce(128), Ok(Quiesced::Clean));
        assert_eq!(engine.bytes_done(&job.transfer), burst as u64);
        assert_eq!(job.arrived(), burst);
    }
}

#[test]
fn control_block_that_was_not_begun_does_not_show_a_reset() {
    let channel = Channel::new(Quirks {
        stops_after: Some(0),
        begins_late: true,
        ignores_reset: true,
        ..Quirks::default()
    });
    let engine = attach(&channel).expect("it is idle");
    Job::new(&*engine, &[64], &[64]).start(&*engine);
    assert_eq!(engine.quiesce(64), Err(ETIMEDOUT));
}

#[test]
fn control_block_that_stays_after_a_reset_is_told() {
    fail_to_stop(Quirks {
        keeps_control_block: true,
        keeps_address: true,
        ..Quirks::default()
    });
}

#[test]
fn each_status_is_what_the_data_sheet_says() {
    for (hides_cs, hides_debug) in [(false, false), (true, false), (false, true)] {
        let channel = Channel::new(Quirks {
            hides_cs,
            hides_debug,
            ..Quirks::default()
        });
        let engine = attach(&channel).expect("it is idle");
        for cs in [0, END, INT, INT | END] {
            for errors in 0..8 {
                channel.set_status(cs, errors);
                let outcome = if cs & INT == 0 && (errors == 0 || hides_cs) {
                    // The end of a control block before the last one has no interrupt.
                    Outcome::NotMine
                } else if errors != 0 {
                    Outcome::Fault
                } else {
                    Outcome::Done
                };
                channel.take_writes();
                assert_eq!(engine.acknowledge(), outcome, "CS {cs}, DEBUG {errors}");
                if outcome == Outcome::NotMine {
                    assert_eq!(channel.take_writes(), []);
                } else {
                    assert_eq!(channel.read(CS) & (INT | END), 0);
                    assert_eq!(channel.read(DEBUG), 0);
                }
            }
        }
    }
}

#[test]
fn long_spans_are_cut_where_the_length_field_ends() {
    let long = [
        [0x119, 0x8000_4000, 0x8000_dffc, 0x2000, 0],
        [0x110, 0x4000_5000, 0x4000_effc, 0x3fff_f000, 2],
        [0x110, 0x6000, 0xfffc, 0x3fff_f000, 1],
    ];
    // The destination ends where 32 bits end.
    let lite = [
        [0x119, 0x2_4000, 0xffff_dffc, 0x2004, 0],
        [0x110, 0x1_5000, 0xfffe_effc, 0xf000, 2],
        [0x110, 0x6000, 0xfffd_fffc, 0xf000, 1],
    ];
    for (is_lite, len, blocks) in [(false, 0x8000_0000, long), (true, 0x2_0004, lite)] {
        let engine = attach(&Channel::new(Quirks {
            is_lite,
            ..Quirks::default()
        }));
        let engine = engine.expect("it is idle");
        // There is no memory at these addresses; the descriptors are only looked at.
        let [.., (src, dst)] = blocks.map(|block| (block[1].into(), block[2].into()));
        let [src, dst] = [src, dst].map(|addr| vec![Span::new(addr, len)]);
        let job = Job::of(&*engine, Transfer::default(), src, dst);
        let chains = job.transfer.chains.as_ref().expect("it has descriptors");
        for (index, [info, src, dst, len, next]) in blocks.into_iter().rev().enumerate() {
            let next = match next {
                0 => 0,
                next => chains.src.address(next as usize) as u32,
            };
            let words = [info, src, dst, len, 0, next, 0, 0];
            let bytes = words.map(u32::to_le_bytes).concat();
            assert_eq!(bus::read(chains.src.address(index), 32), bytes, "{index}");
        }
    }
}

#[test]
fn channel_that_has_lost_its_registers_works() {
    let channel = Channel::new(Quirks::default());
    let engine = attach(&channel).expect("it is idle");
    Job::new(&*engine, &[64, 64], &[128]).run(&*engine);
    channel.lose_power();
    assert_eq!(engine.quiesce(0), Ok(Quiesced::Clean));
    engine.restore();
    Job::new(&*engine, &[64, 64], &[128]).run(&*engine);
}

#[test]
fn channel_has_some_time_to_pause() {
    let engine = attach(&Channel::new(Quirks::default())).expect("it is idle");
    for bytes in [0, u64::MAX] {
        assert_eq!(engine.quiesce(bytes), Ok(Quiesced::Clean));
        let limit = poll::last_limit();
        assert!(limit >= Delta::from_millis(1) && limit <= Delta::from_secs(1));
    }
}
