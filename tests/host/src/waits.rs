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

    use kernel::prelude::*;

    use super::Calls;

    /// A work item. Here one run more than needed may come of calls that are close together.
    pub(crate) struct Finisher(pub(crate) Calls);

    impl Finisher {
        pub(crate) unsafe fn new() -> impl PinInit<Self, Error> {
            Ok(Self(Calls::default()))
        }

        pub(crate) fn schedule(&self) {
            self.0.call();
        }
    }
}

pub(crate) mod watchdog {
    //! The worker for time limits.

    use std::cell::Cell;

    use kernel::{
        prelude::*,
        time::{
            self,
            ClockSource,
            Delta,
            Monotonic, //
        }, //
    };

    use crate::channel::Channel;

    use super::Calls;

    /// A timer with a work item.
    pub(crate) struct Watchdog {
        pub(crate) calls: Calls,
        at: Cell<Option<i64>>,
    }

    impl Watchdog {
        pub(crate) unsafe fn new() -> impl PinInit<Self, Error> {
            Ok(Self {
                calls: Calls::default(),
                at: Cell::new(None),
            })
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
