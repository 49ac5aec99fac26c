// SPDX-License-Identifier: GPL-2.0

//! The gate between what outlives a device and what is bound to it.
//!
//! An open file, a mapping or a time-out may come at any time, also after the device is unbound.
//! They hold a [`Channel`], which lives as long as anyone refers to it, and reach the [`Hardware`]
//! behind it only through its [`Gate`]. Unbind closes the gate and waits for those who are inside.
//!
//! C header: [`include/linux/srcu.h`](srctree/include/linux/srcu.h). DRM's `drm_dev_enter()` is the
//! same in C.
//!
//! [`Channel`]: crate::channel::Channel

use kernel::{
    new_srcu,
    prelude::*,
    sync::{
        atomic::{
            ordering,
            Atomic, //
        },
        srcu::Guard,
        Srcu, //
    }, //
};

use crate::hardware::Hardware;

/// Lends out a device's [`Hardware`] while it is bound.
///
/// # Invariants
///
/// `hw` is null, or points to a `Hardware` that stays valid until [`Gate::close`] has returned. The
/// pointee's lifetime is erased; [`Pass::hw`] gives it that of the borrow.
#[pin_data]
pub(crate) struct Gate {
    #[pin]
    readers: Srcu,
    hw: Atomic<*mut Hardware<'static>>,
}

// SAFETY: `Hardware` is `Sync`, and the gate hands out shared references only.
unsafe impl Send for Gate {}
// SAFETY: As above.
unsafe impl Sync for Gate {}

impl Gate {
    /// A gate that is closed.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            readers <- new_srcu!(),
            // INVARIANT: Null.
            hw: Atomic::new(core::ptr::null_mut()),
        })
    }

    /// Opens the gate to `hw`.
    ///
    /// # Safety
    ///
    /// [`Gate::close`] must be called before `hw` is dropped.
    pub(crate) unsafe fn open(&self, hw: &Hardware<'_>) {
        let hw = core::ptr::from_ref(hw).cast_mut().cast();
        // INVARIANT: Valid until `close()`, by the safety requirement. Release: who sees the
        // pointer sees an initialised `Hardware`.
        self.hw.store(hw, ordering::Release);
    }

    /// Closes the gate and waits until nobody is inside. May sleep.
    pub(crate) fn close(&self) {
        // INVARIANT: Null.
        self.hw.store(core::ptr::null_mut(), ordering::Relaxed);
        // Whoever read the pointer before has left when this returns, and whoever enters from now
        // on reads null.
        self.readers.synchronize_expedited();
    }

    /// Enters, unless the gate is closed. The device stays bound until the pass is dropped, so
    /// nobody may sleep inside for as long as user space likes.
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        let guard = self.readers.read_lock();
        let hw = self.hw.load(ordering::Acquire);
        if hw.is_null() {
            return None;
        }
        Some(Pass { hw, _guard: guard })
    }
}

/// Proof of being inside of a [`Gate`].
///
/// # Invariants
///
/// `hw` is valid as long as the pass exists.
pub(crate) struct Pass<'gate> {
    hw: *const Hardware<'static>,
    _guard: Guard<'gate>,
}

impl Pass<'_> {
    /// The hardware of the bound device.
    pub(crate) fn hw(&self) -> &Hardware<'_> {
        // SAFETY: By the type invariant the pointee is valid for the borrow of `self`. `Hardware`
        // is covariant over its lifetime (see below), so the erased one may be shortened to the
        // borrow's.
        unsafe { &*self.hw.cast::<Hardware<'_>>() }
    }
}

/// Compiles only while `Hardware` is covariant over its lifetime.
const _: for<'short> fn(&'short Hardware<'static>) -> &'short Hardware<'short> = |hw| hw;
