// SPDX-License-Identifier: GPL-2.0

//! A channel with hardware, and the threads that the kernel would run for it.

use std::{
    cell::RefCell,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    rc::Rc,
    sync::{
        atomic::{
            AtomicUsize,
            Ordering, //
        },
        Arc, //
    },
};

use kernel::{
    alloc,
    prelude::*,
    sync::{
        atomic::Atomic,
        srcu, //
    },
    time::{
        self,
        Delta, //
    }, //
};
use loom::{
    model::Builder,
    sync::mpsc,
    thread::{
        self,
        JoinHandle, //
    }, //
};

use crate::{
    channel::{
        Channel,
        Submitted, //
    },
    client::{
        Client,
        Options, //
    },
    hardware::{
        Engine,
        Hardware,
        Ills,
        BYTES, //
    },
    memory::Staging,
    uapi::{
        Info,
        Record,
        Seg, //
    },
    waits::{
        Call,
        Calls, //
    }, //
};

/// Time limit of jobs without bytes, and the longest time limit, in nanoseconds.
pub(crate) const LIMIT: i64 = 1000;
pub(crate) const LONGEST: i64 = 10_000_000_000;

/// Runs `model` in every order of its threads' steps; with `preemptions`, in those with at most
/// that many preemptions.
pub(crate) fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let mut builder = Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = preemptions;
    let counted = count.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let count = count.load(Ordering::Relaxed);
    let bound = preemptions.map_or(String::new(), |n| format!(" of up to {n} preemptions"));
    println!("{count} interleavings{bound}");
    assert!(count > 1, "the threads have nothing to do with each other");
}

/// The properties of a channel and its hardware.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Whether the memory of jobs is mapped, so that it has to be unmapped when they have ended.
    pub(crate) is_mapped: bool,
    pub(crate) ills: Ills,
    /// Whether the device may be unbound.
    pub(crate) closes: bool,
    /// Whether the end of jobs is polled for.
    pub(crate) polls: bool,
    /// See [`Hardware::has_long_jobs`].
    pub(crate) has_long_jobs: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            is_mapped: false,
            ills: Ills::None,
            closes: false,
            polls: false,
            has_long_jobs: false,
        }
    }
}

/// A client that is not closed if a test fails, as loom and its locks do not work any more then.
pub(crate) struct Program(ManuallyDrop<Client>);

impl Deref for Program {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: The client is dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

/// A channel, its hardware, and its threads.
pub(crate) struct World {
    pub(crate) channel: kernel::sync::Arc<Channel>,
    pub(crate) hw: Rc<Hardware<'static>>,
    line: Calls,
    handlers: RefCell<Vec<(Calls, JoinHandle<()>)>>,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Rc<Self> {
        srcu::wait_for_readers(setup.closes);
        alloc::forget_boxes();
        time::set(0);
        let info = Info {
            max_job_bytes: BYTES,
            max_timeout_ns: LONGEST as u64,
            max_segments: 1,
            alignment: 1,
            address_alignment: 1,
            ..Info::default()
        };
        let staging = if setup.is_mapped {
            Staging::Pages { max_entry: 1 }
        } else {
            Staging::Buffer
        };
        let channel = Channel::new(info, LIMIT as u64, staging).expect("there is memory");
        let line = Calls::default();
        let seen = channel.downgrade();
        let pause = move || {
            if let Some(channel) = seen.upgrade() {
                drop(channel.state.lock());
            }
        };
        let hw = Rc::new(Hardware {
            dev: (),
            engine: Engine::new(setup.ills, line.clone(), Box::new(pause)),
            poll_bytes: Box::leak(Box::new(Atomic::new(BYTES as u32))),
            has_long_jobs: setup.has_long_jobs,
            bound: PhantomData,
        });
        // SAFETY: `hw` is dropped with the world, after all threads that use it have ended.
        unsafe { channel.gate.open(&hw) };
        if setup.polls {
            channel.state.lock().polls = true;
        }
        Rc::new(Self {
            channel,
            hw,
            line,
            handlers: RefCell::new(Vec::new()),
        })
    }

    /// Runs `handler` in a thread of its own for each of `calls`.
    fn handle(self: &Rc<Self>, calls: &Calls, handler: fn(&Self)) {
        let (sender, receiver) = mpsc::channel();
        calls.connect(sender);
        let world = self.clone();
        let thread = thread::spawn(move || {
            while receiver.recv() == Ok(Call::Run) {
                handler(&world);
            }
        });
        self.handlers.borrow_mut().push((calls.clone(), thread));
    }

    /// Makes hardware interrupt when it has done a job. Without this, its interrupts are lost.
    pub(crate) fn interrupts(self: &Rc<Self>) {
        self.handle(&self.line, |world| {
            world.channel.interrupt(&world.hw);
        });
    }

    /// Makes time limits pass.
    pub(crate) fn time_passes(self: &Rc<Self>) {
        self.handle(&self.channel.watchdog.calls, |world| {
            world.channel.watchdog.fire(&world.channel);
        });
    }

    /// Completes deferred jobs.
    pub(crate) fn completes_deferred(self: &Rc<Self>) {
        self.handle(&self.channel.completer.calls, |world| {
            world.channel.completer.fire(&world.channel);
        });
    }

    /// Runs a thread of a program.
    pub(crate) fn run<T: 'static>(
        self: &Rc<Self>,
        program: impl FnOnce(&Self) -> T + 'static,
    ) -> JoinHandle<T> {
        let world = self.clone();
        thread::spawn(move || program(&world))
    }

