// SPDX-License-Identifier: GPL-2.0

//! The path of a job to hardware: it is prepared, queued and started, and its end is noticed.

use kernel::{
    irq::IrqReturn,
    prelude::*,
    sync::Arc,
    time::Delta, //
};

use crate::{
    clock::now,
    dma::chain::Chains,
    engine::Outcome,
    hardware::Hardware,
    job::Job,
    memory::Progress,
    sync::completion::Completion, //
};

use super::{
    Channel,
    State,
    SPARE_DESCRIPTORS, //
};

/// TIMEOUT: Time to poll for the end of a small job before it is left to the interrupt: a fraction
/// of the cost of the interrupt and a wake-up.
pub(super) const POLL_SPIN: Delta = Delta::from_micros(5);

/// TIMEOUT: Time to continue with polled jobs before interrupts are enabled again.
pub(super) const POLL_BUDGET: Delta = Delta::from_micros(20);

/// A job that was submitted.
pub(crate) struct Submitted {
    pub(crate) cookie: u64,
    pub(crate) state: SubmitState,
}

/// The state of a submitted job.
pub(crate) enum SubmitState {
    /// The job has ended, and its submitter waits for it.
    Done(KBox<Job>),
    /// The job is in the queue or running. If its submitter waits, its end completes this.
    Queued(Option<Arc<Completion>>),
}

impl Channel {
    /// Prepares a job as [`Hardware::prepare`] does, and unmaps it again after an error.
    pub(crate) fn prepare(&self, hw: &Hardware<'_>, job: &mut Job) -> Result {
        hw.prepare(job, self.info.max_job_bytes, || self.spare_chains())
            .inspect_err(|_| {
                // SAFETY: The caller has the hardware, so it is inside of the gate. The job was not
                // submitted.
                unsafe { self.unprepare(job) };
            })
    }

    /// Takes unused descriptor chains. The caller is inside of the gate, as they are memory of the
    /// device.
    fn spare_chains(&self) -> Option<KBox<Chains>> {
        self.spare.take().or_else(|| self.state.lock().spare.pop())
    }

    /// Unmaps a job that was not submitted.
    ///
    /// # Safety
    ///
    /// The device is bound, and hardware was not started on the job.
    unsafe fn unprepare(&self, job: &mut Job) {
        // SAFETY: The caller promises the same.
        unsafe { job.memory.unmap(&job.request, Progress::NotStarted) };
        if let Some(mut chains) = job.transfer.chains.take() {
            chains.trim(SPARE_DESCRIPTORS);
            let left = self.keep(&mut self.state.lock(), chains);
            drop(left);
        }
        self.wake_block_waiters();
    }

    /// Queues a prepared job, and starts it if hardware is idle and no other job is before it. Also
    /// returns whether jobs are deferred: the submitter then calls [`Channel::complete_deferred`]
    /// after it has left the gate.
    ///
    /// # Errors
    ///
    /// ENODEV, EIO: the channel accepts no jobs. The job is unmapped again after an error.
    pub(crate) fn submit(
        &self,
        hw: &Hardware<'_>,
        mut job: KBox<Job>,
    ) -> Result<(Submitted, bool), (Error, KBox<Job>)> {
        let time = now();
        // CAST: The time since boot is positive.
        job.record.submit_ns = time as u64;
        let mut state = self.state.lock();
        // A job that hardware can start at once need not wait for its turn.
        let number = if state.queue.is_idle() {
            state.queue.number(&job.client)
        } else {
            None
        };
        let (cookie, submitted) = if let Some(cookie) = number {
            job.record.cookie = cookie;
            let submitted = if job.sync && state.is_small(hw, job.transfer.total()) {
                self.submit_polled(&mut state, hw, job, time)
            } else {
                let done = job.sync.then(|| job.reset_done());
                state.queue.run(job);
                state.submitting = true;
                let started = self.start_running(&mut state, hw, time);
                self.go_on(&mut state, hw, started, time);
                state.submitting = false;
                SubmitState::Queued(done)
            };
            (cookie, submitted)
        } else {
            let done = job.sync.then(|| job.reset_done());
            match state.queue.submit(job) {
                Ok(cookie) => (cookie, SubmitState::Queued(done)),
                Err((error, mut job)) => {
                    drop(state);
                    // SAFETY: The caller has the hardware, so it is inside of the gate. The job was
                    // not queued.
                    unsafe { self.unprepare(&mut job) };
                    return Err((error, job));
                }
            }
        };
        let submitted = Submitted {
            cookie,
            state: submitted,
        };
        Ok((submitted, state.queue.has_deferred()))
    }

