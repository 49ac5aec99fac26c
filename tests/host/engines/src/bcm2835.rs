// SPDX-License-Identifier: GPL-2.0

//! A model of a channel of the BCM2835 DMA controller, after chapter 4 of "BCM2835 ARM
//! Peripherals".

use std::sync::{
    Arc,
    Mutex, //
};

use kernel::{
    io::Registers,
    log,
    prelude::*, //
};

use crate::{
    bus,
    engine::{
        bcm2835,
        Engine,
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

const ACTIVE: u32 = 1 << 0;
const END: u32 = 1 << 1;
const INT: u32 = 1 << 2;
const PAUSED: u32 = 1 << 4;
const WAITING: u32 = 1 << 6;
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
    /// Whether a write of the channel is on the bus.
    is_writing: bool,
}

/// The model.
struct Channel(Mutex<State>);

impl State {
    /// Loads a control block.
    fn load(&mut self) {
        let at = u64::from(self.control_block);
        self.src = bus::read_u32(at + 4);
        self.dst = bus::read_u32(at + 8);
        self.len = bus::read_u32(at + 12);
        self.next = bus::read_u32(at + 20);
        self.is_writing = self.quirks.late_write;
    }

    /// Moves the rest of a control block.
    fn copy(&mut self) {
        let bytes = bus::read(self.src.into(), self.len as usize);
        bus::write(self.dst.into(), &bytes);
        self.dst += self.len;
        self.len = 0;
        self.is_writing = false;
    }

    /// Works on the control blocks.
    fn work(&mut self) {
        while self.cs & ACTIVE != 0 && (self.len != 0 || self.control_block != 0) {
            if self.len == 0 {
                self.load();
            }
            let info = match self.control_block {
                0 => 1 << 4 | 1 << 8,
                at => bus::read_u32(at.into()),
            };
            assert_eq!(info & (1 << 4 | 1 << 8), 1 << 4 | 1 << 8, "no increments");
            self.copy();
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

    fn is_active(&self) -> bool {
        self.0.lock().expect("no thread has panicked").cs & ACTIVE != 0
    }
}

impl Registers for Channel {
    fn read(&self, offset: usize) -> u32 {
        let state = self.0.lock().expect("no thread has panicked");
        match offset {
            CS => {
                let is_paused = state.cs & ACTIVE == 0;
                state.cs
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
            0x20 if state.quirks.counts_wrong => 3 << 4,
            0x20 => 0,
            _ => panic!("no register at {offset:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut state = self.0.lock().expect("no thread has panicked");
        match offset {
            CS if state.quirks.is_stuck && state.cs & ACTIVE != 0 => {}
            CS if value & RESET != 0 && state.quirks.ignores_reset => state.cs &= !ACTIVE,
            CS if value & RESET != 0 => {
                (state.cs, state.len) = (0, 0);
                if !state.quirks.keeps_next {
                    state.next = 0;
                }
                if !state.quirks.keeps_control_block {
                    state.control_block = 0;
                }
                state.is_writing &= !state.quirks.forgets_writes;
            }
            CS => {
                state.cs &= !(value & (INT | END)) & !ACTIVE;
                state.cs |= value & ACTIVE;
                if !state.quirks.is_slow && !state.quirks.is_stuck {
                    state.work();
                } else if value & ACTIVE != 0 && state.control_block != 0 {
                    state.load();
                }
            }
            CONBLK_AD => {
                assert_eq!(state.cs & ACTIVE, 0, "written while the channel is active");
                state.control_block = value;
            }
            0x20 => {}
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
    assert_eq!(engine.acknowledge(), crate::engine::Outcome::Done);
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
