// SPDX-License-Identifier: GPL-2.0

//! A DMA channel: one engine that works on one job at a time, and the queue before it.
//!
//! # Locks
//!
//! In the order in which they are taken:
//!
//! 1. `Channel::stopper`, a mutex: held by whoever stops the hardware, which may sleep.
//! 2. `Channel::state`, a spin lock that the interrupt handler takes: the queue, and hardware being
//!    started and acknowledged.
//! 3. Those of the wait queues, of the workqueue code and of the descriptors' pool.
//!
//! A job that is not in use and chains that are not are exchanged without a lock ([`Slot`]).
//!
//! The lock of the [`Stock`] is not for interrupt context, and so not taken with `state` held.
//!
//! # Polling
//!
//! An interrupt costs more than a small job. So whoever starts one looks for its end right away, for a
//! while that is short even with interrupts disabled ([`POLL_TIME`], [`POLL_TURN`]). What takes longer
//! interrupts. A small job whose submitter waits is not even queued if nothing is before it
//! ([`Channel::do_at_once`]): the lock is held from its start to its end, and so others never see it.
//!
//! # Ending
//!
//! A job ends in whatever context hardware is found to be done with it. If its memory is mapped,
//! that is given back in process context before the record can be taken: by the submitter that
//! waits for it, or by the finisher. `State::unsettled` counts these jobs, and unbind waits for
//! them, so a mapping does not outlive its device.
//!
//! # Stopping
//!
//! Cancel, close, a time-out, a fault and unbind all end a job that is with hardware in the same
//! way, [`Channel::stop_running`]: hold back new starts, quiesce the engine, give the job back,
//! go on. If the engine does not come to rest, the channel is dead: the job's memory is leaked, as
//! hardware may still access it, and nothing is ever started again.

use kernel::{
    irq::IrqReturn,
    new_mutex,
    prelude::*,
    sync::{
        atomic::ordering,
        lock::{
            spinlock::SpinLockIrqBackend,
            Guard, //
        },
        new_condvar,
        new_spinlock_irq,
        Arc,
        CondVar,
        Mutex,
        SpinLockIrq, //
    },
    time::Delta, //
};

use crate::{
    channel::{
        gate::Gate,
        ratelimit::RateLimit,
        stats::Stats, //
    },
    client::Signals,
    clock::now,
    dma::chain::Chains,
    driver::Addresses,
    engine::{
        Outcome,
        Rest, //
    },
    hardware::Hardware,
    job::Job,
    memory::{
        blocks::Stock,
        Progress, //
    },
    queue::{
        ClientId,
        Phase,
        Place,
        Queue, //
    },
    request::{
        Limits,
        USER_ADDRESS_MASK, //
    },
    sync::{
        completion::Completion,
        finisher::Finisher,
        slot::Slot,
        watchdog::Watchdog, //
    },
    uapi, //
};

mod complete;
pub(crate) mod gate;
mod power;
pub(crate) mod ratelimit;
pub(crate) mod stats;

/// Jobs that one client may have, records that were not taken included.
pub(crate) const QUEUE_DEPTH: usize = 64;

/// Most segments in each list of a job.
pub(crate) const MAX_SEGMENTS: usize = 256;

/// Chains that are kept for later jobs: as many as one client can have queued.
const SPARE_CHAINS: usize = QUEUE_DEPTH;

/// Descriptors in each of the chains that are kept. Memory in pieces may need any number.
const SPARE_DESCRIPTORS: usize = 2 * MAX_SEGMENTS;

/// TIMEOUT: What the default time limit of a job grows by with each MiB. No engine on an idle bus is
/// as slow as 10 MiB/s.
const SLOWEST_NS_PER_MIB: u64 = 100_000_000;

/// TIMEOUT: How long to look for the end of a small job before leaving it to the interrupt, a fraction
/// of what an interrupt and waking somebody up cost.
const POLL_TIME: Delta = Delta::from_micros(5);

/// TIMEOUT: How long to go on with polled jobs before letting interrupts in.
const POLL_TURN: Delta = Delta::from_micros(20);

type StateGuard<'a> = Guard<'a, State, SpinLockIrqBackend>;

