// SPDX-License-Identifier: GPL-2.0

//! Suspend, resume and shutdown of a channel.
//!
//! While the system is suspended the queue accepts jobs, but none is started. Cancel, time limits,
//! close and unbind work as usual: [`Channel::stop_running`] forbids starts independently.

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

/// TIMEOUT: Time that the running job gets to end. Without it, a job would delay the suspend of the
/// system for up to its own time limit, which its user sets. The time starts for all channels when
/// the first one is prepared, so that the delays do not add up.
const SUSPEND_LIMIT: Delta = Delta::from_millis(500);
const SUSPEND_POLL: Delta = Delta::from_millis(1);

impl Channel {
    /// Forbids the start of jobs. Called for all channels before the first of them is suspended.
    pub(crate) fn prepare_suspend(&self) {
        let mut state = self.state.lock();
        if !state.queue.suspend(true) {
            state.suspend_by = now().saturating_add(SUSPEND_LIMIT.as_nanos());
        }
    }

    /// Allows the start of jobs again, if the suspend was aborted before it came to this channel.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn complete_suspend(&self, hw: &Hardware<'_>) {
        let mut state = self.state.lock();
        if state.queue.suspend(false) {
            self.start_next(&mut state, hw, now());
        }
    }

    /// Leaves hardware idle: waits for the end of the running job, and ends it with ECANCELED if it
    /// takes too long. Pending jobs stay in the queue.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn suspend(&self, hw: &Hardware<'_>) {
        self.prepare_suspend();
        let left = self.state.lock().suspend_by.saturating_sub(now());
        // No other job is started after this one. If it does not end in time, it is stopped below.
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
            // If hardware does not stop, this is logged and the channel is dead, but suspends all
            // the same.
            let _ = self.stop_running(hw, state, ECANCELED);
        }
    }

    /// Leaves hardware idle for good, with its interrupts masked; that of a dead channel too, if it
    /// stops by now. The running job ends with ECANCELED at once, as channels are shut down one
    /// after the other. Pending jobs stay in the queue.
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
        // The job that made the channel dead has ended, and its memory stays leaked.
        let _ = hw.engine.quiesce(0);
    }

    /// Starts pending jobs. Does nothing if the channel was not suspended.
    ///
    /// The caller keeps the device bound.
    pub(crate) fn resume(&self, hw: &Hardware<'_>) {
        let _stopper = self.stopper.lock();
        let mut state = self.state.lock();
        if state.queue.suspend(false) && state.queue.phase() == Phase::Live {
            // No job is running; but hardware may have lost its registers, or another kernel may
            // have used it, which has resumed this one from hibernation. So it is stopped and
            // restored.
            let _ = self.stop_running(hw, state, ECANCELED);
        }
    }
}
