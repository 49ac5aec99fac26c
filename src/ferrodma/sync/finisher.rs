// SPDX-License-Identifier: GPL-2.0

//! Gives back the memory of jobs that have ended, in process context.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! The kernel crate's `Work` cannot be waited for, which the end of a channel needs: its code may be
//! unloaded next.

use kernel::{
    bindings,
    container_of,
    ffi::c_int,
    prelude::*,
    static_lock_class,
    types::Opaque, //
};

use crate::channel::Channel;

/// A work item, embedded in the [`Channel`] that it calls.
#[pin_data(PinnedDrop)]
pub(crate) struct Finisher {
    #[pin]
    work: Opaque<bindings::work_struct>,
}

// SAFETY: A `struct work_struct` may be used from any thread.
unsafe impl Send for Finisher {}
// SAFETY: As above; the workqueue code does its own locking.
unsafe impl Sync for Finisher {}

impl Finisher {
    /// A finisher with nothing to do.
    ///
    /// # Safety
    ///
    /// It must be initialised as the `finisher` field of a [`Channel`].
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut bindings::work_struct| {
                // SAFETY: `slot` is valid for writes and pinned; the name and the key are static.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(finish),
                        false,
                        c"ferrodma finisher".as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                };
            }),
        })
    }

    /// Calls [`Channel::finish_parked`] soon. May be called from interrupt context.
    pub(crate) fn schedule(&self) {
        // SAFETY: `work` is initialised and stays valid until it is cancelled, in `drop`. The
        // workqueue is there from early boot on.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_dfl_wq,
                self.work.get(),
            )
        };
    }
}

#[pinned_drop]
impl PinnedDrop for Finisher {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `work` is initialised.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}

/// The work function.
///
/// # Safety
///
/// `work` must be that of a [`Finisher`] in a [`Channel`].
unsafe extern "C" fn finish(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement, `work` is in a `Finisher` …
    let finisher = unsafe { container_of!(Opaque::cast_from(work), Finisher, work) };
    // SAFETY: … in a `Channel`.
    let channel = unsafe { container_of!(finisher, Channel, finisher) };
    // SAFETY: The channel is valid: dropping it waits for this call, before anything that this call
    // uses is dropped.
    unsafe { (*channel).finish_parked(usize::MAX) };
}
