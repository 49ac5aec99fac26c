// SPDX-License-Identifier: GPL-2.0

//! The queue of a channel, and all that takes its lock, as a program of the host.
//!
//! The files under test are the driver's own, unchanged: the queue, the channel with the ends of
//! jobs, the gate, and the client. What is below them is replaced: the kernel crate, by `kernel/`;
//! hardware and memory, by [`hardware`] and [`below`]; what sleeps and what is called back, by
//! [`waits`].
//!
//! The locks are loom's, so that the models in [`models`] go through every order in which threads
//! can take them. The queue alone is compared with a simple one in [`sequences`].

#![cfg(test)]
#![deny(warnings)]

/// The driver's files.
#[path = "../../../src/ferrodma"]
mod ferrodma {
    // What only other files of the driver call.
    #![expect(
        dead_code,
        reason = "files of the driver, of which the tests use a part"
    )]

    pub(crate) mod channel;
    pub(crate) mod client;
    pub(crate) mod fifo;
    pub(crate) mod gate;
    pub(crate) mod job;
    pub(crate) mod queue;
    pub(crate) mod ratelimit;
    pub(crate) mod request;
    pub(crate) mod slot;
    pub(crate) mod stats;
}

mod below;
mod hardware;
mod models;
mod sequences;
mod waits;
mod world;

use self::{
    below::{
        chain,
        driver,
        engine,
        pool,
        raw,
        stock,
        streaming,
        transfer,
        uapi, //
    },
    ferrodma::{
        channel,
        client,
        fifo,
        gate,
        job,
        queue,
        ratelimit,
        request,
        slot,
        stats, //
    },
    hardware::lent,
    waits::{
        alarm,
        clock,
        completion,
        finisher,
        owner,
        watchdog, //
    }, //
};
