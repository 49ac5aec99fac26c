// SPDX-License-Identifier: GPL-2.0

//! Error codes.

use crate::alloc::AllocError;

/// A negative errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(i32);

/// The result of the kernel's functions.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl Error {
    /// Returns the error for a C error number.
    pub const fn from_errno(errno: i32) -> Self {
        Self(errno)
    }

    /// Returns the C error number.
    pub const fn to_errno(self) -> i32 {
        self.0
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

/// Turns a C status into a result.
pub fn to_result(status: i32) -> Result {
    if status < 0 {
        Err(Error(status))
    } else {
        Ok(())
    }
}

pub mod code {
    //! Error numbers by name.

    use super::Error;

    macro_rules! codes {
        ($($name:ident $errno:literal)*) => {
            $(
                #[doc = concat!("Errno ", $errno, ".")]
                pub const $name: Error = Error(-$errno);
            )*
        };
    }

    codes! {
        EPERM 1 ENOENT 2 EINTR 4 EIO 5 ENXIO 6 E2BIG 7 EAGAIN 11 ENOMEM 12 EFAULT 14 EBUSY 16
        ENODEV 19 EINVAL 22 EOVERFLOW 75
        EMSGSIZE 90 ETIMEDOUT 110 EALREADY 114 ECANCELED 125 ERESTARTSYS 512 EPROBE_DEFER 517
    }
}
