// SPDX-License-Identifier: GPL-2.0

//! The end of jobs that are not done: time limits, cancel, close, unbind.

use kernel::{
    prelude::*,
    time::Delta, //
};

use crate::{
    clock::now,
    engine::Quiesced,
    hardware::Hardware,
    job::{
        ClientJobs,
        Job, //
    },
    queue::{
        JobState,
        Phase, //
    }, //
};

use super::{
    Channel,
    Member,
    StateGuard, //
};

impl Channel {
    /// Ends all jobs of a client, the running one included, and removes the client.
    pub(crate) fn remove_client(&self, member: &Member) {
        let client = &member.client;
        {
            let _stopper = self.stopper.lock();
            loop {
                let mut state = self.state.lock();
                let Some(job) = state.queue.withdraw_of(client) else {
                    break;
                };
                self.complete(&mut state, job, ECANCELED.to_errno(), 0, now());
            }
            // If the gate is closed, no job is running.
            if let Some(pass) = self.gate.enter() {
                let mut state = self.state.lock();
                if state.queue.runs_for(client) {
                    // If hardware does not stop, this was logged, and the job has ended all the
                    // same.
                    let _ = self.stop_running(pass.hw(), state, ECANCELED);
                }
            }
        }
        let mut state = self.state.lock();
        while state.queue.is_active(client) {
            client.waiters.wait(&mut state);
        }
        let removed = state.queue.remove_client(client);
        drop(state);
        // Frees the memory of the client's jobs, without the lock.
        drop(removed);
        self.users.lock().leave(member.user);
    }

    /// Ends the running job if its time limit has passed or the engine has reported an error.
    /// Called by the watchdog.
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
        // If hardware does not stop, this was logged, and the job has ended all the same.
        let _ = self.stop_running(pass.hw(), state, error);
    }

    /// Takes the running job from hardware and ends it with `error`. Returns whether it did: the
    /// job may end by itself in the meantime. The caller holds `stopper`, and passes the guard
    /// under which it has decided to stop this job.
    ///
    /// # Errors
    ///
    /// EIO: hardware does not stop, and the channel is dead.
    pub(super) fn stop_running(
        &self,
        hw: &Hardware<'_>,
        mut state: StateGuard<'_>,
        error: Error,
    ) -> Result<bool> {
        // From here on no other job can be started in place of this one.
        state.queue.hold(true);
        let total = state.queue.running().map_or(0, |job| job.transfer.total());
        drop(state);
        let stopped = hw.engine.quiesce(total);
        let job = self.state.lock().queue.finish();
        let was_running = job.is_some();
        // The time for counting grows with the lists, so the lock is released. The queue is still
        // held, so no other transfer is started meanwhile.
        let ended = job.map(|job| {
            let bytes = hw.engine.bytes_done(&job.transfer);
            (job, bytes)
        });
        let mut state = self.state.lock();
        let mut failure = None;
        if let Some((mut job, bytes)) = ended {
            let error = match stopped {
                // The engine met an error without an interrupt, or with one that came after the
                // time limit.
                Ok(found) if error == ETIMEDOUT && (found == Quiesced::Faulted || state.fault) => {
                    EIO
                }
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
                // The blocks of the job never come back, so callers must not wait for free ones.
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
    /// EALREADY: the job has ended. ENOENT: there is no such job. EIO: hardware does not stop.
    /// ENODEV: the device is unbound.
    pub(crate) fn cancel(&self, client: &ClientJobs, cookie: u64) -> Result {
        let pass = self.gate.enter().ok_or(ENODEV)?;
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if let Some(job) = state.queue.withdraw(client, cookie) {
            self.complete(&mut state, job, ECANCELED.to_errno(), 0, now());
            return Ok(());
        }
        match state.queue.job_state(client, cookie) {
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

    /// Turns the job of a submitter that stops waiting into an asynchronous one, or returns the job
    /// if it has ended. May sleep while hardware is being stopped.
    pub(crate) fn make_async(&self, client: &ClientJobs, cookie: u64) -> Option<KBox<Job>> {
        // A job that is being stopped is not in the queue until `stopper` is released.
        let _stopper = self.stopper.lock();
        self.state.lock().queue.make_async(client, cookie)
    }

    /// Ends all pending jobs with `error`, and wakes all waiters. The channel accepts no more jobs.
    fn complete_all_pending(&self, error: Error) {
        loop {
            // There may be many jobs, so the lock is released after each.
            let mut state = self.state.lock();
            let Some(job) = state.queue.withdraw_any() else {
                break;
            };
            self.complete(&mut state, job, error.to_errno(), 0, now());
        }
        self.notify_all_clients();
    }

    /// Ends all jobs for good, the running one included, and closes the gate. The interrupt handler
    /// may still be called.
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
                // Hardware is stopped even if it seems idle. If it does not stop, this was logged,
                // and the memory is leaked.
                let _ = self.stop_running(hw, state, ENODEV);
            } else {
                drop(state);
                // Hardware may stop by now, and then leaves a shared interrupt line alone. Its job
                // has ended, and the memory of the job stays leaked.
                let _ = hw.engine.quiesce(0);
            }
            self.complete_all_pending(ENODEV);
            if let Some(blocks) = self.staging.blocks() {
                blocks.close(ENODEV);
            }
        }
        let mut state = self.state.lock();
        // Without `stopper`: a submitter may have to take it before it can unmap its job.
        while state.still_mapped > 0 {
            self.all_unmapped.wait(&mut state);
        }
        drop(state);
        self.gate.close();
        self.free_device_memory();
        self.watchdog.cancel();
    }

    /// Frees the memory of the device that no job uses, as the channel may outlive the binding of
    /// the device.
    pub(crate) fn free_device_memory(&self) {
        let spare = core::mem::take(&mut self.state.lock().spare);
        drop((spare, self.spare.take()));
        if let Some(blocks) = self.staging.blocks() {
            blocks.drain();
        }
    }
}
