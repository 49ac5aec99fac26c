// SPDX-License-Identifier: GPL-2.0

//! The end of a job: its memory is given back, and its record can be taken.

use kernel::prelude::*;

use crate::{
    job::Job,
    memory::{
        Patience,
        Progress, //
    },
    queue::Phase, //
};

use super::{
    Channel,
    State,
    SPARE_DESCRIPTORS, //
};

impl Channel {
    /// Writes down how a job has ended that hardware does not work on, at `time`.
    pub(super) fn close(
        &self,
        state: &mut State,
        job: &mut Job,
        status: i32,
        bytes: u64,
        time: i64,
    ) {
        if status == 0 {
            job.progress = Progress::Finished;
        }
        job.record.status = status;
        job.record.bytes = bytes;
        // CAST: The time since boot is positive.
        job.record.complete_ns = time as u64;
        state.stats.count(
            status,
            bytes,
            job.record.complete_ns.saturating_sub(job.record.submit_ns),
        );

        let chains = job.transfer.chains.as_ref();
        if job.lent.needs_settling()
            || chains.is_some_and(|chains| chains.exceed(SPARE_DESCRIPTORS))
        {
            job.unsettled = true;
            state.unsettled += 1;
        } else if let Some(chains) = job.transfer.chains.take() {
            // What is left is freed.
            let _ = self.keep(state, chains);
        }
    }

    /// Ends a job that hardware does not work on, at `time`.
    pub(super) fn complete(
        &self,
        state: &mut State,
        mut job: KBox<Job>,
        status: i32,
        bytes: u64,
        time: i64,
    ) {
        self.close(state, &mut job, status, bytes, time);
        // What is parked is delivered by `finish_parked()`, so that records stay in order jobs that
        // end meanwhile go the same way.
        let is_behind = state.settles || state.queue.has_parked();
        if !job.waited && (job.unsettled || is_behind) {
            // There is room for all jobs.
            let _ = state.queue.park(job);
            if !state.submits {
                self.finisher.schedule();
            }
        } else {
            self.deliver(state, job);
        }
    }

    /// Lets the record of a job be taken.
    fn deliver(&self, state: &mut State, job: KBox<Job>) {
        // Whoever is woken takes the lock before looking, and so finds the job delivered.
        if job.waited {
            job.wake.complete();
        } else {
            let id = job.client;
            if let Some(signals) = state.queue.signals(id) {
                signals.changed.notify_all();
            }
        }
        // A client is removed after its jobs.
        let _ = state.queue.deliver(job);
    }

    /// Gives back the memory of a job that has ended, unless [`Channel::close`] has. May sleep, as
    /// `patience` says.
    ///
    /// # Safety
    ///
    /// The job has ended, and comes from this channel. It is settled once.
    pub(crate) unsafe fn settle(&self, job: &mut Job, patience: Patience) {
        if core::mem::take(&mut job.unsettled) {
            // SAFETY: The job has ended, so hardware does not access its memory. It is one of
            // `unsettled`, for which unbind waits.
            unsafe { job.lent.unmap(&job.request, job.progress) };
            let chains = job.transfer.chains.take().map(|mut chains| {
                chains.trim(SPARE_DESCRIPTORS);
                chains
            });
            let mut state = self.state.lock();
            if let Some(left) = chains.and_then(|chains| self.keep(&mut state, chains)) {
                // This is memory of the device too, so it is freed before unbind can go on.
                drop(state);
                drop(left);
                state = self.state.lock();
            }
            state.unsettled -= 1;
            if state.unsettled == 0 && state.queue.phase() == Phase::Gone {
                self.settled.notify_all();
            }
            drop(state);
            self.announce_blocks();
            job.lent.release(patience);
            job.transfer.clear(None);
        }
    }

    /// Tells those who were told that there are not enough blocks that some are back.
    pub(super) fn announce_blocks(&self) {
        if self.stock.as_ref().is_some_and(|stock| stock.was_short()) {
            for signals in self.state.lock().queue.all_signals() {
                signals.changed.notify_all();
            }
        }
    }

    /// Settles jobs that nobody waits for, and delivers them: up to `most` of them, and leaves others
    /// to the finisher. May sleep.
    pub(crate) fn finish_parked(&self, most: usize) {
        let mut state = self.state.lock();
        // Records stay in order: one at a time does this, and goes on with what others would do.
        if core::mem::replace(&mut state.settles, true) {
            return;
        }
        for _ in 0..most {
            let Some(mut job) = state.queue.unpark() else {
                state.settles = false;
                return;
            };
            drop(state);
            // One job that waits for user space would hold up those of all others. What it leaves is
            // done by whoever takes the record.
            // SAFETY: The job has ended, and is nowhere else.
            unsafe { self.settle(&mut job, Patience::Hurry) };
            state = self.state.lock();
            self.deliver(&mut state, job);
        }
        state.settles = false;
        if state.queue.has_parked() {
            self.finisher.schedule();
        }
    }
}
