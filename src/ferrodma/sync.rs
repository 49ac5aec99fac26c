// SPDX-License-Identifier: GPL-2.0

//! Waiting, deferred work and exchange between threads that the kernel crate does not offer.

pub(crate) mod alarm;
pub(crate) mod atomic_box;
pub(crate) mod completion;
pub(crate) mod deferred;
