// SPDX-License-Identifier: GPL-2.0

//! Calls a channel back after a while, in process context.
//!
//! C headers: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h),
//! [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! A time limit is to be kept by the clock, and not by its ticks. The kernel crate's `HrTimer` can
//! neither be set anew from interrupt context, which the start of a job needs, nor be part of what
//! its callback works on.

use kernel::{
    bindings,
    container_of,
    ffi::c_int,
    prelude::*,
    static_lock_class,
    time::Delta,
    types::Opaque, //
};

use crate::channel::Channel;

/// A timer and a work item that it queues, embedded in the [`Channel`] that they call.
#[pin_data(PinnedDrop)]
pub(crate) struct Watchdog {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    #[pin]
    work: Opaque<bindings::work_struct>,
}

// SAFETY: Both may be used from any thread.
unsafe impl Send for Watchdog {}
// SAFETY: As above; timers and workqueues do their own locking.
unsafe impl Sync for Watchdog {}

impl Watchdog {
    /// A watchdog that is not armed.
    ///
    /// # Safety
    ///
    /// It must be initialised as the `watchdog` field of a [`Channel`].
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            timer <- Opaque::ffi_init(|slot: *mut bindings::hrtimer| {
                // SAFETY: `slot` is valid for writes and pinned.
                unsafe {
                    bindings::hrtimer_setup(
                        slot,
                        Some(fires),
                        // CAST: A small number.
                        bindings::CLOCK_MONOTONIC as c_int,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                };
            }),
            work <- Opaque::ffi_init(|slot: *mut bindings::work_struct| {
                // SAFETY: `slot` is valid for writes and pinned; the name and the key are static.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(expired),
                        false,
                        c"ferrodma watchdog".as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                };
            }),
        })
    }

    /// Calls [`Channel::expired`] when `delay` has passed, whatever was armed before. May be called
    /// from interrupt context.
    pub(crate) fn arm(&self, delay: Delta) {
        if delay.is_zero() {
            self.queue();
            return;
        }
        // SAFETY: `timer` is initialised and stays valid until it is cancelled, in `drop` at the
        // latest.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                delay.as_nanos(),
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_REL,
            )
        };
    }

    fn queue(&self) {
        // SAFETY: `work` is initialised and stays valid until it is cancelled, in `drop` at the
        // latest. The workqueue is there from early boot on.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_dfl_wq,
                self.work.get(),
            )
        };
    }

    /// Takes back what was armed, and waits for a call that is under way. May sleep. Nothing arms it
    /// any more.
    pub(crate) fn cancel(&self) {
        // The timer first, which queues the work.
        // SAFETY: `timer` is initialised.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
        // SAFETY: `work` is initialised.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Watchdog {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// The timer's function.
///
/// # Safety
///
/// `timer` must be that of a [`Watchdog`].
unsafe extern "C" fn fires(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    // SAFETY: By the requirement, `timer` is in a `Watchdog`.
    let watchdog = unsafe { container_of!(Opaque::cast_from(timer), Watchdog, timer) };
    // SAFETY: The watchdog is valid: dropping it waits for this call.
    unsafe { (*watchdog).queue() };
    bindings::hrtimer_restart::HRTIMER_NORESTART
}

/// The work function.
///
/// # Safety
///
/// `work` must be that of a [`Watchdog`] in a [`Channel`].
unsafe extern "C" fn expired(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement, `work` is in a `Watchdog` …
    let watchdog = unsafe { container_of!(Opaque::cast_from(work), Watchdog, work) };
    // SAFETY: … in a `Channel`.
    let channel = unsafe { container_of!(watchdog, Channel, watchdog) };
    // SAFETY: The channel is valid: dropping it waits for this call, before anything else in it is
    // dropped.
    unsafe { (*channel).expired() };
}
