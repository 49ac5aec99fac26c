// SPDX-License-Identifier: GPL-2.0

//! Tests of the engines as a program of the host.
//!
//! The files under test are the driver's own, unchanged: both engines with their registers, the
//! descriptors, and the types that they use. These are replaced: the kernel crate by `../kernel`;
//! memory by [`bus`] and [`below`]; the controllers by models after their data sheets, [`zdma`] and
//! [`bcm2835`]. The models can do what QEMU's cannot: be busy when they are stopped, keep registers
//! over a reset that the data sheet does not promise to clear, and lose all registers.

#![cfg(test)]
#![deny(warnings)]

/// The driver's files.
#[path = "../../../../src/ferrodma"]
mod ferrodma {
    // Functions that only other files of the driver call are unused here.
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
