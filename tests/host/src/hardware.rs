// SPDX-License-Identifier: GPL-2.0

//! A channel of a DMA controller, and memory that it works on. Both assert that the driver keeps to
//! the rules.

use std::{
    cell::RefCell,
    marker::PhantomData,
    rc::Rc, //
};

use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};

use crate::{
    dma::{
        chain::Chains,
        transfer::Transfer, //
    },
    engine::{
        Outcome,
        Quiesced, //
    },
    job::Job,
    memory::Progress,
    waits::Calls, //
};

/// Length of each job in bytes.
pub(crate) const BYTES: u64 = 64;

/// A fault of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ills {
    /// No fault.
    None,
    /// It raises its interrupt with an error.
    Faults,
    /// It does not stop.
    NeverStops,
    /// It stops only at the second try.
    StopsLate,
}

/// The state of the hardware.
struct Work {
    /// Number of the last transfer that was started.
    last: usize,
    /// Whether it works on that transfer.
    is_running: bool,
    /// Whether it is being stopped, or its progress is being read.
    is_stopping: bool,
    /// Whether it has no power.
    is_asleep: bool,
    /// Whether its registers are lost, or its interrupts masked.
    is_blank: bool,
    /// Whether it could not be stopped.
    is_lost: bool,
    /// Whether the device is unbound.
    is_gone: bool,
    /// Number of transfers that were prepared.
    prepared: usize,
}

/// The engine.
pub(crate) struct Engine {
    ills: Ills,
    work: RefCell<Work>,
    /// The interrupt line.
    line: Calls,
    /// Takes the channel's lock for a moment, so that loom lets other threads run in between.
    pause: Box<dyn Fn()>,
}

/// Stands for the driver's type of this name.
pub(crate) struct Hardware<'bound> {
    pub(crate) dev: (),
    pub(crate) engine: Rc<Engine>,
    pub(crate) poll_bytes: &'static Atomic<u32>,
    /// Whether every other job, from the first one on, has to be unmapped in any case, as a job
    /// does whose chains are too long to keep.
    pub(crate) has_long_jobs: bool,
    pub(crate) bound: PhantomData<&'bound ()>,
}

/// The capabilities of an engine.
pub(crate) struct Caps {
    pub(crate) name: &'static str,
}

impl Engine {
    pub(crate) fn new(ills: Ills, line: Calls, pause: Box<dyn Fn()>) -> Rc<Self> {
        Rc::new(Self {
            ills,
            work: RefCell::new(Work {
                last: 0,
                is_running: false,
                is_stopping: false,
                is_asleep: false,
                is_blank: false,
                is_lost: false,
                is_gone: false,
                prepared: 0,
            }),
            line,
            pause,
        })
    }

    pub(crate) fn caps(&self) -> Caps {
        Caps { name: "model" }
    }

    /// Starts a transfer. Called with the channel's lock held.
    pub(crate) unsafe fn start(&self, transfer: &Transfer) {
        let mut work = self.work.borrow_mut();
        assert!(!work.is_running, "a job was started while another runs");
        assert!(
            !work.is_stopping,
            "a job was started on hardware that is being stopped"
        );
        assert!(
            !work.is_asleep,
            "a job was started on hardware without power"
        );
        assert!(!work.is_blank, "a job was started with registers lost");
        assert!(!work.is_lost, "a job was started on dead hardware");
        assert!(!work.is_gone, "a job was started on a device that is gone");
        work.is_running = true;
        work.last = transfer.number;
        drop(work);
        self.line.call();
    }

    /// Acknowledges an interrupt. Called with the channel's lock held. Hardware is done when this
    /// is called.
    pub(crate) fn acknowledge(&self) -> Outcome {
        let mut work = self.work.borrow_mut();
        if !work.is_running || work.is_lost {
            Outcome::NotMine
        } else if self.ills == Ills::Faults {
            Outcome::Fault
        } else {
            work.is_running = false;
            Outcome::Done
        }
    }

    pub(crate) fn quiesce(&self, _: u64) -> Result<Quiesced> {
        (self.pause)();
        self.work.borrow_mut().is_stopping = true;
        (self.pause)();
        let mut work = self.work.borrow_mut();
        let is_late = self.ills == Ills::StopsLate && !work.is_lost;
        if self.ills == Ills::NeverStops || is_late {
            work.is_lost = true;
            return Err(ETIMEDOUT);
        }
        work.is_running = false;
        work.is_stopping = false;
        work.is_blank = true;
        Ok(Quiesced::Clean)
    }

    pub(crate) fn restore(&self) {
        self.work.borrow_mut().is_blank = false;
    }

    pub(crate) fn bytes_done(&self, transfer: &Transfer) -> u64 {
        (self.pause)();
        assert!(
            !self.work.borrow().is_asleep,
            "hardware without power was asked"
        );
        assert_eq!(
            self.work.borrow().last,
            transfer.number,
            "bytes of another transfer"
        );
        0
    }

    /// Removes the power: the system is suspended.
    pub(crate) fn sleep(&self) {
        let mut work = self.work.borrow_mut();
        assert!(
            work.is_lost || !work.is_running && !work.is_stopping,
            "hardware works, and its power goes"
        );
        work.is_asleep = true;
        work.is_blank = true;
    }