/// A channel. Outlives its device as long as a file is open.
#[pin_data]
pub(crate) struct Channel {
    // First, so that they are dropped first: their callbacks use all the others.
    #[pin]
    pub(crate) watchdog: Watchdog,
    #[pin]
    pub(crate) finisher: Finisher,
    #[pin]
    pub(crate) gate: Gate,
    #[pin]
    stopper: Mutex<()>,
    #[pin]
    pub(crate) state: SpinLockIrq<State>,
    /// Chains for the next job.
    spare: Slot<Chains>,
    /// No job is unsettled any more.
    #[pin]
    settled: CondVar,
    /// What the addresses in a job are.
    pub(crate) addresses: Addresses,
    /// Longest entry of a scatter list.
    pub(crate) max_entry: usize,
    /// Blocks for the jobs, if the addresses are of that kind. Empty once the device is unbound.
    pub(crate) stock: Option<Arc<Stock<'static>>>,
    /// What the channel says of itself to users, save for what changes.
    pub(crate) info: uapi::Info,
    /// Default time limit of a job, without what its bytes add, in nanoseconds.
    timeout_ns: u64,
    /// What a job may be.
    pub(crate) limits: Limits,
}

/// What became of a job that was submitted.
pub(crate) struct Submitted {
    pub(crate) cookie: u64,
    /// [`Channel::finish_parked`] is to be called when the hardware is not needed any more.
    pub(crate) parked: bool,
    pub(crate) stage: Stage,
}

/// Where a job is that was submitted.
pub(crate) enum Stage {
    /// It has ended, and its submitter has waited for it.
    Ended(KBox<Job>),
    /// It is in the queue. Its end wakes the submitter who waits for it.
    Queued(Option<Arc<Completion>>),
}

/// What the interrupt handler and submitters share.
pub(crate) struct State {
    pub(crate) queue: Queue<KBox<Job>, Arc<Signals>>,
    pub(crate) stats: Stats,
    /// Of what the log is told of jobs that hardware has failed.
    told: RateLimit,
    /// Chains for later jobs, beside those in [`Channel::spare`].
    spare: KVec<KBox<Chains>>,
    /// When the running job's time is up.
    deadline: i64,
    /// When the watchdog will look, if it is armed.
    watch_at: Option<i64>,
    /// When the running job is stopped, if the system is being suspended.
    suspend_by: i64,
    /// The engine has reported an error for the running job.
    fault: bool,
    /// Small jobs are polled. While the channel is proved none are.
    pub(crate) polls: bool,
    /// The end of a job was found before its interrupt came, which may still come.
    polled: bool,
    /// Jobs that have ended and are still mapped.
    unsettled: usize,
    /// Whoever holds the lock submits a job, and will settle what ends meanwhile.
    submits: bool,
    /// Somebody settles jobs.
    settles: bool,
}

impl State {
    /// How many jobs have ended and are still mapped. 0 when no job is out.
    pub(crate) fn still_mapped(&self) -> usize {
        self.unsettled
    }

    /// Whether a job of so many bytes is to be polled.
    fn is_small(&self, hw: &Hardware<'_>, bytes: u64) -> bool {
        self.polls && bytes <= u64::from(hw.poll_bytes.load(ordering::Relaxed))
    }
}

impl Channel {
    /// A channel without hardware.
    pub(crate) fn new(
        info: uapi::Info,
        timeout_ns: u64,
        addresses: Addresses,
        max_entry: usize,
        stock: Option<Arc<Stock<'static>>>,
    ) -> Result<Arc<Self>> {
        let spare = KVec::with_capacity(SPARE_CHAINS, GFP_KERNEL)?;
        let limits = Limits {
            // CAST: A small number.
            max_segments: info.max_segments as usize,
            max_job_bytes: info.max_job_bytes,
            max_seg: match info.block_size {
                0 => u64::MAX,
                size => u64::from(size),
            },
            length_mask: u64::from(info.alignment) - 1,
            alignment_mask: u64::from(info.address_alignment) - 1,
            address_mask: match addresses {
                Addresses::BufferOffsets => u64::MAX,
                _ => USER_ADDRESS_MASK,
            },
        };
        Arc::pin_init(
            try_pin_init!(Self {
                // SAFETY: This is the `watchdog` field of a `Channel`.
                watchdog <- unsafe { Watchdog::new() },
                // SAFETY: This is the `finisher` field of a `Channel`.
                finisher <- unsafe { Finisher::new() },
                gate <- Gate::new(),
                stopper <- new_mutex!((), "ferrodma stopper"),
                state <- new_spinlock_irq!(
                    State {
                        queue: Queue::new(QUEUE_DEPTH),
                        stats: Stats::default(),
                        told: RateLimit::default(),
                        spare,
                        deadline: 0,
                        watch_at: None,
                        suspend_by: 0,
                        fault: false,
                        polls: false,
                        polled: false,
                        unsettled: 0,
                        submits: false,
                        settles: false,
                    },
                    "ferrodma channel"
                ),
                spare: Slot::new(),
                settled <- new_condvar!("ferrodma settled"),
                addresses,
                max_entry,
                stock,
                info,
                timeout_ns,
                limits,
            }),
            GFP_KERNEL,
        )
    }

