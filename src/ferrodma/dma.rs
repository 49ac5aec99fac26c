// SPDX-License-Identifier: GPL-2.0

//! DMA memory and descriptors, as types that any driver can use.

pub mod chain;
pub mod coherent;
pub mod pool;
pub(crate) mod sg;
pub mod span;
pub mod streaming;
pub mod transfer;
