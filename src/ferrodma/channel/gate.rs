// SPDX-License-Identifier: GPL-2.0

//! The gate between objects that outlive a device and those that are bound to it.
//!
//! A call on an open file, a page fault or a time-out may come at any time, even after the device
//! is unbound. The code that handles it holds a [`Channel`], which is reference-counted, and
//! reaches the [`Hardware`] behind it only through its [`Gate`]. Unbind closes the gate and waits
//! for all contexts that are inside.
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

/// Gives access to a device's [`Hardware`] while it is bound.
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
    /// Returns an initialiser for a closed gate.
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
        // INVARIANT: The caller promises that `hw` is valid until `close()`. Release: a context
        // that sees the pointer sees an initialised `Hardware`.
        self.hw.store(hw, ordering::Release);
    }

    /// Closes the gate and waits until no context is inside. May sleep.
    pub(crate) fn close(&self) {
        // INVARIANT: Null.
        self.hw.store(core::ptr::null_mut(), ordering::Relaxed);
        // When this returns, all contexts that have read the pointer before have left, and those
        // that enter from now on read null.
        self.readers.synchronize_expedited();
    }

    /// Enters the gate, unless it is closed. The device stays bound until the pass is dropped, so
    /// the caller must not sleep for user space while it has the pass.
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        let guard = self.readers.read_lock();
        let hw = self.hw.load(ordering::Acquire);
        if hw.is_null() {
            return None;
        }
        Some(Pass { hw, _guard: guard })
    }
}

/// Evidence of being inside of a [`Gate`].
///
/// # Invariants
///
/// `hw` is valid as long as the pass exists.
pub(crate) struct Pass<'gate> {
    hw: *const Hardware<'static>,
    _guard: Guard<'gate>,
}

impl Pass<'_> {
    /// Returns the hardware of the bound device.
    pub(crate) fn hw(&self) -> &Hardware<'_> {
        // SAFETY: By the type invariant the pointee is valid for the borrow of `self`. `Hardware`
        // is covariant over its lifetime (see below), so the erased lifetime may be shortened to
        // that of the borrow.
        unsafe { &*self.hw.cast::<Hardware<'_>>() }
    }
}

/// Compiles only while `Hardware` is covariant over its lifetime.
const _: for<'short> fn(&'short Hardware<'static>) -> &'short Hardware<'short> = |hw| hw;
