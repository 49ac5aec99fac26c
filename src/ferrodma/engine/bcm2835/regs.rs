// SPDX-License-Identifier: GPL-2.0

//! Registers of a channel of the BCM2835 DMA controller.
//!
//! Names and meanings are those of "BCM2835 ARM Peripherals", section 4.2.1.

use kernel::io::register;

register! {
    /// Control and status.
    pub(super) CS(u32) @ 0x00 {
        /// Resets the channel; clears itself.
        31:31   reset => bool;
        /// Continues while a debugger stops the CPU.
        29:29   disdebug => bool;
        /// Reports the end of the last control block only when all its writes are acknowledged.
        28:28   wait_for_outstanding_writes => bool;
        /// The bus or the channel has reported an error; see DEBUG.
        8:8     error => bool;
        /// The channel waits for the last write to be acknowledged.
        6:6     waiting_for_outstanding_writes => bool;
        /// The channel transfers nothing: it is not active, or waits.
        4:4     paused => bool;
        /// A control block with the interrupt flag has ended. Cleared by writing one.
        2:2     int => bool;
        /// A control block has ended. Cleared by writing one.
        1:1     end => bool;
        /// The channel works on the control blocks; writing zero pauses it.
        0:0     active => bool;
    }

    /// Bus address of the current control block; 0 if there is none.
    pub(super) CONBLK_AD(u32) @ 0x04 {
        31:0    addr => u32;
    }

    /// Bus address of the next write.
    pub(super) DEST_AD(u32) @ 0x10 {
        31:0    addr => u32;
    }

    /// Bytes of the control block that are still to be moved.
    pub(super) TXFR_LEN(u32) @ 0x14 {
        31:0    bytes => u32;
    }

    /// Debug state and errors.
    pub(super) DEBUG(u32) @ 0x20 {
        /// The channel is a lite channel, with lengths of 16 bits.
        28:28   lite => bool;
        /// The bus has answered a read with an error. Cleared by writing one, as the other errors.
        2:2     read_error => bool;
        /// The FIFO has had an error.
        1:1     fifo_error => bool;
        /// The bus did not mark the last beat of a read.
        0:0     read_last_not_set_error => bool;
    }
}

impl DEBUG {
    /// Returns whether an error bit is set.
    pub(super) fn is_fault(self) -> bool {
        self.read_error() || self.fifo_error() || self.read_last_not_set_error()
    }
}
