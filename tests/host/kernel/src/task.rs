// SPDX-License-Identifier: GPL-2.0

//! The state of a thread: a pending signal, time limits, its address space.

use std::cell::Cell;

/// The signal that is pending for a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// No signal.
    None,
    /// A signal that the program handles.
    Handled,
    /// A fatal signal.
    Fatal,
}

loom::thread_local! {
    static SIGNAL: Cell<Signal> = Cell::new(Signal::None);
    static HURRY: Cell<bool> = Cell::new(false);
    static ADDRESS_SPACE: Cell<usize> = Cell::new(0);
}

/// Makes a signal pending for the calling thread from now on.
pub fn send_signal(signal: Signal) {
    SIGNAL.with(|pending| pending.set(signal));
}

/// Lets all time limits of the calling thread pass from now on.
pub fn run_out_of_time() {
    HURRY.with(|hurry| hurry.set(true));
}

/// Moves the calling thread to another address space.
pub fn enter_address_space(number: usize) {
    ADDRESS_SPACE.with(|space| space.set(number));
}

/// Returns the pending signal.
pub fn signal() -> Signal {
    SIGNAL.with(Cell::get)
}

/// Returns whether a signal is pending.
pub fn signal_pending() -> bool {
    signal() != Signal::None
}

/// Returns whether the thread's time limits have passed.
pub fn is_out_of_time() -> bool {
    HURRY.with(Cell::get)
}

/// Returns the thread's address space.
pub fn address_space() -> usize {
    ADDRESS_SPACE.with(Cell::get)
}