    /// Checks that hardware is idle when the system is shut down.
    pub(crate) fn shut_down(&self) {
        let work = self.work.borrow();
        assert!(
            !work.is_running && !work.is_stopping,
            "hardware works, and its kernel goes"
        );
        assert!(work.is_blank, "interrupts are not masked");
    }

    /// Restores the power: the system is resumed.
    pub(crate) fn wake(&self) {
        self.work.borrow_mut().is_asleep = false;
    }

    /// Marks the device as unbound.
    pub(crate) fn go(&self) {
        (self.pause)();
        self.work.borrow_mut().is_gone = true;
    }
}

impl Hardware<'_> {
    pub(crate) fn prepare(
        &self,
        job: &mut Job,
        _: u64,
        _: impl Fn() -> Option<KBox<Chains>>,
    ) -> Result {
        job.progress = Progress::NotStarted;
        let mut work = self.engine.work.borrow_mut();
        work.prepared += 1;
        job.transfer.number = work.prepared;
        drop(work);
        job.memory.map(self, job.transfer.number);
        Ok(())
    }

    pub(crate) fn abandon(&self, job: &mut Job) {
        memory::leak(std::mem::take(&mut job.memory));
        memory::leak(job.transfer.chains.take());
    }
}

pub(crate) mod memory {
    //! Memory of jobs.

    use std::{
        mem::ManuallyDrop,
        rc::Rc, //
    };

    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    use crate::{
        dma::{
            pool::BlockPair,
            streaming::{
                DeviceBuffers,
                DevicePair, //
            }, //
        },
        request::Request, //
    };

    use super::{
        Engine,
        Hardware, //
    };

    pub(crate) use crate::below::blocks;

    /// How the memory of a job is staged.
    pub(crate) enum Staging {
        Buffer,
        Pages {
            #[expect(dead_code, reason = "memory has no pages here")]
            max_entry: usize,
        },
        #[expect(dead_code, reason = "no channel here has blocks")]
        Blocks(Arc<blocks::BlockPool<'static>>),
    }

    impl Staging {
        pub(crate) fn blocks(&self) -> Option<&Arc<blocks::BlockPool<'static>>> {
            match self {
                Staging::Blocks(blocks) => Some(blocks),
                _ => None,
            }
        }
    }

    /// Leaks `memory`.
    pub(crate) fn leak<T>(memory: T) {
        std::mem::forget(memory);
    }

    /// The progress of hardware with a job.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Progress {
        NotStarted,
        Started,
        Finished,
    }

    /// Whether a call may sleep for user space.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Patience {
        Sleep,
        Hurry,
    }

    /// The memory of a job.
    #[derive(Default)]
    pub(crate) enum JobMemory {
        #[default]
        Empty,
        Buffer(#[expect(dead_code, reason = "held")] Mapping),
        Pages(Option<Mapping>),
        Blocks(ManuallyDrop<BlockPair<'static>>),
    }

    /// Memory that hardware may use for a transfer.
    pub(crate) struct Mapping {
        engine: Rc<Engine>,
        number: usize,
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if std::thread::panicking() {
                return;
            }
            let work = self.engine.work.borrow();
            let is_used = work.is_running && work.last == self.number;
            assert!(!is_used, "memory was given back while hardware uses it");
            drop(work);
        }
    }

    impl JobMemory {
        pub(crate) fn stage(&mut self, staging: &Staging, _: &Request) -> Result {
            if matches!(staging, Staging::Pages { .. }) {
                *self = JobMemory::Pages(None);
            }
            Ok(())
        }

        pub(crate) fn map(&mut self, hw: &Hardware<'_>, number: usize) {
            let mapping = Mapping {
                engine: hw.engine.clone(),
                number,
            };
            *self = match self {
                JobMemory::Pages(Some(_)) => panic!("memory was mapped twice"),
                _ if hw.has_long_jobs && number % 2 == 0 => JobMemory::Buffer(mapping),
                _ if hw.has_long_jobs => JobMemory::Pages(Some(mapping)),
                JobMemory::Pages(None) => JobMemory::Pages(Some(mapping)),
                _ => JobMemory::Buffer(mapping),
            };
        }

        pub(crate) fn needs_unmap(&self) -> bool {
            matches!(self, JobMemory::Pages(Some(_)))
        }

        pub(crate) unsafe fn unmap(&mut self, _: &Request, _: Progress) {
            match self {
                JobMemory::Pages(mapping) => {
                    if let Some(mapping) = mapping.take() {
                        (mapping.engine.pause)();
                        let is_gone = mapping.engine.work.borrow().is_gone;
                        assert!(!is_gone, "memory was unmapped for a device that is gone");
                    }
                }
                JobMemory::Buffer(_) => *self = JobMemory::Empty,
                _ => {}
            }
        }

        pub(crate) fn copy_out(&mut self, _: &Request) -> Result {
            Ok(())
        }

        pub(crate) fn reset(&mut self) {
            self.release(Patience::Sleep);
        }

        pub(crate) fn release(&mut self, _: Patience) {
            match self {
                JobMemory::Pages(mapping) => assert!(mapping.is_none(), "memory was not unmapped"),
                JobMemory::Buffer(_) => *self = JobMemory::Empty,
                _ => {}
            }
        }

        pub(crate) fn streaming(_: DeviceBuffers<'_>, _: DeviceBuffers<'_>) -> Self {
            JobMemory::Empty
        }

        pub(crate) unsafe fn take_streaming<'a>(&mut self) -> Option<DevicePair<'a>> {
            None
        }
    }
}
