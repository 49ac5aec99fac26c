// SPDX-License-Identifier: GPL-2.0

//! The user API, as declared in `src/uapi/ferrodma.h`.
//!
//! That header is the reference. The assertions below check the layouts against the same numbers as
//! the kselftests check those of the header.

use core::mem::offset_of;

use kernel::{
    ioctl::_IO,
    prelude::*, //
};
use zerocopy::Immutable;
use zerocopy_derive::Immutable;

/// `FERRODMA_VERSION`, 0xMMmmpp: major, minor and patch.
pub(crate) const VERSION: u32 = 0x000100;

const IOC_TYPE: u32 = 0xda;

/// `FERRODMA_IOC_INFO`.
pub(crate) const IOC_INFO: u32 = _IO(IOC_TYPE, 0);
/// `FERRODMA_IOC_SUBMIT`.
pub(crate) const IOC_SUBMIT: u32 = _IO(IOC_TYPE, 1);
/// `FERRODMA_IOC_WAIT`.
pub(crate) const IOC_WAIT: u32 = _IO(IOC_TYPE, 2);
/// `FERRODMA_IOC_CANCEL`.
pub(crate) const IOC_CANCEL: u32 = _IO(IOC_TYPE, 3);

/// `FERRODMA_FUNCTION_COHERENT`: addresses are offsets into the device's buffer.
pub(crate) const FUNCTION_COHERENT: u32 = 1;
/// `FERRODMA_FUNCTION_SG`: addresses are the program's own, and its memory is pinned.
pub(crate) const FUNCTION_SG: u32 = 2;
/// `FERRODMA_FUNCTION_POOL`: addresses are the program's own, and its memory is copied.
pub(crate) const FUNCTION_POOL: u32 = 3;

/// `FERRODMA_ENGINE_ZDMA`.
pub const ENGINE_ZDMA: u32 = 1;
/// `FERRODMA_ENGINE_BCM2835`.
pub const ENGINE_BCM2835: u32 = 2;

/// `FERRODMA_INFO_FAULT_IRQ`.
pub(crate) const INFO_FAULT_IRQ: u32 = 1 << 1;
/// `FERRODMA_INFO_DEAD`.
pub(crate) const INFO_DEAD: u32 = 1 << 0;

/// `FERRODMA_SUBMIT_WAIT`.
pub(crate) const SUBMIT_WAIT: u32 = 1 << 0;
/// `FERRODMA_SUBMIT_FILL`.
pub(crate) const SUBMIT_FILL: u32 = 1 << 1;
/// `FERRODMA_SUBMIT_SUBMITTED`.
pub(crate) const SUBMIT_SUBMITTED: u32 = 1 << 2;
/// All flags of SUBMIT.
pub(crate) const SUBMIT_FLAGS: u32 = SUBMIT_WAIT | SUBMIT_FILL | SUBMIT_SUBMITTED;

/// `struct ferrodma_seg`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub struct Seg {
    /// Start; the channel's function says what an address means.
    pub addr: u64,
    /// Length in bytes.
    pub len: u64,
}

/// `struct ferrodma_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Info {
    pub(crate) size: u32,
    pub(crate) function: u32,
    pub(crate) engine: u32,
    pub(crate) flags: u32,
    pub(crate) buffer_size: u64,
    pub(crate) max_job_bytes: u64,
    pub(crate) max_timeout_ns: u64,
    pub(crate) block_size: u32,
    pub(crate) max_segments: u32,
    pub(crate) alignment: u32,
    pub(crate) address_alignment: u32,
    pub(crate) address_bits: u32,
    pub(crate) queue_depth: u32,
    pub(crate) version: u32,
    pub(crate) reserved: u32,
}

/// `struct ferrodma_completion`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Record {
    pub(crate) cookie: u64,
    pub(crate) user_data: u64,
    pub(crate) status: i32,
    pub(crate) flags: u32,
    pub(crate) bytes: u64,
    pub(crate) submit_ns: u64,
    pub(crate) complete_ns: u64,
}

/// `struct ferrodma_submit`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Submit {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) src: u64,
    pub(crate) dst: u64,
    pub(crate) nr_src: u32,
    pub(crate) nr_dst: u32,
    pub(crate) src_region: u32,
    pub(crate) dst_region: u32,
    pub(crate) timeout_ns: u64,
    pub(crate) user_data: u64,
    pub(crate) cookie: u64,
    pub(crate) completion: Record,
}

/// `struct ferrodma_wait`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Wait {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) cookie: u64,
    pub(crate) timeout_ns: u64,
    pub(crate) completion: Record,
}

/// `struct ferrodma_cancel`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub(crate) struct Cancel {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) cookie: u64,
}

const _: () = {
    assert!(size_of::<Seg>() == 16);
    assert!(size_of::<Info>() == 72);
    assert!(size_of::<Record>() == 48);
    assert!(size_of::<Submit>() == 112);
    assert!(size_of::<Wait>() == 72);
    assert!(size_of::<Cancel>() == 16);
    assert!(offset_of!(Info, buffer_size) == 16);
    assert!(offset_of!(Info, max_timeout_ns) == 32);
    assert!(offset_of!(Info, queue_depth) == 60);
    assert!(offset_of!(Info, version) == 64);
    assert!(offset_of!(Record, bytes) == 24);
    assert!(offset_of!(Submit, nr_src) == 24);
    assert!(offset_of!(Submit, timeout_ns) == 40);
    assert!(offset_of!(Submit, cookie) == 56);
    assert!(offset_of!(Submit, completion) == 64);
    assert!(offset_of!(Wait, completion) == 24);
};

/// A structure that starts with its size, as those of all ioctls do.
pub(crate) trait Sized32: FromBytes + IntoBytes + Immutable + Default + Copy {
    /// Returns the size in bytes that the caller has set.
    fn size(&self) -> u32;
}

macro_rules! sized32 {
    ($($name:ident),*) => {
        $(impl Sized32 for $name {
            fn size(&self) -> u32 {
                self.size
            }
        })*
    };
}

sized32!(Info, Submit, Wait, Cancel);
