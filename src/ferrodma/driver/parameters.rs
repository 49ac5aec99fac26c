// SPDX-License-Identifier: GPL-2.0

//! The parameters of a driver module.
//!
//! All drivers have the same parameters: `selftest`, which is read at probe, and `poll_bytes`,
//! which can be written in `/sys/module/<driver>/parameters` at any time.
//!
//! The `params` of the kernel crate's `module!` are not in sysfs and cannot change later.
//! [`parameters!`](crate::parameters!) declares parameters as C's `module_param()` does; the
//! kernel's own code parses and prints the values.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use kernel::{
    bindings,
    ffi::c_void,
    module_param::KernelParam,
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    }, //
};

/// Default of `poll_bytes`: about as many bytes as an engine with 1 GB/s moves before an interrupt
/// would have been taken.
const POLL_BYTES: u32 = 4096;

/// Mode of a parameter that all may read.
const READABLE: u16 = 0o444;

/// Mode of a parameter that all may read, and root may write.
const WRITABLE: u16 = 0o644;

/// The values of a driver module's parameters, declared by [`parameters!`](crate::parameters!).
pub struct Parameters {
    selftest: Atomic<bool>,
    poll_bytes: Atomic<u32>,
}

impl Parameters {
    /// Returns the defaults.
    #[doc(hidden)]
    #[inline]
    pub const fn new() -> Self {
        Self {
            selftest: Atomic::new(true),
            poll_bytes: Atomic::new(POLL_BYTES),
        }
    }

    /// Returns whether channels are tested at probe.
    #[inline]
    pub fn selftest(&self) -> bool {
        self.selftest.load(ordering::Relaxed)
    }

    /// Returns the most bytes of a job whose end is polled for. The value may change at any time.
    #[inline]
    pub fn poll_bytes(&self) -> &Atomic<u32> {
        &self.poll_bytes
    }

    /// Returns the description of `selftest` of `module` for the kernel.
    #[doc(hidden)]
    #[inline]
    pub const fn describe_selftest(&'static self, module: *mut bindings::module) -> KernelParam {
        describe(
            c"selftest",
            module,
            &raw const bindings::param_ops_bool,
            READABLE,
            self.selftest.as_ptr().cast(),
        )
    }

    /// Returns the description of `poll_bytes` of `module` for the kernel.
    #[doc(hidden)]
    #[inline]
    pub const fn describe_poll_bytes(&'static self, module: *mut bindings::module) -> KernelParam {
        describe(
            c"poll_bytes",
            module,
            &raw const bindings::param_ops_uint,
            WRITABLE,
            self.poll_bytes.as_ptr().cast(),
        )
    }
}

/// Returns the description of a parameter whose value is at `value`, of the type that `ops` parse.
#[inline]
const fn describe(
    name: &'static CStr,
    module: *mut bindings::module,
    ops: *const bindings::kernel_param_ops,
    perm: u16,
    value: *mut c_void,
) -> KernelParam {
    KernelParam::new(bindings::kernel_param {
        name: kernel::str::as_char_ptr_in_const_context(name),
        mod_: module,
        ops,
        perm,
        // Not a parameter of the kernel command line.
        level: -1,
        flags: 0,
        __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 { arg: value },
    })
}

/// Declares the parameters of a driver module, and a static `PARAMETERS` with their values.
#[macro_export]
macro_rules! parameters {
    () => {
        /// The values of the module's parameters.
        static PARAMETERS: $crate::driver::parameters::Parameters =
            $crate::driver::parameters::Parameters::new();

        $crate::parameters!(@describe describe_selftest);
        $crate::parameters!(@info b"parmtype=selftest:bool\0");
        $crate::parameters!(
            @info b"parm=selftest:Test each channel before it is offered (default: yes)\0"
        );
        $crate::parameters!(@describe describe_poll_bytes);
        $crate::parameters!(@info b"parmtype=poll_bytes:uint\0");
        $crate::parameters!(
            @info
            b"parm=poll_bytes:Poll for the end of jobs of up to so many bytes \
              (default: 4096; 0: never)\0"
        );
    };
    (@describe $describe:ident) => {
        const _: () = {
            // The module loader reads the section as an array of `struct kernel_param`. The loader
            // and sysfs write to the value through the operations, which match its type.
            #[link_section = "__param"]
            #[used]
            static PARAMETER: ::kernel::module_param::KernelParam =
                PARAMETERS.$describe((&raw const ::kernel::bindings::__this_module).cast_mut());
        };
    };
    (@info $text:literal) => {
        const _: () = {
            // The strings of modinfo follow each other in a section of their own.
            #[link_section = ".modinfo"]
            #[used]
            static INFO: [u8; $text.len()] = *$text;
        };
    };
}