    /// The longest time limit of a job.
    pub(crate) fn max_timeout(&self) -> Delta {
        // CAST: At most an hour.
        Delta::from_nanos(self.info.max_timeout_ns as i64)
    }

    /// The time limit of a job of `bytes` that asks for none.
    pub(crate) fn default_timeout(&self, bytes: u64) -> Delta {
        let mut limit = self.timeout_ns;
        let mib = bytes >> 20;
        if mib != 0 {
            limit = limit
                .saturating_add(mib.saturating_mul(SLOWEST_NS_PER_MIB))
                .min(self.info.max_timeout_ns);
        }
        // CAST: At most an hour.
        Delta::from_nanos(limit as i64)
    }

    /// Adds a client with its wake-ups.
    pub(crate) fn add_client(&self, signals: &Arc<Signals>) -> Result<ClientId> {
        let mut slots = self.state.lock().queue.wanted_slots();
        loop {
            let mut room = Queue::room(QUEUE_DEPTH, slots, signals.clone())?;
            let mut state = self.state.lock();
            // A dead channel can still say that it is.
            if state.queue.phase() == Phase::Gone {
                return Err(ENODEV);
            }
            let added = state.queue.add_client(&mut room);
            slots = state.queue.wanted_slots();
            drop(state);
            if let Some(id) = added {
                return Ok(id);
            }
        }
    }

    /// Ends all jobs of a client, hardware first, and removes it.
    pub(crate) fn remove_client(&self, id: ClientId, signals: &Signals) {
        {
            let _stopper = self.stopper.lock();
            loop {
                let mut state = self.state.lock();
                let Some(job) = state.queue.withdraw_of(id) else {
                    break;
                };
                self.complete(&mut state, job, ECANCELED.to_errno(), 0, now());
            }
            // Where the gate is closed, nothing runs.
            if let Some(pass) = self.gate.enter() {
                let state = self.state.lock();
                if state.queue.runs_for(id) {
                    // A channel that dies of this has said so in the log.
                    let _ = self.stop_running(pass.hw(), state, ECANCELED);
                }
            }
        }
        let mut state = self.state.lock();
        while state.queue.is_active(id) {
            signals.changed.wait(&mut state);
        }
        let removed = state.queue.remove_client(id);
        drop(state);
        // The jobs' memory is freed here, without the lock.
        drop(removed);
    }

    /// Descriptor chains that another job has left. For those inside of the gate: the memory is the
    /// device's.
    pub(crate) fn spare_chains(&self) -> Option<KBox<Chains>> {
        self.spare.take().or_else(|| self.state.lock().spare.pop())
    }

    /// Keeps chains for a later job, or gives them back to be freed.
    fn keep(&self, state: &mut State, chains: KBox<Chains>) -> Option<KBox<Chains>> {
        // None is kept beyond unbind: nobody could prove that the pool's device is still there.
        if state.queue.phase() != Phase::Live {
            return Some(chains);
        }
        let more = self.spare.put(chains)?;
        state
            .spare
            .push_within_capacity(more)
            .err()
            .map(|error| error.0)
    }

    /// Unmaps a job that was not submitted.
    ///
    /// # Safety
    ///
    /// The device is bound, and hardware was not started on the job.
    pub(crate) unsafe fn unprepare(&self, job: &mut Job) {
        // SAFETY: The caller promises what is needed.
        unsafe { job.lent.unmap(&job.request, Progress::NotStarted) };
        if let Some(mut chains) = job.transfer.chains.take() {
            chains.trim(SPARE_DESCRIPTORS);
            let left = self.keep(&mut self.state.lock(), chains);
            drop(left);
        }
        self.announce_blocks();
    }

