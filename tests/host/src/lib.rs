// SPDX-License-Identifier: GPL-2.0

//! The queue of a channel, and all code that takes its lock, as a program of the host.
//!
//! The files under test are the driver's own, unchanged: the queue, the channel with the end of
//! jobs, the gate, and the client. These are replaced: the kernel crate by `kernel/`; hardware and
//! memory by [`hardware`] and [`below`]; waits and callbacks by [`waits`].
//!
//! The locks are loom's, so that the models in [`models`] run through every order in which threads
//! can take them. [`sequences`] compares the queue alone with a simple model of it.

#![cfg(test)]
#![deny(warnings)]

/// The driver's files.
#[path = "../../../src/ferrodma"]
mod ferrodma {
    // Functions that only other files of the driver call are unused here.
    #![expect(
        dead_code,
        reason = "files of the driver, of which the tests use a part"
    )]

    pub(crate) mod channel;
    pub(crate) mod client;
    pub(crate) mod job;
    pub(crate) mod queue;
    pub(crate) mod request;
    pub(crate) mod sync {
        pub(crate) mod atomic_box;
    }
}

mod below;
mod hardware;
mod models;
mod sequences;
mod waits;
mod world;

mod dma {
    pub(crate) use crate::below::{
        chain,
        pool,
        streaming,
        transfer, //
    };
}

mod mm {
    pub(crate) use crate::waits::{
        owner,
        user, //
    };
}

mod sync {
    pub(crate) use crate::{
        ferrodma::sync::atomic_box,
        waits::{
            alarm,
            completion,
            deferred, //
        }, //
    };
}

use self::{
    below::{
        engine,
        raw,
        uapi, //
    },
    ferrodma::{
        channel,
        client,
        job,
        queue,
        request, //
    },
    hardware::memory,
    waits::clock, //
};
