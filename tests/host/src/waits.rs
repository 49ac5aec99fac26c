// SPDX-License-Identifier: GPL-2.0

//! What sleeps, and what is called back.

use std::{
    cell::Cell,
    rc::Rc, //
};

use loom::sync::mpsc::Sender;

/// What a thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Whatever it is for.
    Run,
    /// To end.
    End,
}

/// Calls to a thread that runs a handler.
#[derive(Clone, Default)]
pub(crate) struct Calls(Rc<Line>);

#[derive(Default)]
struct Line {
    sender: Cell<Option<Sender<Call>>>,
    /// Calls that came before anybody listened.
    early: Cell<usize>,
}

impl Calls {
    /// Has `sender` take calls from now on.
    pub(crate) fn connect(&self, sender: Sender<Call>) {
        for _ in 0..self.0.early.take() {
            let _ = sender.send(Call::Run);
        }
        self.0.sender.set(Some(sender));
    }

    /// Asks for a run.
    pub(crate) fn call(&self) {
        self.send(Call::Run);
    }

    /// Ends the thread. No calls may be under way.
    pub(crate) fn end(&self) {
        self.send(Call::End);
        self.0.sender.set(None);
    }

    fn send(&self, call: Call) {
        // Others come to run within `send`, so the sender stays where they find it.
        let sender = self.0.sender.take();
        self.0.sender.set(sender.clone());
        match sender {
            Some(sender) => drop(sender.send(call)),
            None => self.0.early.set(self.0.early.get() + 1),
        }
    }
}

pub(crate) mod completion {
    //! Events that are waited for.

    use kernel::{
        prelude::*,
        sync::{
            CondVar,
            Mutex, //
        },
        task,
        time::Delta, //
    };

    /// How a wait ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Wait {
        Done,
        Signal,
        TimedOut,
    }

    /// An event that happens again and again.
    pub(crate) struct Completion {
        done: Mutex<usize>,
        changed: CondVar,
    }

    impl Completion {
        pub(crate) fn new() -> Result<Self> {
            Ok(Self {
                done: Mutex::new(0),
                changed: CondVar::new(),
            })
        }

        pub(crate) fn reset(&self) {
            *self.done.lock() = 0;
        }

        pub(crate) fn complete(&self) {
            *self.done.lock() += 1;
            self.changed.notify_all();
        }

        fn wait(&self, otherwise: Option<Wait>) -> Wait {
            let mut done = self.done.lock();
            while *done == 0 {
                if let Some(otherwise) = otherwise {
                    return otherwise;
                }
                self.changed.wait(&mut done);
            }
            *done -= 1;
            Wait::Done
        }

        pub(crate) fn wait_interruptible(&self) -> Wait {
            self.wait(task::signal_pending().then_some(Wait::Signal))
        }

        pub(crate) fn wait_timeout(&self, _: Delta) -> Wait {
            self.wait(task::is_out_of_time().then_some(Wait::TimedOut))
        }
    }

    pub(crate) fn jiffies(delta: Delta) -> usize {
        delta.as_nanos() as usize
    }
}

pub(crate) mod finisher {
    //! The worker that settles jobs.

    use super::Calls;

    /// A work item. Here one run more than needed may come of calls that are close together.
    pub(crate) struct Finisher(pub(crate) Calls);

    impl Finisher {
        pub(crate) unsafe fn new() -> Self {
            Self(Calls::default())
        }

        pub(crate) fn schedule(&self) {
            self.0.call();
        }
    }
}

pub(crate) mod watchdog {
    //! The worker for time limits.

    use std::cell::Cell;

    use kernel::time::{
        self,
        ClockSource,
        Delta,
        Monotonic, //
    };

    use crate::channel::Channel;

    use super::Calls;

    /// A timer with a work item.
    pub(crate) struct Watchdog {
        pub(crate) calls: Calls,
        at: Cell<Option<i64>>,
    }

    impl Watchdog {
        pub(crate) unsafe fn new() -> Self {
            Self {
                calls: Calls::default(),
                at: Cell::new(None),
            }
        }

        pub(crate) fn arm(&self, delay: Delta) {
            self.at.set(Some(Monotonic::ktime_get() + delay.as_nanos()));
            self.calls.call();
        }

        pub(crate) fn cancel(&self) {
            self.at.set(None);
        }

        /// What is armed goes off: its time has come.
        pub(crate) fn fire(&self, channel: &Channel) {
            if let Some(at) = self.at.take() {
                time::set(at);
                channel.expired();
            }
        }
    }
}

pub(crate) mod gate {
    //! The gate between what outlives a device and what is bound to it.

    use std::{
        cell::RefCell,
        rc::Rc, //
    };

    use kernel::sync::{
        CondVar,
        Mutex, //
    };

    use crate::hardware::Hardware;

    /// Lends out hardware while the device is bound.
    pub(crate) struct Gate {
        hw: RefCell<Option<Rc<Hardware<'static>>>>,
        /// Where the gate may close. Else who is inside does not matter, and taking no lock leaves
        /// loom with less to do.
        readers: Option<Readers>,
    }

    struct Readers {
        inside: Mutex<Inside>,
        left: CondVar,
    }

    struct Inside {
        is_open: bool,
        count: usize,
    }

    impl Gate {
        pub(crate) fn new() -> Self {
            Self {
                hw: RefCell::new(None),
                readers: crate::world::closes().then(|| Readers {
                    inside: Mutex::new(Inside {
                        is_open: true,
                        count: 0,
                    }),
                    left: CondVar::new(),
                }),
            }
        }

        pub(crate) fn open(&self, hw: &Rc<Hardware<'static>>) {
            *self.hw.borrow_mut() = Some(hw.clone());
        }

        pub(crate) fn close(&self) {
            if let Some(readers) = &self.readers {
                let mut inside = readers.inside.lock();
                inside.is_open = false;
                while inside.count > 0 {
                    readers.left.wait(&mut inside);
                }
            }
        }

        pub(crate) fn enter(&self) -> Option<Pass<'_>> {
            if let Some(readers) = &self.readers {
                let mut inside = readers.inside.lock();
                if !inside.is_open {
                    return None;
                }
                inside.count += 1;
            }
            Some(Pass {
                hw: self.hw.borrow().clone()?,
                gate: self,
            })
        }
    }

    /// Proof of being inside.
    pub(crate) struct Pass<'gate> {
        hw: Rc<Hardware<'static>>,
        gate: &'gate Gate,
    }

    impl Pass<'_> {
        pub(crate) fn hw(&self) -> &Hardware<'_> {
            &self.hw
        }
    }

    impl Drop for Pass<'_> {
        fn drop(&mut self) {
            if let Some(readers) = &self.gate.readers {
                let mut inside = readers.inside.lock();
                inside.count -= 1;
                if inside.count == 0 {
                    readers.left.notify_all();
                }
            }
        }
    }
}
