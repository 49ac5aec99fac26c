// SPDX-License-Identifier: GPL-2.0

//! Small models, each run in every order of its threads' steps.
//!
//! A thread that sleeps and is not woken is a deadlock, which loom reports. Hardware and memory
//! ([`crate::hardware`]) assert the rules, and [`crate::world`] checks the end state.

mod ends;
mod power;
mod stops;
mod unbind;
