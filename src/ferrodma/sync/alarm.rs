// SPDX-License-Identifier: GPL-2.0

//! A timer that calls a function once.
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

/// A timer for one wait, and the function that it calls.
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
    /// Starts a timer that calls `call` in interrupt context once `delay` has passed. Dropping the
    /// result cancels the timer, or waits for a call that is under way, and so may sleep.
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
