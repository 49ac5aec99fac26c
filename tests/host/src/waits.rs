// SPDX-License-Identifier: GPL-2.0

//! Replacements for waits and callbacks.

use std::{
    cell::Cell,
    rc::Rc, //
};

use loom::sync::mpsc::Sender;

/// A message to the thread of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Runs the handler.
    Run,
    /// Ends the thread.
    End,
}

/// A line on which a handler is called.
#[derive(Clone, Default)]
pub(crate) struct Calls(Rc<Line>);

#[derive(Default)]
struct Line {
    sender: Cell<Option<Sender<Call>>>,
    /// Number of calls before a handler was connected.
    early: Cell<usize>,
}

impl Calls {
    /// Sends calls to `sender` from now on.
    pub(crate) fn connect(&self, sender: Sender<Call>) {
        for _ in 0..self.0.early.take() {
            let _ = sender.send(Call::Run);
        }
        self.0.sender.set(Some(sender));
    }

    /// Calls the handler.
    pub(crate) fn call(&self) {
        self.send(Call::Run);
    }

    /// Ends the thread of the handler. No call may be under way.
    pub(crate) fn end(&self) {
        self.send(Call::End);
        self.0.sender.set(None);
    }

    fn send(&self, call: Call) {
        // Other threads may run within `send`, so the sender must stay in place meanwhile.
        let sender = self.0.sender.take();
        self.0.sender.set(sender.clone());
        match sender {
            Some(sender) => drop(sender.send(call)),
            None => self.0.early.set(self.0.early.get() + 1),
        }
    }
}

pub(crate) mod alarm {
    //! Time limits of waits.

    use kernel::{
        prelude::*,
        task,
        time::{
            self,
            Delta, //
        }, //
    };

    use crate::clock;

    /// A timer whose handler takes the channel's lock.
    pub(crate) struct Alarm<F: Fn()>(F);

    impl<F: Fn()> Alarm<F> {
        /// Advances the clock by `delay` at once if the thread is out of time; the limit never
        /// passes otherwise.
        pub(crate) fn start(delay: Delta, call: F) -> Result<Self> {
            if task::is_out_of_time() {
                time::set(clock::now() + delay.as_nanos());
            }
            Ok(Self(call))
        }
    }

    impl<F: Fn()> Drop for Alarm<F> {
        /// Waits for the handler, and so for the channel's lock.
        fn drop(&mut self) {
            if !std::thread::panicking() {
                (self.0)();
            }
        }
    }
}

pub(crate) mod clock {
    //! The clock of jobs.

    use kernel::time::{
        ClockSource,
        Monotonic, //
    };

    pub(crate) fn now() -> i64 {
        Monotonic::ktime_get()
    }

    pub(crate) fn caller_offset() -> i64 {
        0
    }
}

pub(crate) mod user {
    //! Users: all threads are the same one's.

    use kernel::sync::aref::ARef;

    /// A user.
    pub(crate) struct User(());

    impl User {
        pub(crate) fn current() -> ARef<Self> {
            thread_local! {
                static USER: ARef<User> = ARef::new(User(()));
            }
            USER.with(Clone::clone)
        }
    }
}

pub(crate) mod owner {
    //! The address space that a client works for: a number, which each thread has.

    use std::cell::Cell;

    use kernel::{
        prelude::*,
        task, //
    };

    /// The address space of the first thread that claims the client.
    pub(crate) struct Owner(Cell<Option<usize>>);

    impl Owner {
        pub(crate) fn new() -> Self {
            Self(Cell::new(None))
        }

        pub(crate) fn claim(&self) -> Result<bool> {
            let is_first = self.0.get().is_none();
            if is_first {
                self.0.set(Some(task::address_space()));
            }
            self.check().map(|()| is_first)
        }

        pub(crate) fn check(&self) -> Result {
            match self.0.get() {
                Some(owner) if owner != task::address_space() => Err(EPERM),
                _ => Ok(()),
            }
        }
    }
}

pub(crate) mod completion {
    //! Events.

    use kernel::{
        prelude::*,
        sync::{
            CondVar,
            Mutex, //
        },
        task::{
            self,
            Signal, //
        },
        time::Delta, //
    };

    /// The result of a wait.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Wait {
        Done,
        Signal,
        Killed,
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
            self.wait(match task::signal() {
                Signal::None => None,
                Signal::Handled => Some(Wait::Signal),
                Signal::Fatal => Some(Wait::Killed),
            })
        }

        pub(crate) fn wait_timeout(&self, _: Delta) -> Wait {
            self.wait(task::is_out_of_time().then_some(Wait::TimedOut))
        }
    }
}

pub(crate) mod deferred {
    //! Deferred work.

    use std::{
        cell::Cell,
        ffi::CStr,
        marker::PhantomData, //
    };

    use kernel::{
        prelude::*,
        time::{
            self,
            ClockSource,
            Delta,
            Monotonic, //
        }, //
    };

    use super::Calls;

    /// A structure with deferred work.
    pub(crate) trait HasDeferred<const ID: u64> {
        fn run(&self);
    }

    macro_rules! impl_has_deferred {
        (impl HasDeferred<$id:literal> for $owner:ty { self.$field:ident, $run:path }) => {
            impl crate::sync::deferred::HasDeferred<$id> for $owner {
                fn run(&self) {
                    $run(self)
                }
            }
        };
    }
    pub(crate) use impl_has_deferred;

    /// A work item and a timer. Calls in quick succession may cause one run more than necessary.
    pub(crate) struct Deferred<T: HasDeferred<ID>, const ID: u64> {
        pub(crate) calls: Calls,
        is_queued: Cell<bool>,
        at: Cell<Option<i64>>,
        owner: PhantomData<fn(&T)>,
    }

    impl<T: HasDeferred<ID>, const ID: u64> Deferred<T, ID> {
        pub(crate) unsafe fn new(_: &CStr) -> impl PinInit<Self, Error> {
            Ok(Self {
                calls: Calls::default(),
                is_queued: Cell::new(false),
                at: Cell::new(None),
                owner: PhantomData,
            })
        }

        pub(crate) fn queue(&self) {
            self.is_queued.set(true);
            self.calls.call();
        }

        pub(crate) fn arm(&self, delay: Delta) {
            self.at.set(Some(Monotonic::ktime_get() + delay.as_nanos()));
            self.calls.call();
        }

        pub(crate) fn cancel(&self) {
            self.at.set(None);
        }

        /// Runs the work if it is queued, or if it is armed: its time has come then.
        pub(crate) fn fire(&self, owner: &T) {
            if let Some(at) = self.at.take() {
                time::set(at);
            } else if !self.is_queued.take() {
                return;
            }
            owner.run();
        }
    }
}
