// SPDX-License-Identifier: GPL-2.0

//! The end of a job: its memory is unmapped, and its record becomes available.

use kernel::prelude::*;

use crate::{
    dma::chain::Chains,
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
    /// Records that a job has ended at `time`. Hardware does not work on it any more.
    pub(super) fn record_end(
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
        if job.memory.needs_unmap() || chains.is_some_and(|chains| chains.exceed(SPARE_DESCRIPTORS))
        {
            job.still_mapped = true;
            state.still_mapped += 1;
        } else if let Some(chains) = job.transfer.chains.take() {
            // Chains that are not kept are freed.
            let _ = self.keep(state, chains);
        }
    }

    /// Completes a job that has ended at `time`. Hardware does not work on it any more.
    pub(super) fn complete(
        &self,
        state: &mut State,
        mut job: KBox<Job>,
        status: i32,
        bytes: u64,
        time: i64,
    ) {
        self.record_end(state, &mut job, status, bytes, time);
        // `complete_deferred()` delivers deferred jobs. To keep records in order, jobs that end
        // meanwhile are deferred too.
        let is_behind = state.completing || state.queue.has_deferred();
        if !job.sync && (job.still_mapped || is_behind) {
            // Cannot fail: there is capacity for all jobs.
            let _ = state.queue.defer(job);
            if !state.submitting {
                self.completer.queue();
            }
        } else {
            self.deliver(state, job);
        }
    }

    /// Delivers a job: makes its record available, and wakes its waiters.
    fn deliver(&self, state: &mut State, job: KBox<Job>) {
        // A woken task takes the lock before it looks, and so finds the job delivered.
        if job.sync {
            job.done.complete();
        } else {
            job.client.waiters.notify_all();
        }
        // Cannot fail: the job is one of this queue.
        let _ = state.queue.deliver(job);
    }

    /// Keeps chains for a later job, or returns them to be freed.
    pub(super) fn keep(&self, state: &mut State, chains: KBox<Chains>) -> Option<KBox<Chains>> {
        // Chains are not kept beyond unbind, as the DMA pool does not outlive its device.
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

    /// Unmaps and unpins the memory of a job that has ended. Does nothing if
    /// [`Channel::record_end`] found that the job needs no unmapping. `patience` says whether this
    /// may sleep for user space.
    ///
    /// # Safety
    ///
    /// The job has ended, and comes from this channel. No other context unmaps it.
    pub(crate) unsafe fn unmap(&self, job: &mut Job, patience: Patience) {
        if !core::mem::take(&mut job.still_mapped) {
            return;
        }
        // SAFETY: The job has ended, so hardware does not access its memory. The device is bound,
        // as unbind waits for all jobs that are still mapped.
        unsafe { job.memory.unmap(&job.request, job.progress) };
        let chains = job.transfer.chains.take().map(|mut chains| {
            chains.trim(SPARE_DESCRIPTORS);
            chains
        });
        let mut state = self.state.lock();
        if let Some(left) = chains.and_then(|chains| self.keep(&mut state, chains)) {
            // These chains are memory of the device too, so they are freed before unbind can
            // continue.
            drop(state);
            drop(left);
            state = self.state.lock();
        }
        state.still_mapped -= 1;
        if state.still_mapped == 0 && state.queue.phase() == Phase::Unbound {
            self.all_unmapped.notify_all();
        }
        drop(state);
        self.wake_block_waiters();
        job.memory.release(patience);
        job.transfer.clear(None);
    }

    /// Wakes the clients that found too few free blocks.
    pub(super) fn wake_block_waiters(&self) {
        if self
            .staging
            .blocks()
            .is_some_and(|blocks| blocks.was_short())
        {
            self.notify_all_clients();
        }
    }

    /// Unmaps and delivers all deferred jobs. May sleep.
    pub(super) fn complete_all_deferred(&self) {
        self.complete_deferred(usize::MAX);
    }

    /// Unmaps and delivers up to `most` deferred jobs, and leaves the others to the channel's
    /// deferred work. May sleep.
    pub(crate) fn complete_deferred(&self, most: usize) {
        let mut state = self.state.lock();
        // To keep records in order, one context at a time does this, including the jobs that are
        // deferred meanwhile.
        if core::mem::replace(&mut state.completing, true) {
            return;
        }
        for _ in 0..most {
            let Some(mut job) = state.queue.take_deferred() else {
                state.completing = false;
                return;
            };
            drop(state);
            // Waiting for user space here would delay the jobs of all clients. The task that takes
            // the record unpins what is still pinned.
            // SAFETY: The job has ended, and only this context owns it.
            unsafe { self.unmap(&mut job, Patience::Hurry) };
            state = self.state.lock();
            self.deliver(&mut state, job);
        }
        state.completing = false;
        if state.queue.has_deferred() {
            self.completer.queue();
        }
    }
}
