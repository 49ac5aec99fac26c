// SPDX-License-Identifier: GPL-2.0

//! Small cases, each gone through in every order of its threads' steps.
//!
//! A thread that sleeps and is not woken is a deadlock, which loom reports. What must never happen
//! is asserted by hardware and memory ([`crate::hardware`]), and at the end ([`crate::world`]).

mod ends;
mod power;
mod stops;
mod unbind;
