// SPDX-License-Identifier: GPL-2.0

//! Numbers of character devices.
//!
//! The number of a device is that of its alias in the device tree (`ferrodma-coherent3`); without
//! an alias, the lowest free number above those of all aliases.

use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::global_lock, //
};

use crate::raw;

global_lock! {
    // SAFETY: Initialised in the module's init, before any driver can use it.
    pub(crate) unsafe(uninit) static TAKEN: Mutex<KVec<(&'static CStr, u32)>> = KVec::new();
}

/// A number, unique among the devices of one function.
pub(crate) struct Number {
    function: &'static CStr,
    number: u32,
    /// Name of the device, `ferrodma-<function><number>`.
    name: CString,
}

impl Number {
    /// Reserves the number for `dev`. `stem` is the name of the device without its number.
    ///
    /// # Errors
    ///
    /// EBUSY: another device has the same alias. ENOMEM.
    pub(crate) fn take(dev: &Device<Bound>, stem: &'static CStr) -> Result<Self> {
        // SAFETY: The device is bound, so its node (which may be null) does not change.
        let alias =
            unsafe { bindings::of_alias_get_id((*raw::device(dev)).of_node, stem.as_char_ptr()) };
        let mut taken = TAKEN.lock();
        let is_free = |number: u32| {
            !taken
                .iter()
                .any(|(other, n)| *other == stem && *n == number)
        };
        let number = match u32::try_from(alias) {
            Ok(alias) if is_free(alias) => alias,
            Ok(alias) => {
                dev_err!(dev, "another device is {stem}{alias} already\n");
                return Err(EBUSY);
            }
            Err(_) => {
                // SAFETY: `stem` is a string.
                let highest = unsafe { bindings::of_alias_get_highest_id(stem.as_char_ptr()) };
                let first = u32::try_from(highest).map_or(0, |highest| highest + 1);
                (first..).find(|number| is_free(*number)).ok_or(EBUSY)?
            }
        };
        let name = CString::try_from_fmt(fmt!("{stem}{number}"))?;
        taken.push((stem, number), GFP_KERNEL)?;
        Ok(Self {
            function: stem,
            number,
            name,
        })
    }

    /// Returns the name of the device, for `/dev`, `/proc/interrupts` and `/proc/<pid>/maps`.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock();
        let at = taken
            .iter()
            .position(|(other, n)| *other == self.function && *n == self.number);
        if let Some(at) = at {
            let _ = taken.remove(at);
        }
    }
}