    /// Starts a job whose submitter waits, and polls for its end. Only a job that takes longer
    /// becomes the queue's running job. The queue is idle and has given the job a cookie.
    fn submit_polled(
        &self,
        state: &mut State,
        hw: &Hardware<'_>,
        mut job: KBox<Job>,
        time: i64,
    ) -> SubmitState {
        job.progress = Progress::Started;
        state.fault = false;
        // SAFETY: Hardware is idle: no job is running, and hardware is not being stopped, which
        // would hold the queue. The job owns all memory that the transfer names. It stays here
        // until hardware is done with it, or is the running job when the lock is released.
        unsafe { hw.engine.start(&job.transfer) };
        let (outcome, time) = Self::poll(state, hw, time);
        if outcome == Outcome::Done {
            let bytes = job.transfer.total();
            self.record_end(state, &mut job, 0, bytes, time);
            return SubmitState::Done(job);
        }
        let done = job.reset_done();
        self.set_deadline(state, job.timeout, time);
        state.queue.run(job);
        self.handle_outcome(state, outcome, time);
        SubmitState::Queued(Some(done))
    }

    /// Starts pending jobs as long as hardware is idle.
    pub(super) fn start_next(&self, state: &mut State, hw: &Hardware<'_>, time: i64) {
        let started = self.start_one(state, hw, time);
        self.go_on(state, hw, started, time);
    }

    /// Polls for the end of the job of so many bytes that was `started` at `time`, if it is small,
    /// and continues with further jobs.
    fn go_on(&self, state: &mut State, hw: &Hardware<'_>, mut started: Option<u64>, mut time: i64) {
        let budget = time.saturating_add(POLL_BUDGET.as_nanos());
        while let Some(bytes) = started {
            if !state.is_small(hw, bytes) || time >= budget {
                return;
            }
            let outcome;
            (outcome, time) = Self::poll(state, hw, time);
            if !self.handle_outcome(state, outcome, time) {
                return;
            }
            started = self.start_one(state, hw, time);
        }
    }

    /// Polls for the end of the job that was started at `time`, for up to [`POLL_SPIN`]. Returns
    /// the last outcome, and its time.
    fn poll(state: &mut State, hw: &Hardware<'_>, time: i64) -> (Outcome, i64) {
        let limit = time.saturating_add(POLL_SPIN.as_nanos());
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

    /// Starts the next job, if there is one and hardware is idle. Returns its length in bytes.
    fn start_one(&self, state: &mut State, hw: &Hardware<'_>, time: i64) -> Option<u64> {
        state.queue.start_next()?;
        self.start_running(state, hw, time)
    }

    /// Starts hardware on the job that the queue has just made the running one. Returns its length
    /// in bytes.
    fn start_running(&self, state: &mut State, hw: &Hardware<'_>, time: i64) -> Option<u64> {
        let job = state.queue.running()?;
        let timeout = job.timeout;
        job.progress = Progress::Started;
        state.fault = false;
        // SAFETY: Hardware is idle: no job was running, and hardware is not being stopped, which
        // would hold the queue. The job owns all memory that the transfer names, and is the running
        // job until hardware is done with it or was stopped; if that fails, it is leaked.
        unsafe { hw.engine.start(&job.transfer) };
        let bytes = job.transfer.total();
        self.set_deadline(state, timeout, time);
        Some(bytes)
    }

    /// Sets the deadline of the running job, which was started at `time`, and arms the watchdog.
    fn set_deadline(&self, state: &mut State, timeout: Delta, time: i64) {
        let deadline = time.saturating_add(timeout.as_nanos());
        state.deadline = deadline;
        // When the watchdog fires and the job that is running then has time left, it arms itself
        // again. So it is armed here only if it would fire too late, which is rare in a stream of
        // jobs.
        if state.watch_at.is_none_or(|at| at > deadline) {
            state.watch_at = Some(deadline);
            self.watchdog.arm(timeout);
        }
    }

    /// Handles what the engine has returned at `time`. Returns whether the running job has ended.
    fn handle_outcome(&self, state: &mut State, outcome: Outcome, time: i64) -> bool {
        match outcome {
            Outcome::NotMine | Outcome::Unfinished => false,
            Outcome::Fault => {
                // Hardware may not have stopped, and stopping it may take a while: the watchdog
                // does it.
                if state.queue.running().is_some() {
                    state.fault = true;
                    state.watch_at = Some(0);
                    self.watchdog.arm(Delta::ZERO);
                }
                false
            }
            // An interrupt after the error; `stop_running()` ends the job. This cannot be about a
            // job that was stopped before, as stopping clears the interrupt.
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

    /// Handles an interrupt.
    pub(crate) fn interrupt(&self, hw: &Hardware<'_>) -> IrqReturn {
        let mut state = self.state.lock();
        let outcome = hw.engine.acknowledge();
        if outcome == Outcome::NotMine {
            // Polling has already handled the event of this interrupt.
            return if core::mem::take(&mut state.polled) {
                IrqReturn::Handled
            } else {
                IrqReturn::None
            };
        }
        let time = now();
        if self.handle_outcome(&mut state, outcome, time) {
            self.start_next(&mut state, hw, time);
        }
        IrqReturn::Handled
    }
}