    /// Queues a prepared job; or has it done at once, where that takes no longer.
    pub(crate) fn submit(
        &self,
        hw: &Hardware<'_>,
        mut job: KBox<Job>,
    ) -> Result<Submitted, (Error, KBox<Job>)> {
        let time = now();
        // CAST: The time since boot is positive.
        job.record.submit_ns = time as u64;
        let mut state = self.state.lock();
        let is_quick = job.waited && state.is_small(hw, job.transfer.total());
        let cookie = if is_quick && state.queue.is_idle() {
            state.queue.number(job.client)
        } else {
            None
        };
        if let Some(cookie) = cookie {
            job.record.cookie = cookie;
            let stage = self.do_at_once(&mut state, hw, job, time);
            return Ok(Submitted {
                cookie,
                parked: state.queue.has_parked(),
                stage,
            });
        }
        let wake = job.waited.then(|| job.wake());
        let cookie = match state.queue.submit(job) {
            Ok(cookie) => cookie,
            Err((error, mut job)) => {
                drop(state);
                // SAFETY: Whoever has the hardware is inside of the gate. The job was not queued.
                unsafe { self.unprepare(&mut job) };
                return Err((error, job));
            }
        };
        state.submits = true;
        self.start_next(&mut state, hw, time);
        state.submits = false;
        Ok(Submitted {
            cookie,
            parked: state.queue.has_parked(),
            stage: Stage::Queued(wake),
        })
    }

    /// Starts a job whose submitter waits, and polls for its end before the queue or anybody else gets
    /// to know of it. The queue is idle and has given the job a number.
    fn do_at_once(
        &self,
        state: &mut State,
        hw: &Hardware<'_>,
        mut job: KBox<Job>,
        time: i64,
    ) -> Stage {
        job.progress = Progress::Started;
        state.fault = false;
        // SAFETY: Hardware is idle: no job was running, and nobody is stopping it, which holds the
        // queue. The job owns all that the transfer names. It stays here until hardware is done with
        // it, or is the running one when others get the lock.
        unsafe { hw.engine.start(&job.transfer) };
        let (outcome, time) = Self::poll(state, hw, time);
        if outcome == Outcome::Done {
            let bytes = job.transfer.total();
            self.close(state, &mut job, 0, bytes, time);
            return Stage::Ended(job);
        }
        let wake = job.wake();
        self.limit(state, job.timeout, time);
        state.queue.run(job);
        self.note(state, outcome, time);
        Stage::Queued(Some(wake))
    }

    /// Starts jobs as long as hardware is free and there are any.
    fn start_next(&self, state: &mut State, hw: &Hardware<'_>, mut time: i64) {
        let turn = time.saturating_add(POLL_TURN.as_nanos());
        while let Some(bytes) = self.start_one(state, hw, time) {
            if !state.is_small(hw, bytes) || time >= turn {
                return;
            }
            let outcome;
            (outcome, time) = Self::poll(state, hw, time);
            if !self.note(state, outcome, time) {
                return;
            }
        }
    }

    /// Looks for the end of what was started at `time`, for a while. Returns what there is, and when.
    fn poll(state: &mut State, hw: &Hardware<'_>, time: i64) -> (Outcome, i64) {
        let limit = time.saturating_add(POLL_TIME.as_nanos());
        loop {
            let outcome = hw.engine.acknowledge();
            let time = now();
            state.polled |= outcome != Outcome::NotMine;
            if matches!(outcome, Outcome::Done | Outcome::Fault) || time >= limit {
                return (outcome, time);
            }
            core::hint::spin_loop();
        }
    }

    /// Starts the next job, if hardware is free and there is one; returns how many bytes it moves.
    fn start_one(&self, state: &mut State, hw: &Hardware<'_>, time: i64) -> Option<u64> {
        let job = state.queue.start_next()?;
        let timeout = job.timeout;
        job.progress = Progress::Started;
        state.fault = false;
        // SAFETY: Hardware is idle: no job was running, and nobody is stopping it, which holds the
        // queue. The job owns all that the transfer names, and is the running one until hardware is
        // done with it or has been stopped; failing that, it is leaked.
        unsafe { hw.engine.start(&job.transfer) };
        let bytes = job.transfer.total();
        self.limit(state, timeout, time);
        Some(bytes)
    }

