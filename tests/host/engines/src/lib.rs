// SPDX-License-Identifier: GPL-2.0

//! The engines, as a program of the host.
//!
//! The files under test are the driver's own, unchanged: both engines with their registers, the
//! descriptors, and what they are made of. The kernel crate is replaced by `../kernel`; memory, by
//! [`bus`] and [`below`]; the controllers, by models after their data sheets, [`zdma`] and
//! [`bcm2835`]. The models have what QEMU's lack: hardware that is at work when it is stopped, that
//! keeps registers which nobody has promised to be cleared, and that loses all of them.

#![cfg(test)]
#![deny(warnings)]

/// The driver's files.
#[path = "../../../../src/ferrodma"]
mod ferrodma {
    // What only other files of the driver call.
    #![expect(
        dead_code,
        reason = "files of the driver, of which the tests use a part"
    )]

    pub(crate) mod dma {
        pub(crate) mod chain;
        pub(crate) mod span;
        pub(crate) mod transfer;
    }
    pub(crate) mod engine;
}

mod bcm2835;
mod below;
mod bus;
mod jobs;
mod zdma;

mod dma {
    pub(crate) use crate::{
        below::pool,
        ferrodma::dma::{
            chain,
            span,
            transfer, //
        }, //
    };
}

use self::{
    below::{
        raw,
        uapi, //
    },
    ferrodma::engine, //
};
