// SPDX-License-Identifier: GPL-2.0

//! What a thread is, and what it can meet when it sleeps, other than what it waits for.

use std::cell::Cell;

/// What is pending for a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Nothing.
    None,
    /// A signal that the program handles.
    Handled,
    /// A signal that ends the program.
    Fatal,
}

loom::thread_local! {
    static SIGNAL: Cell<Signal> = Cell::new(Signal::None);
    static HURRY: Cell<bool> = Cell::new(false);
    static ADDRESS_SPACE: Cell<usize> = Cell::new(0);
}

/// From now on this is pending for the calling thread.
pub fn send_signal(signal: Signal) {
    SIGNAL.with(|pending| pending.set(signal));
}

/// From now on any time limit of the calling thread's waits has passed.
pub fn run_out_of_time() {
    HURRY.with(|hurry| hurry.set(true));
}

/// From now on the calling thread is in this address space.
pub fn enter_address_space(number: usize) {
    ADDRESS_SPACE.with(|space| space.set(number));
}

/// What is pending.
pub fn signal() -> Signal {
    SIGNAL.with(Cell::get)
}

/// Whether a signal is pending.
pub fn signal_pending() -> bool {
    signal() != Signal::None
}

/// Whether time limits have passed.
pub fn is_out_of_time() -> bool {
    HURRY.with(Cell::get)
}

/// The thread's address space.
pub fn address_space() -> usize {
    ADDRESS_SPACE.with(Cell::get)
}