    /// Gives the running job, which was started at `time`, its time limit.
    fn limit(&self, state: &mut State, timeout: Delta, time: i64) {
        let deadline = time.saturating_add(timeout.as_nanos());
        state.deadline = deadline;
        // One look when the first limit may be over is enough: it sets out again if the job that
        // runs by then has time left. So a stream of jobs arms the timer once in a while only.
        if state.watch_at.is_none_or(|at| at > deadline) {
            state.watch_at = Some(deadline);
            self.watchdog.arm(timeout);
        }
    }

    /// Takes note of what hardware has said at `time`. Returns whether the running job has ended.
    fn note(&self, state: &mut State, outcome: Outcome, time: i64) -> bool {
        match outcome {
            Outcome::NotMine | Outcome::Unfinished => false,
            Outcome::Fault => {
                // Whether it has stopped is not known, and finding out may take a while.
                if state.queue.running().is_some() {
                    state.fault = true;
                    state.watch_at = Some(0);
                    self.watchdog.arm(Delta::ZERO);
                }
                false
            }
            // A job that was stopped is not here any more, and cannot be mistaken for another:
            // stopping has cleared its interrupt.
            Outcome::Done if state.fault => false,
            Outcome::Done => {
                let Some(job) = state.queue.finish() else {
                    return false;
                };
                let bytes = job.transfer.total();
                self.complete(state, job, 0, bytes, time);
                true
            }
        }
    }

    /// The interrupt handler.
    pub(crate) fn interrupt(&self, hw: &Hardware<'_>) -> IrqReturn {
        let mut state = self.state.lock();
        let outcome = hw.engine.acknowledge();
        if outcome == Outcome::NotMine {
            // Polling has taken what this interrupt was for.
            return if core::mem::take(&mut state.polled) {
                IrqReturn::Handled
            } else {
                IrqReturn::None
            };
        }
        let time = now();
        if self.note(&mut state, outcome, time) {
            self.start_next(&mut state, hw, time);
        }
        IrqReturn::Handled
    }

    /// Called by the watchdog: ends the running job if its time is up or it has met an error.
    pub(crate) fn expired(&self) {
        let Some(pass) = self.gate.enter() else {
            return;
        };
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        state.watch_at = None;
        if state.queue.running().is_none() {
            return;
        }
        let left = state.deadline.saturating_sub(now());
        let error = if state.fault {
            EIO
        } else if left <= 0 {
            ETIMEDOUT
        } else {
            state.watch_at = Some(state.deadline);
            self.watchdog.arm(Delta::from_nanos(left));
            return;
        };
        // A channel that dies of this has said so in the log.
        let _ = self.stop_running(pass.hw(), state, error);
    }

    /// Takes the running job from hardware and ends it with `error`. Returns whether it did: the
    /// job may end by itself in the meantime. The caller holds `stopper`, and passes the guard
    /// under which it has seen that this is the job to stop.
    ///
    /// # Errors
    ///
    /// EIO: hardware does not stop. The channel is dead.
    fn stop_running(
        &self,
        hw: &Hardware<'_>,
        mut state: StateGuard<'_>,
        error: Error,
    ) -> Result<bool> {
        // From here on no other job can take the place of this one.
        state.queue.hold(true);
        let total = state.queue.running().map_or(0, |job| job.transfer.total());
        drop(state);
        let stopped = hw.engine.quiesce(total);
        let job = self.state.lock().queue.finish();
        let was_running = job.is_some();
        // Counting may be as long as the lists are, and nobody starts another transfer meanwhile.
        let ended = job.map(|job| {
            let bytes = hw.engine.bytes_done(&job.transfer);
            (job, bytes)
        });
        let mut state = self.state.lock();
        let mut tell = None;
        if let Some((mut job, bytes)) = ended {
            let error = match stopped {
                // An error that no interrupt has told, or one that came just now.
                Ok(rest) if error == ETIMEDOUT && (rest == Rest::Fault || state.fault) => EIO,
                Ok(_) => error,
                Err(_) => {
                    job.abandon(hw);
                    EIO
                }
            };
            let failed = stopped.is_ok() && (error == EIO || error == ETIMEDOUT);
            if failed && state.told.allows(now()) {
                tell = Some((error, bytes));
            }
            self.complete(&mut state, job, error.to_errno(), bytes, now());
        }
        if stopped.is_err() {
            state.queue.end(Phase::Dead);
            drop(state);
            self.complete_pending(EIO);
            if let Some(stock) = &self.stock {
                // The blocks of the job do not come back.
                stock.close(EIO);
            }
            dev_err!(
                hw.dev,
                "{} does not stop: the channel is dead, and keeps the memory of its last job\n",
                hw.engine.caps().name
            );
            return Err(EIO);
        }
        if state.queue.phase() == Phase::Live {
            hw.engine.restore();
        }
        state.queue.hold(false);
        self.start_next(&mut state, hw, now());
        drop(state);
        if let Some((error, bytes)) = tell {
            let what = if error == EIO {
                "reported an error"
            } else {
                "was stopped at the time limit"
            };
            dev_err!(
                hw.dev,
                "{} {what} after {bytes} of {total} bytes of a job\n",
                hw.engine.caps().name
            );
        }
        Ok(was_running)
    }

