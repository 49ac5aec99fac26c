// SPDX-License-Identifier: GPL-2.0

//! Suspend, resume and shutdown of a channel.
//!
//! While the system is suspended the queue takes jobs and starts none. A cancel, a time limit, a
//! close and unbind work as ever: the hold of [`Channel::stop_running`] is another one.

use kernel::{
    io::poll::read_poll_timeout,
    prelude::*,
    time::Delta, //
};

use crate::{
    clock::now,
    hardware::Hardware,
    queue::Phase, //
};

use super::Channel;

/// TIMEOUT: How long the running job may go on. What takes longer would hold up the suspend of the
/// whole system, for as long as the job's own limit is, which its user sets. The time of all channels
/// begins when the first one is prepared, so that it does not add up.
const SUSPEND_LIMIT: Delta = Delta::from_millis(500);
const SUSPEND_POLL: Delta = Delta::from_millis(1);

impl Channel {
    /// Starts no more jobs. Called for all channels before the first of them is suspended.
    pub(crate) fn prepare_suspend(&self) {
        let mut state = self.state.lock();
        if !state.queue.suspend(true) {
            state.suspend_by = now().saturating_add(SUSPEND_LIMIT.as_nanos());
        }
    }

    /// Starts what is in the queue, if the suspend was given up before it came to this channel.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn complete_suspend(&self, hw: &Hardware<'_>) {
        let mut state = self.state.lock();
        if state.queue.suspend(false) {
            self.start_next(&mut state, hw, now());
        }
    }

    /// Leaves hardware at rest: waits for the end of the running job, and ends it with ECANCELED if
    /// it takes too long. Jobs in the queue stay there.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn suspend(&self, hw: &Hardware<'_>) {
        self.prepare_suspend();
        let left = self.state.lock().suspend_by.saturating_sub(now());
        // No other job takes the place of this one. If it does not end, it is stopped below.
        let _ = read_poll_timeout(
            || Ok(self.state.lock().queue.running().is_none()),
            |is_idle| *is_idle,
            SUSPEND_POLL,
            Delta::from_nanos(left.max(0)),
        );
        // Waits for a stop that is under way, which accesses registers without `state`.
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if state.queue.phase() == Phase::Live && state.queue.running().is_some() {
            // A channel that dies of this has said so in the log, and is suspended as others are.
            let _ = self.stop_running(hw, state, ECANCELED);
        }
    }

    /// Leaves hardware at rest for good, with its interrupts masked, that of a dead channel too if it
    /// stops by now. The running job gets no time, as the channels are shut down one by one, and ends
    /// with ECANCELED. Jobs in the queue stay there.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn shutdown(&self, hw: &Hardware<'_>) {
        self.prepare_suspend();
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if state.queue.phase() == Phase::Live && state.queue.running().is_some() {
            let _ = self.stop_running(hw, state, ECANCELED);
        } else {
            drop(state);
        }
        // The job that made the channel dead has ended, and keeps its memory in any case.
        let _ = hw.engine.quiesce(0);
    }

    /// Starts what is in the queue. Does nothing if the channel was not suspended.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn resume(&self, hw: &Hardware<'_>) {
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if state.queue.suspend(false) && state.queue.phase() == Phase::Live {
            // Nothing runs; but hardware may have lost its registers, or may come from another
            // kernel, which has brought this one back from hibernation.
            let _ = self.stop_running(hw, state, ECANCELED);
        }
    }
}
