// SPDX-License-Identifier: GPL-2.0

//! The end of jobs before they are done: time limits, cancel, close, unbind.

use kernel::{
    prelude::*,
    time::Delta, //
};

use crate::{
    clock::now,
    engine::Quiesced,
    hardware::Hardware,
    job::Job,
    queue::{
        ClientId,
        JobState,
        Phase, //
    }, //
};

use super::{
    Channel,
    StateGuard,
    Waiters, //
};

impl Channel {
    /// Ends all jobs of a client, hardware first, and removes it.
    pub(crate) fn remove_client(&self, id: ClientId, waiters: &Waiters) {
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
            waiters.wait(&mut state);
        }
        let removed = state.queue.remove_client(id);
        drop(state);
        // The jobs' memory is freed here, without the lock.
        drop(removed);
    }

    /// Ends the running job if its time is up or it has met an error. Called by the watchdog.
    pub(super) fn expired(&self) {
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
    pub(super) fn stop_running(
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
        // To count takes as long as the lists are, so the lock is not held. The queue is: no other
        // transfer is started meanwhile.
        let ended = job.map(|job| {
            let bytes = hw.engine.bytes_done(&job.transfer);
            (job, bytes)
        });
        let mut state = self.state.lock();
        let mut failure = None;
        if let Some((mut job, bytes)) = ended {
            let error = match stopped {
                // An error that no interrupt has reported, or one that came just now.
                Ok(rest) if error == ETIMEDOUT && (rest == Quiesced::Faulted || state.fault) => EIO,
                Ok(_) => error,
                Err(_) => {
                    hw.abandon(&mut job);
                    EIO
                }
            };
            let failed = stopped.is_ok() && (error == EIO || error == ETIMEDOUT);
            if failed && state.log_limit.allows(now()) {
                failure = Some((error, bytes));
            }
            self.complete(&mut state, job, error.to_errno(), bytes, now());
        }
        if stopped.is_err() {
            state.queue.end(Phase::Dead);
            drop(state);
            self.complete_all_pending(EIO);
            if let Some(blocks) = self.staging.blocks() {
                // The blocks of the job do not come back.
                blocks.close(EIO);
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
        if let Some((error, bytes)) = failure {
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
        match state.queue.job_state(id, cookie) {
            JobState::Running => {}
            JobState::Done => return Err(EALREADY),
            JobState::Pending | JobState::Unknown => return Err(ENOENT),
        }
        if self.stop_running(pass.hw(), state, ECANCELED)? {
            Ok(())
        } else {
            Err(EALREADY)
        }
    }

    /// Makes the job of a submitter that stops waiting an asynchronous one; or returns the job if it has
    /// ended. May sleep while hardware is being stopped.
    pub(crate) fn make_async(&self, id: ClientId, cookie: u64) -> Option<KBox<Job>> {
        // A job that is being stopped is out of the queue until `stopper` is released.
        let _stopper = self.stopper.lock();
        self.state.lock().queue.make_async(id, cookie)
    }

    /// Ends all pending jobs with `error`, and wakes all sleepers. The channel accepts no more jobs.
    fn complete_all_pending(&self, error: Error) {
        loop {
            // There may be many, so the lock is released after each.
            let mut state = self.state.lock();
            let Some(job) = state.queue.withdraw_any() else {
                for waiters in state.queue.all_waiters() {
                    waiters.notify_all();
                }
                return;
            };
            self.complete(&mut state, job, error.to_errno(), 0, now());
        }
    }

    /// Ends all jobs for good, hardware first, and closes the gate. The interrupt handler may still be
    /// called.
    pub(crate) fn shut(&self, hw: &Hardware<'_>) {
        {
            let _stopper = self.stopper.lock();
            let mut state = self.state.lock();
            let before = state.queue.phase();
            if before == Phase::Unbound {
                return;
            }
            state.queue.end(Phase::Unbound);
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
            self.complete_all_pending(ENODEV);
            if let Some(blocks) = self.staging.blocks() {
                blocks.close(ENODEV);
            }
        }
        let mut state = self.state.lock();
        // Without `stopper`, which a submitter may need on its way to unmap its job.
        while state.still_mapped > 0 {
            self.all_unmapped.wait(&mut state);
        }
        drop(state);
        self.gate.close();
        self.free_device_memory();
        self.watchdog.cancel();
    }

    /// Frees the memory of the device that no job uses: the channel may be there for longer than the
    /// device is bound.
    pub(crate) fn free_device_memory(&self) {
        let spare = core::mem::take(&mut self.state.lock().spare);
        drop((spare, self.spare.take()));
        if let Some(blocks) = self.staging.blocks() {
            blocks.drain();
        }
    }
}
