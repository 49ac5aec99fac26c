// SPDX-License-Identifier: GPL-2.0

//! Work in process context, at once or after a delay, that can be cancelled and waited for.
//!
//! C headers: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h),
//! [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! The owner of a work item has to cancel it before it is freed, and to wait for a run that is
//! under way: the code may be unloaded next. The kernel crate's `Work` offers neither. Its
//! `HrTimer` can neither be restarted from interrupt context nor be a part of the structure that
//! its callback uses. `DelayedWork` counts jiffies, but a time limit is measured by the clock.

use core::marker::PhantomData;

use kernel::{
    bindings,
    container_of,
    ffi::c_int,
    prelude::*,
    sync::LockClassKey,
    time::Delta,
    types::Opaque, //
};

/// A structure with a field of type [`Deferred<Self, ID>`].
///
/// # Safety
///
/// [`HasDeferred::container`] returns the structure that the field is a part of, always of the same
/// field.
pub(crate) unsafe trait HasDeferred<const ID: u64>: Sized + Sync + 'static {
    /// Returns the structure that contains `deferred`.
    ///
    /// # Safety
    ///
    /// `deferred` points to the field of a `Self`.
    unsafe fn container(deferred: *const Deferred<Self, ID>) -> *const Self;

    /// Returns the lockdep class of the work, which no other work shares.
    fn lock_class() -> Pin<&'static LockClassKey>;

    /// Does the work, in process context.
    fn run(&self);
}

/// Implements [`HasDeferred`] for a structure and a field of it.
macro_rules! impl_has_deferred {
    (impl HasDeferred<$id:literal> for $owner:ty { self.$field:ident, $run:path }) => {
        // SAFETY: `container_of!` is given the field named here. If it had another type, this would
        // not compile.
        unsafe impl $crate::sync::deferred::HasDeferred<$id> for $owner {
            unsafe fn container(
                deferred: *const $crate::sync::deferred::Deferred<Self, $id>,
            ) -> *const Self {
                // SAFETY: The caller promises that `deferred` is the field `$field` of a `Self`.
                unsafe { ::kernel::container_of!(deferred, Self, $field) }
            }

            // A static in a generic function would be one for all types.
            fn lock_class() -> ::core::pin::Pin<&'static ::kernel::sync::LockClassKey> {
                ::kernel::static_lock_class!()
            }

            fn run(&self) {
                $run(self)
            }
        }
    };
}
pub(crate) use impl_has_deferred;

/// A work item and a timer that queues it, embedded in a `T`.
///
/// Dropping it cancels both and waits for a run that is under way.
#[pin_data(PinnedDrop)]
pub(crate) struct Deferred<T: HasDeferred<ID>, const ID: u64> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    #[pin]
    work: Opaque<bindings::work_struct>,
    _owner: PhantomData<fn(&T)>,
}

// SAFETY: Both may be used from any thread.
unsafe impl<T: HasDeferred<ID>, const ID: u64> Send for Deferred<T, ID> {}
// SAFETY: As above; timers and workqueues do their own locking.
unsafe impl<T: HasDeferred<ID>, const ID: u64> Sync for Deferred<T, ID> {}

impl<T: HasDeferred<ID>, const ID: u64> Deferred<T, ID> {
    /// Returns an initialiser for a work item that is not queued. `name` is for lockdep.
    ///
    /// # Safety
    ///
    /// It initialises the field of a `T` that [`HasDeferred`] names, in place. `T` drops that field
    /// before each field that [`HasDeferred::run`] uses.
    pub(crate) unsafe fn new(name: &'static CStr) -> impl PinInit<Self> {
        pin_init!(Self {
            timer <- Opaque::ffi_init(|slot: *mut bindings::hrtimer| {
                // SAFETY: `slot` is valid for writes and pinned.
                unsafe {
                    bindings::hrtimer_setup(
                        slot,
                        Some(fires::<T, ID>),
                        // CAST: A small number.
                        bindings::CLOCK_MONOTONIC as c_int,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                };
            }),
            work <- Opaque::ffi_init(move |slot: *mut bindings::work_struct| {
                // SAFETY: `slot` is valid for writes and pinned; the name and the key are static.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(run::<T, ID>),
                        false,
                        name.as_char_ptr(),
                        T::lock_class().as_ptr(),
                    )
                };
            }),
            _owner: PhantomData,
        })
    }

    /// Queues the work. May be called from interrupt context.
    pub(crate) fn queue(&self) {
        // SAFETY: `work` is initialised and stays valid until it is cancelled, in `drop` at the
        // latest. The workqueue exists from early boot on.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_dfl_wq,
                self.work.get(),
            )
        };
    }

    /// Queues the work when `delay` has passed, and replaces a delay that was set before; with a
    /// delay of zero it queues the work at once, and leaves the other one. May be called from
    /// interrupt context.
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

    /// Cancels the timer and the work, and waits for a run that is under way. May sleep. The caller
    /// must prevent that the work is queued or armed again.
    pub(crate) fn cancel(&self) {
        // The timer first, as it queues the work.
        // SAFETY: `timer` is initialised.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
        // SAFETY: `work` is initialised.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}

#[pinned_drop]
impl<T: HasDeferred<ID>, const ID: u64> PinnedDrop for Deferred<T, ID> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// Queues the work when the timer fires.
///
/// # Safety
///
/// `timer` is that of a [`Deferred`].
unsafe extern "C" fn fires<T: HasDeferred<ID>, const ID: u64>(
    timer: *mut bindings::hrtimer,
) -> bindings::hrtimer_restart {
    // SAFETY: The caller promises that `timer` is the field of a `Deferred`.
    let deferred = unsafe { container_of!(Opaque::cast_from(timer), Deferred<T, ID>, timer) };
    // SAFETY: The `Deferred` is valid: dropping it waits for this call.
    unsafe { (*deferred).queue() };
    bindings::hrtimer_restart::HRTIMER_NORESTART
}

/// Does the work.
///
/// # Safety
///
/// `work` is that of a [`Deferred`] in a `T`.
unsafe extern "C" fn run<T: HasDeferred<ID>, const ID: u64>(work: *mut bindings::work_struct) {
    // SAFETY: The caller promises that `work` is the field of a `Deferred` …
    let deferred = unsafe { container_of!(Opaque::cast_from(work), Deferred<T, ID>, work) };
    // SAFETY: … which is the field of a `T`.
    let owner = unsafe { T::container(deferred) };
    // SAFETY: The `T` is valid: dropping the `Deferred` in it waits for this call, and by the
    // requirement of `Deferred::new()` comes before that of the fields that the call uses.
    unsafe { (*owner).run() };
}
