// SPDX-License-Identifier: GPL-2.0

//! A call when a time limit has passed.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use kernel::{
    impl_has_hr_timer,
    prelude::*,
    time::{
        hrtimer::{
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerHandle,
            HrTimerPointer,
            HrTimerRestart,
            RelativeMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

/// A timer for one wait.
#[pin_data]
pub(crate) struct Alarm<F: Fn() + Send + Sync + 'static> {
    #[pin]
    timer: HrTimer<Self>,
    call: F,
}

impl_has_hr_timer! {
    impl{F: Fn() + Send + Sync + 'static} HasHrTimer<Self> for Alarm<F> {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl<F: Fn() + Send + Sync + 'static> Alarm<F> {
    /// Calls `call` in interrupt context once `delay` has passed, unless the result is dropped before.
    /// To drop it may sleep, and waits for the call.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn start(delay: Delta, call: F) -> Result<impl HrTimerHandle> {
        let alarm = KBox::pin_init(
            pin_init!(Self {
                timer <- HrTimer::new(),
                call,
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(alarm.start(delay))
    }
}

impl<F: Fn() + Send + Sync + 'static> HrTimerCallback for Alarm<F> {
    type Pointer<'a> = Pin<KBox<Self>>;

    fn run(this: Pin<&mut Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        (this.call)();
        HrTimerRestart::NoRestart
    }
}
