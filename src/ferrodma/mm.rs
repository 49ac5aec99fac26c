// SPDX-License-Identifier: GPL-2.0

//! Address spaces of programs: which one a file works for, what it is charged, and pinning its pages.

pub(crate) mod charge;
pub(crate) mod gup;
pub(crate) mod owner;
