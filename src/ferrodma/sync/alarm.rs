// SPDX-License-Identifier: GPL-2.0

//! Wakes the sleepers of a client when a time limit has passed.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::Arc,
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

use crate::{
    channel::Channel,
    client::Signals, //
};

/// A timer for one wait.
#[pin_data]
pub(crate) struct Alarm {
    #[pin]
    timer: HrTimer<Self>,
    channel: Arc<Channel>,
    signals: Arc<Signals>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Alarm {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl Alarm {
    /// Wakes the sleepers of `signals`, a client's of `channel`, once `delay` has passed, unless the
    /// result is dropped before. That may sleep, and is not done with the channel's lock held.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn start(
        channel: &Arc<Channel>,
        signals: &Arc<Signals>,
        delay: Delta,
    ) -> Result<impl HrTimerHandle> {
        let alarm = KBox::pin_init(
            pin_init!(Self {
                timer <- HrTimer::new(),
                channel: channel.clone(),
                signals: signals.clone(),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(alarm.start(delay))
    }
}

impl HrTimerCallback for Alarm {
    type Pointer<'a> = Pin<KBox<Self>>;

    fn run(this: Pin<&mut Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        // A sleeper that has looked at the clock is asleep by the time this gets the lock.
        drop(this.channel.state.lock());
        this.signals.changed.notify_all();
        HrTimerRestart::NoRestart
    }
}
