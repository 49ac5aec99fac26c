// SPDX-License-Identifier: GPL-2.0

//! Address spaces of programs: the owner of a file, users and the accounting of
//! pinned pages, and pinning.

pub(crate) mod charge;
pub(crate) mod gup;
pub(crate) mod owner;
pub(crate) mod user;
