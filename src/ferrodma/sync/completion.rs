// SPDX-License-Identifier: GPL-2.0

//! A completion that can be used again, and waited for with a time limit.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)
//!
//! [`kernel::sync::Completion`] is for events that happen once, and waits without a limit.

use kernel::{
    bindings,
    prelude::*,
    time::{
        msecs_to_jiffies,
        Delta, //
    },
    types::Opaque, //
};

extern "C" {
    /// See `helpers.c`.
    fn ferrodma_fatal_signal_pending() -> bool;
}

/// The result of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The event has happened; this wait has consumed it.
    Done,
    /// A signal is pending that does not end the program.
    Signal,
    /// A fatal signal is pending.
    Killed,
    /// The time limit has passed.
    TimedOut,
}

/// Returns whether a fatal signal is pending for the calling task.
pub(crate) fn is_being_killed() -> bool {
    // SAFETY: Looks at the calling task only.
    unsafe { ferrodma_fatal_signal_pending() }
}

/// An event that happens again and again, with one waiter at a time.
///
/// Each [`Completion::complete`] lets one wait return, whether it comes before or after.
/// [`Completion::reset`] discards an event that was not waited for.
#[pin_data]
pub(crate) struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A `struct completion` may be used from any thread.
unsafe impl Send for Completion {}

// SAFETY: A `struct completion` has its own lock.
unsafe impl Sync for Completion {}

impl Completion {
    /// Returns an initialiser for a completion whose event has not happened.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is valid for writes and pinned.
                unsafe { bindings::init_completion(slot) };
            }),
        })
    }

    /// Discards an event that was not waited for.
    ///
    /// No other thread may be in [`Completion::complete`] or in a wait: an event may be lost
    /// otherwise, which is a bug of the caller but not unsafe.
    pub(crate) fn reset(&self) {
        // SAFETY: `inner` is initialised. `done` is a plain counter that C's
        // `reinit_completion()` writes in the same way.
        unsafe { (&raw mut (*self.inner.get()).done).write_volatile(0) };
    }

    /// Lets one waiter return. May be called from interrupt context.
    pub(crate) fn complete(&self) {
        // SAFETY: `inner` is initialised.
        unsafe { bindings::complete(self.inner.get()) };
    }

    /// Waits until the event happens or a signal is pending.
    pub(crate) fn wait_interruptible(&self) -> Wait {
        // SAFETY: `inner` is initialised, and callers are in process context.
        match unsafe { bindings::wait_for_completion_interruptible(self.inner.get()) } {
            0 => Wait::Done,
            _ if is_being_killed() => Wait::Killed,
            _ => Wait::Signal,
        }
    }

    /// Waits until the event happens or `limit` has passed, whatever signals come.
    pub(crate) fn wait_timeout(&self, limit: Delta) -> Wait {
        let jiffies = jiffies(limit);
        // SAFETY: `inner` is initialised, and callers are in process context.
        match unsafe { bindings::wait_for_completion_timeout(self.inner.get(), jiffies) } {
            0 => Wait::TimedOut,
            _ => Wait::Done,
        }
    }
}

/// Returns the number of jiffies that cover `delta`, at least one.
fn jiffies(delta: Delta) -> usize {
    let ms = delta.as_millis_ceil().clamp(0, i64::from(u32::MAX));
    // One jiffy more, as part of the current one has passed.
    // CAST: `ms` was clamped to the range of `u32`.
    msecs_to_jiffies(ms as u32).saturating_add(1)
}