    pub(crate) fn client(&self) -> Rc<Program> {
        let client = Client::new(&self.channel).expect("there is memory");
        Rc::new(Program(ManuallyDrop::new(client)))
    }

    /// Prepares all devices for a suspend.
    pub(crate) fn prepare_suspend(&self) {
        self.channel.prepare_suspend();
    }

    /// Aborts a prepared suspend, or ends a resume.
    pub(crate) fn complete_suspend(&self) {
        self.channel.complete_suspend(&self.hw);
    }

    /// Suspends the system.
    pub(crate) fn suspend(&self) {
        self.channel.suspend(&self.hw);
        self.hw.engine.sleep();
    }

    /// Resumes the system.
    pub(crate) fn resume(&self) {
        self.hw.engine.wake();
        self.channel.resume(&self.hw);
    }

    /// Shuts the system down.
    pub(crate) fn shut_down(&self) {
        self.channel.shutdown(&self.hw);
        self.hw.engine.shut_down();
    }

    /// Suspends and resumes the system.
    pub(crate) fn suspend_and_resume(&self) {
        self.prepare_suspend();
        self.suspend();
        self.resume();
        self.complete_suspend();
    }

    /// Unbinds the device.
    pub(crate) fn unbind(&self) {
        self.channel.shut(&self.hw);
        self.hw.engine.go();
    }

    /// Ends the kernel's threads when those of programs have ended, and checks that no job or
    /// record is left.
    pub(crate) fn end(self: Rc<Self>, clients: impl IntoIterator<Item = Rc<Program>>) {
        self.end_with(clients, 0);
    }

    /// Ends the world as [`Self::end`] does, with `closed` jobs of clients that were closed.
    pub(crate) fn end_with(
        self: Rc<Self>,
        clients: impl IntoIterator<Item = Rc<Program>>,
        closed: usize,
    ) {
        for (calls, thread) in self.handlers.take() {
            calls.end();
            thread.join().expect("it ends");
        }
        let state = self.channel.state.lock();
        assert_eq!(state.still_mapped(), 0, "an ended job is still mapped");
        drop(state);
        let (made, left) = alloc::boxes();
        assert_eq!(made, left + closed, "a job was lost");
        for client in clients {
            assert!(!client.readiness().record, "a record was left");
            let client = Rc::into_inner(client).expect("no other reference to the client");
            drop(client);
        }
        assert_eq!(alloc::boxes().1, 0, "a job was left");
    }
}

/// Explores the close of a client that has jobs before and behind job 1 of another client.
/// Meanwhile `take` takes the record of that job.
pub(crate) fn explore_close(take: fn(&World, &Client)) {
    for is_mapped in [false, true] {
        explore(Some(2), move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let (client, closed) = (world.client(), world.client());
            submit(&closed, 2);
            submit(&client, 1);
            submit(&closed, 3);
            world.interrupts();
            if is_mapped {
                world.completes_deferred();
            }
            let thread = world.run(move |_| drop(closed));
            take(&world, &client);
            thread.join().expect("it ends");
            world.end_with([client], 2);
        });
    }
}

/// Submits a job, and returns its cookie and state.
pub(crate) fn try_submit(client: &Client, sync: bool, user_data: u64) -> Result<Submitted> {
    let options = Options {
        sync,
        timeout: Delta::ZERO,
        user_data,
    };
    client.submit(&options, false, |request| {
        let (src, dst) = (0, BYTES);
        let [src, dst] = [src, dst].map(|addr| Seg { addr, len: BYTES });
        request.set(&[src], &[dst], None)
    })
}

/// Submits an asynchronous job, and returns its cookie.
pub(crate) fn submit(client: &Client, user_data: u64) -> u64 {
    try_submit(client, false, user_data)
        .expect("the channel is live")
        .cookie
}

/// Submits a job and waits for its record, unless a signal comes.
pub(crate) fn submit_wait(client: &Client, user_data: u64) -> Result<Record> {
    client.wait_submitted(try_submit(client, true, user_data)?, || Ok(()))
}

/// Returns the next record of a client.
pub(crate) fn read(client: &Client, nonblocking: bool) -> Result<Record> {
    let mut taken = None;
    client.next_record(nonblocking, |record| {
        taken = Some(*record);
        Ok(())
    })?;
    Ok(taken.expect("it was given"))
}

/// Returns the record of one job.
pub(crate) fn wait(client: &Client, cookie: u64) -> Result<Record> {
    let mut taken = None;
    client.wait(cookie, None, false, |record| {
        taken = Some(*record);
        Ok(())
    })?;
    Ok(taken.expect("it was given"))
}

/// Checks that a record is that of the job with this cookie and these data, and how the job ended.
pub(crate) fn check(record: &Record, cookie: u64, user_data: u64, status: Result) {
    assert_eq!(record.cookie, cookie, "the record is of another job");
    assert_eq!(
        record.user_data, user_data,
        "the record has data of another job"
    );
    assert_eq!(record.status, status_of(status), "the job ended otherwise");
    let bytes = if status.is_ok() { BYTES } else { 0 };
    assert_eq!(record.bytes, bytes, "the bytes do not fit the status");
}

/// Returns a result in the form that records have.
pub(crate) fn status_of(status: Result) -> i32 {
    status.err().map_or(0, Error::to_errno)
}
