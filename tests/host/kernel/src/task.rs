// SPDX-License-Identifier: GPL-2.0

//! What a thread can meet when it sleeps, other than what it waits for.

use std::cell::Cell;

loom::thread_local! {
    static SIGNAL: Cell<bool> = Cell::new(false);
    static HURRY: Cell<bool> = Cell::new(false);
}

/// From now on a signal is pending for the calling thread.
pub fn send_signal() {
    SIGNAL.with(|signal| signal.set(true));
}

/// From now on any time limit of the calling thread's waits has passed.
pub fn run_out_of_time() {
    HURRY.with(|hurry| hurry.set(true));
}

/// Whether a signal is pending.
pub fn signal_pending() -> bool {
    SIGNAL.with(Cell::get)
}

/// Whether time limits have passed.
pub fn is_out_of_time() -> bool {
    HURRY.with(Cell::get)
}
