// SPDX-License-Identifier: GPL-2.0

//! Suspend, hibernation and shutdown callbacks of a channel's driver.
//!
//! C header: [`include/linux/pm.h`](srctree/include/linux/pm.h)
//!
//! The kernel crate's [`platform::Adapter`] has none. [`Adapter`] adds them, and passes everything
//! else on to it.

use core::marker::PhantomData;

use kernel::{
    bindings,
    device::{
        CoreInternal,
        Device, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    ffi::c_int,
    platform,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

use crate::{
    channel::Channel,
    driver::{
        BoundChannel,
        ChannelDriver,
        Driver, //
    }, //
};

/// Registers the [`Driver`] of a [`ChannelDriver`] with the platform bus.
pub struct Adapter<D>(PhantomData<D>);

// SAFETY: The driver's structure and data are those of `platform::Adapter`, which makes the same
// promises.
unsafe impl<D: ChannelDriver> DriverLayout for Adapter<D> {
    type DriverType = bindings::platform_driver;
    type DriverData<'bound> = BoundChannel<'bound>;
    const DEVICE_DRIVER_OFFSET: usize =
        <platform::Adapter<Driver<D>> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: `platform::Adapter` registers and unregisters the driver.
unsafe impl<D: ChannelDriver> RegistrationOps for Adapter<D> {
    unsafe fn register(
        reg: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The driver is not registered yet, so its fields may be set. The data of its
        // devices is a `BoundChannel`.
        unsafe { set_hooks(reg.get()) };
        // SAFETY: The caller promises the same.
        unsafe { <platform::Adapter<Driver<D>> as RegistrationOps>::register(reg, name, module) }
    }

    unsafe fn unregister(reg: &Opaque<Self::DriverType>) {
        // SAFETY: The caller promises the same.
        unsafe { <platform::Adapter<Driver<D>> as RegistrationOps>::unregister(reg) }
    }
}

/// Sets the callbacks of a driver.
///
/// # Safety
///
/// `driver` is valid and not registered yet. The data of its devices is a [`BoundChannel`].
unsafe fn set_hooks(driver: *mut bindings::platform_driver) {
    // SAFETY: The caller promises that `driver` is valid and not registered yet, and that the data
    // of its devices is what the callbacks expect.
    unsafe {
        (*driver).driver.pm = &raw const HOOKS;
        (*driver).shutdown = Some(shutdown);
    }
}

static HOOKS: bindings::dev_pm_ops = bindings::dev_pm_ops {
    prepare: Some(prepare),
    complete: Some(complete),
    suspend: Some(suspend),
    resume: Some(resume),
    freeze: Some(suspend),
    thaw: Some(resume),
    poweroff: Some(suspend),
    restore: Some(resume),
    ..pin_init::zeroed()
};

/// Returns the driver data of `dev`.
///
/// # Safety
///
/// `dev` is bound to a driver with these callbacks, and stays bound for `'a`.
unsafe fn bound<'a>(dev: *mut bindings::device) -> Pin<&'a BoundChannel<'a>> {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    let dev = dev.cast::<Device<CoreInternal<'_>>>();
    // SAFETY: The device is valid, as it is bound. Its data was set when it was bound, and has this
    // type by the requirement of `set_hooks()`.
    unsafe { (*dev).drvdata_borrow() }
}

/// Prepares a channel for suspend; called for all devices before the first one is suspended. Never
/// fails.
///
/// # Safety
///
/// As for [`bound`], for the time of the call.
unsafe extern "C" fn prepare(dev: *mut bindings::device) -> c_int {
    // SAFETY: As in `suspend()`.
    unsafe { bound(dev) }.power(|channel, _| channel.prepare_suspend());
    0
}

/// Undoes `prepare()`, after all devices have been resumed or the suspend was aborted.
///
/// # Safety
///
/// As for [`bound`], for the time of the call.
unsafe extern "C" fn complete(dev: *mut bindings::device) {
    // SAFETY: As in `suspend()`.
    unsafe { bound(dev) }.power(Channel::complete_suspend);
}

/// Suspends a channel. Never fails, so that no user can prevent the suspend of the system.
///
/// # Safety
///
/// As for [`bound`], for the time of the call.
unsafe extern "C" fn suspend(dev: *mut bindings::device) -> c_int {
    // SAFETY: The driver core calls the callbacks of bound devices only, with the device locked, so
    // that it cannot be unbound meanwhile.
    unsafe { bound(dev) }.power(Channel::suspend);
    0
}

/// Resumes a channel.
///
/// # Safety
///
/// As for [`bound`], for the time of the call.
unsafe extern "C" fn resume(dev: *mut bindings::device) -> c_int {
    // SAFETY: As in `suspend()`.
    unsafe { bound(dev) }.power(Channel::resume);
    0
}

/// Leaves hardware idle for a reboot or the next kernel. Frees nothing, as programs may still use
/// it.
///
/// # Safety
///
/// As for [`bound`] with its `struct device`, for the time of the call.
unsafe extern "C" fn shutdown(pdev: *mut bindings::platform_device) {
    // SAFETY: As in `suspend()`. `dev` is a field of the platform device.
    unsafe { bound(&raw mut (*pdev).dev) }.power(Channel::shutdown);
}

/// Declares a module with the driver of a [`ChannelDriver`], as [`kernel::module_platform_driver!`]
/// does for other drivers.
#[macro_export]
macro_rules! module_channel_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::driver::pm::Adapter<T>, { $($f)* });
    };
}
