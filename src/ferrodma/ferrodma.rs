// SPDX-License-Identifier: GPL-2.0

//! The DMA helper: the common part of drivers for memory-to-memory DMA channels.
//!
//! Each layer has a head file; its parts are in the folder of the same name:
//!
//! | layer | contents |
//! |---|---|
//! | [`driver`] | probe, unbind and power management of a platform driver |
//! | [`chardev`] | the character device |
//! | [`client`] | a user of a channel: an open file, or kernel code |
//! | [`channel`] | one engine and the queue of its jobs |
//! | [`hardware`] | the parts of a channel that exist only while its device is bound |
//! | [`job`] | a job on its way from the submitter to hardware and back as a record |
//! | [`memory`] | the memory of a job, kept alive until hardware is done with it |
//! | [`engine`] | the interface of a DMA controller, and its implementations |
//! | [`request`] | a job as its submitter describes it, checked |
//! | [`dma`] | DMA memory and descriptors, as types that any driver can use |
//! | [`queue`], [`mm`], [`sync`], [`clock`], [`uapi`], [`raw`] | the base that all layers use |
//!
//! The leaf drivers have no unsafe code. The unsafe code of the helper is in the files that call C,
//! and in those that rely on a promise which the compiler cannot check: that hardware keeps to its
//! memory, how long a device stays bound, and which list of the queue a client is in.

use kernel::prelude::*;

mod channel;
mod chardev;
pub mod client;
mod clock;
pub mod dma;
pub mod driver;
pub mod engine;
mod hardware;
mod job;
pub mod memory;
mod mm;
mod queue;
mod raw;
mod request;
mod sync;
pub mod uapi;

struct Helper;

impl kernel::Module for Helper {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: Called once, before any use: the drivers are loaded after this module.
        unsafe {
            chardev::number::TAKEN.init();
            driver::debugfs::ROOT.init();
        }
        Ok(Self)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Statics are not dropped. All devices are gone.
        *driver::debugfs::ROOT.lock() = None;
        *chardev::number::TAKEN.lock() = KVec::new();
    }
}

module! {
    type: Helper,
    name: "ferrodma",
    authors: ["The ferrodma founders"],
    description: "Common helper of the ferrodma DMA drivers",
    license: "GPL",
}
