// SPDX-License-Identifier: GPL-2.0

//! The DMA helper: everything that drivers of memory-to-memory DMA channels have in common.
//!
//! A layer has a head file, and its parts stand in the folder of the same name:
//!
//! | layer | what it is |
//! |---|---|
//! | [`driver`] | a platform driver but for the meaning of an address |
//! | [`chardev`] | the character device |
//! | [`client`] | a user of a channel: an open file, or kernel code |
//! | [`channel`] | one engine and the queue before it |
//! | [`hardware`] | what of a channel is bound to its device |
//! | [`job`] | what moves from its submitter to hardware and back as a record |
//! | [`memory`] | what keeps the memory of a job alive |
//! | [`engine`] | what a DMA controller must do, and those that do |
//! | [`request`] | a job as its submitter describes it, checked |
//! | [`dma`] | DMA memory and descriptors, as types that any driver can use |
//! | [`queue`], [`mm`], [`sync`], [`clock`], [`uapi`], [`raw`] | what all of these use |
//!
//! The drivers have no unsafe code. What there is here stands in the files that talk to C, and where
//! something is promised that the compiler cannot see: that hardware keeps to its memory, and how
//! long a device is bound.

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
