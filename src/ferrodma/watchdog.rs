// SPDX-License-Identifier: GPL-2.0

//! Calls a channel back after a while, in process context.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! The kernel crate's `DelayedWork` can neither bring a call forward nor take it back, and a time
//! limit needs both.

use kernel::{
    bindings,
    container_of,
    prelude::*,
    static_lock_class,
    time::Delta,
    types::Opaque, //
};

use crate::{
    channel::Channel,
    completion::jiffies, //
};

/// A timer and a work item, embedded in the [`Channel`] that they call.
#[pin_data(PinnedDrop)]
pub(crate) struct Watchdog {
    #[pin]
    work: Opaque<bindings::delayed_work>,
}

// SAFETY: A `struct delayed_work` may be used from any thread.
unsafe impl Send for Watchdog {}
// SAFETY: As above; the workqueue code does its own locking.
unsafe impl Sync for Watchdog {}

impl Watchdog {
    /// A watchdog that is not armed.
    ///
    /// # Safety
    ///
    /// It must be initialised as the `watchdog` field of a [`Channel`].
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and pinned; the name and the key are static.
                unsafe {
                    bindings::init_work_with_key(
                        &raw mut (*slot).work,
                        Some(expired),
                        false,
                        c"ferrodma watchdog".as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                };
                // SAFETY: As above. This is how `INIT_DELAYED_WORK()` sets up the timer.
                unsafe {
                    bindings::timer_init_key(
                        &raw mut (*slot).timer,
                        Some(bindings::delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
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
        let jiffies = if delay.is_zero() { 0 } else { jiffies(delay) };
        // SAFETY: `work` is initialised and stays valid until it is cancelled, in `drop` at the
        // latest. The workqueue is there from early boot on.
        unsafe {
            bindings::mod_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as kernel::ffi::c_int,
                bindings::system_dfl_wq,
                self.work.get(),
                jiffies,
            )
        };
    }

    /// Takes back what was armed, and waits for a call that is under way. May sleep.
    pub(crate) fn cancel(&self) {
        // SAFETY: `work` is initialised.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for Watchdog {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// The work function.
///
/// # Safety
///
/// `work` must be that of a [`Watchdog`] in a [`Channel`].
unsafe extern "C" fn expired(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement, `work` is in a `delayed_work` …
    let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
    // SAFETY: … in a `Watchdog` …
    let watchdog = unsafe { container_of!(Opaque::cast_from(delayed), Watchdog, work) };
    // SAFETY: … in a `Channel`.
    let channel = unsafe { container_of!(watchdog, Channel, watchdog) };
    // SAFETY: The channel is valid: dropping it waits for this call, before anything else in it is
    // dropped.
    unsafe { (*channel).expired() };
}