    /// Cancels one job.
    ///
    /// # Errors
    ///
    /// EALREADY: it has ended. ENOENT: there is none. EIO: hardware does not stop. ENODEV.
    pub(crate) fn cancel(&self, id: ClientId, cookie: u64) -> Result {
        let pass = self.gate.enter().ok_or(ENODEV)?;
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if let Some(job) = state.queue.withdraw(id, cookie) {
            self.complete(&mut state, job, ECANCELED.to_errno(), 0, now());
            return Ok(());
        }
        match state.queue.place(id, cookie) {
            Place::Running => {}
            Place::Done => return Err(EALREADY),
            Place::Pending | Place::Nowhere => return Err(ENOENT),
        }
        if self.stop_running(pass.hw(), state, ECANCELED)? {
            Ok(())
        } else {
            Err(EALREADY)
        }
    }

    /// Has a submitter wait no longer for its job, which goes on as an ordinary one; or returns the
    /// job if it has ended. May sleep while hardware is being stopped.
    pub(crate) fn stop_waiting(&self, id: ClientId, cookie: u64) -> Option<KBox<Job>> {
        // A job that is being stopped is out of the queue for a while, but not for who holds this.
        let _stopper = self.stopper.lock();
        self.state.lock().queue.stop_waiting(id, cookie)
    }

    /// Ends all pending jobs with `error`, and wakes all sleepers. The channel accepts no more jobs.
    fn complete_pending(&self, error: Error) {
        loop {
            // There may be many: interrupts are let in after each.
            let mut state = self.state.lock();
            let Some(job) = state.queue.withdraw_any() else {
                for signals in state.queue.all_signals() {
                    signals.changed.notify_all();
                }
                return;
            };
            self.complete(&mut state, job, error.to_errno(), 0, now());
        }
    }

    /// Ends all jobs for good, hardware first, and lets nobody in any more. The interrupt handler
    /// may still be called.
    pub(crate) fn shut(&self, hw: &Hardware<'_>) {
        {
            let _stopper = self.stopper.lock();
            let mut state = self.state.lock();
            let before = state.queue.phase();
            if before == Phase::Gone {
                return;
            }
            state.queue.end(Phase::Gone);
            if before == Phase::Live {
                // Hardware is stopped even if it seems idle. A channel that dies of this has said
                // so in the log.
                let _ = self.stop_running(hw, state, ENODEV);
            } else {
                drop(state);
                // By now it may stop, and then leaves the interrupt line to others. Its job has ended,
                // and keeps its memory in any case.
                let _ = hw.engine.quiesce(0);
            }
            self.complete_pending(ENODEV);
            if let Some(stock) = &self.stock {
                stock.close(ENODEV);
            }
        }
        let mut state = self.state.lock();
        // Without `stopper`, which a submitter may need on its way to settle its job.
        while state.unsettled > 0 {
            self.settled.wait(&mut state);
        }
        drop(state);
        self.gate.close();
        self.strip();
        self.watchdog.cancel();
    }

    /// Gives back the memory of the device that no job uses. Whoever holds the channel may do so for
    /// longer than the device is bound.
    pub(crate) fn strip(&self) {
        let spare = core::mem::take(&mut self.state.lock().spare);
        drop((spare, self.spare.take()));
        if let Some(stock) = &self.stock {
            stock.drain();
        }
    }
}
