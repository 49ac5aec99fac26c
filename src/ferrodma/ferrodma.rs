// SPDX-License-Identifier: GPL-2.0

//! The DMA helper: everything that drivers of memory-to-memory DMA channels have in common.
//!
//! From the outside in, each layer knowing only those below it:
//!
//! - [`driver`]: a platform driver but for the meaning of an address; [`pm`]: its hooks for suspend
//!   and shutdown; [`parameters`]: those of its module; [`chardev`], [`ioctl`], [`mmap`]: the
//!   character device; [`state`]: debugfs.
//! - [`client`]: users of a channel, open files or kernel code; [`owner`]: for which address space;
//!   [`request`]: what they ask for; [`alarm`]: how long they wait.
//! - [`channel`]: one engine and its queue; [`queue`] and [`job`]: its logic; [`gate`]: how it
//!   outlives its [`hardware`]; [`watchdog`]: time limits; [`finisher`]: what jobs leave behind;
//!   [`ratelimit`]: what the log is told.
//! - [`lent`]: memory of jobs, of which there are kinds: [`buffer`], [`pages`], [`copied`],
//!   [`streaming`]; [`charge`], [`gup`]: accounting of pages and pinning; [`scatter`],
//!   [`transfer`]: how memory becomes bus addresses; [`pool`], [`stock`]: small blocks; [`chain`]:
//!   descriptors.
//! - [`engine`]: what a controller must do; [`engine::bcm2835`], [`engine::zdma`].
//!
//! The drivers have no unsafe code. What there is stands in the files that talk to C: [`buffer`],
//! [`charge`], [`chardev`], [`clock`], [`completion`], [`finisher`], [`gup`], [`mmap`],
//! [`numbers`], [`owner`], [`pages`], [`pm`], [`pool`], [`raw`], [`scatter`] and [`watchdog`]; and
//! where something is promised that the compiler cannot see: hardware that keeps to its memory in
//! [`channel`], [`client`], [`copied`], [`engine`], [`hardware`], [`lent`] and [`streaming`],
//! lifetimes in [`chain`], [`driver`], [`gate`] and [`stock`], and two statics in the root.

use kernel::prelude::*;

mod alarm;
pub mod buffer;
pub mod chain;
mod channel;
mod chardev;
mod charge;
pub mod client;
mod clock;
mod completion;
mod copied;
pub mod driver;
pub mod engine;
mod fifo;
mod finisher;
mod gate;
mod gup;
mod hardware;
mod ioctl;
mod job;
mod lent;
mod mmap;
mod numbers;
mod owner;
mod pages;
pub mod parameters;
pub mod pm;
pub mod pool;
mod queue;
mod ratelimit;
mod raw;
mod request;
mod scatter;
mod slot;
mod state;
mod stats;
pub mod stock;
pub mod streaming;
pub mod transfer;
pub mod uapi;
mod watchdog;

struct Helper;

impl kernel::Module for Helper {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: Called once, before any use: the drivers are loaded after this module.
        unsafe {
            numbers::TAKEN.init();
            state::ROOT.init();
        }
        Ok(Self)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Statics are not dropped. All devices are gone.
        *state::ROOT.lock() = None;
        *numbers::TAKEN.lock() = KVec::new();
    }
}

module! {
    type: Helper,
    name: "ferrodma",
    authors: ["The ferrodma founders"],
    description: "Common helper of the ferrodma DMA drivers",
    license: "GPL",
}
