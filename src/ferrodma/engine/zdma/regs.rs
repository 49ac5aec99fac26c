// SPDX-License-Identifier: GPL-2.0

//! Registers of a ZDMA channel.
//!
//! Names and meanings are those of the Zynq UltraScale+ register reference (UG1087), module `ZDMA`,
//! and of chapter "DMA Controller" in the technical reference manual (UG1085).

use kernel::{
    io::register,
    prelude::*, //
};

/// The base of the interrupt registers, which depends on the chip.
pub struct Interrupts;

register! {
    /// Interrupt status. A bit is cleared by writing one to it.
    pub(super) ISR(u32) @ Interrupts + 0x100 {
        /// The channel has paused at a descriptor with the pause command.
        11:11   dma_pause => bool;
        /// The transfer, or the list up to its stop command, is finished.
        10:10   dma_done => bool;
        /// Bus error while writing data.
        9:9     axi_wr_data => bool;
        /// Bus error while reading data.
        8:8     axi_rd_data => bool;
        /// Bus error while reading a destination descriptor.
        7:7     axi_rd_dst_dscr => bool;
        /// Bus error while reading a source descriptor.
        6:6     axi_rd_src_dscr => bool;
    }

    /// Interrupt enable: a one unmasks.
    pub(super) IEN(u32) @ Interrupts + 0x108 {
        10:10   dma_done => bool;
        9:9     axi_wr_data => bool;
        8:8     axi_rd_data => bool;
        7:7     axi_rd_dst_dscr => bool;
        6:6     axi_rd_src_dscr => bool;
    }

    /// Interrupt disable: a one masks.
    pub(super) IDS(u32) @ Interrupts + 0x10c {
        11:0    all;
    }

    /// Mode of operation.
    pub(super) CTRL0(u32) @ 0x110 {
        /// Reads the last beat of a source in full width, beyond its end.
        7:7     ovr_fetch => bool;
        /// Transfers come from descriptors in memory rather than from registers.
        6:6     point_type_sg => bool;
        /// Zero: read and write; one: write only.
        5:4     mode;
        /// Leaves the paused state: CTRL2.en says whether the channel goes on or is disabled.
        1:1     cont => bool;
    }

    /// State of the channel.
    pub(super) STATUS(u32) @ 0x11c {
        /// 0: done without an error; 3: done with an error; other values: busy or paused.
        1:0     state;
    }

    /// AXI attributes of data accesses.
    pub(super) DATA_ATTR(u32) @ 0x120 {
        /// Type of read bursts: 1 for incrementing addresses.
        27:26   arburst;
        25:22   arcache;
        21:18   arqos;
        /// Beats of a read burst, minus one.
        17:14   arlen;
        /// Type of write bursts: 1 for incrementing addresses.
        13:12   awburst;
        11:8    awcache;
        7:4     awqos;
        /// Beats of a write burst, minus one.
        3:0     awlen;
    }

    /// AXI attributes of descriptor accesses.
    pub(super) DSCR_ATTR(u32) @ 0x124 {
        8:8     axcohrnt => bool;
        7:4     axcache;
    }

    /// Source of a register transfer: address, bits 31 to 0.
    pub(super) SRC_DSCR_WORD0(u32) @ 0x128 {
        31:0    lsb;
    }
    /// Source of a register transfer: address, bits 48 to 32.
    pub(super) SRC_DSCR_WORD1(u32) @ 0x12c {
        16:0    msb;
    }
    /// Source of a register transfer: length in bytes.
    pub(super) SRC_DSCR_WORD2(u32) @ 0x130 {
        29:0    size;
    }
    /// Source of a register transfer: control.
    pub(super) SRC_DSCR_WORD3(u32) @ 0x134 {
        0:0     coherent => bool;
    }

    /// Destination of a register transfer: address, bits 31 to 0.
    pub(super) DST_DSCR_WORD0(u32) @ 0x138 {
        31:0    lsb;
    }
    /// Destination of a register transfer: address, bits 48 to 32.
    pub(super) DST_DSCR_WORD1(u32) @ 0x13c {
        16:0    msb;
    }
    /// Destination of a register transfer: length in bytes.
    pub(super) DST_DSCR_WORD2(u32) @ 0x140 {
        29:0    size;
    }
    /// Destination of a register transfer: control.
    pub(super) DST_DSCR_WORD3(u32) @ 0x144 {
        0:0     coherent => bool;
    }

    /// The 128 bits that a write-only transfer repeats.
    pub(super) WR_ONLY_WORD(u32)[4] @ 0x148 {
        31:0    data;
    }

    /// Address of the first source descriptor, bits 31 to 0.
    pub(super) SRC_START_LSB(u32) @ 0x158 {
        31:0    lsb;
    }
    /// Address of the first source descriptor, bits 48 to 32.
    pub(super) SRC_START_MSB(u32) @ 0x15c {
        16:0    msb;
    }
    /// Address of the first destination descriptor, bits 31 to 0.
    pub(super) DST_START_LSB(u32) @ 0x160 {
        31:0    lsb;
    }
    /// Address of the first destination descriptor, bits 48 to 32.
    pub(super) DST_START_MSB(u32) @ 0x164 {
        16:0    msb;
    }

    /// Bytes transferred. Writing all ones clears the counter.
    pub(super) TOTAL_BYTE(u32) @ 0x188 {
        31:0    count => u32;
    }

    /// Enable. Hardware clears it at the end of a transfer.
    pub(super) CTRL2(u32) @ 0x200 {
        0:0     en => bool;
    }
}

impl ISR {
    /// Returns whether the bus has reported an error.
    pub(super) fn is_fault(self) -> bool {
        self.axi_wr_data() || self.axi_rd_data() || self.axi_rd_dst_dscr() || self.axi_rd_src_dscr()
    }
}

impl DATA_ATTR {
    /// Returns the value of the register after a reset.
    pub(super) fn after_reset() -> Self {
        Self::zeroed()
            .with_const_arburst::<1>()
            .with_const_arcache::<2>()
            .with_const_arlen::<0xf>()
            .with_const_awburst::<1>()
            .with_const_awcache::<2>()
            .with_const_awlen::<0xf>()
    }
}

impl STATUS {
    /// Returns whether the channel is idle, after an error or not.
    pub(super) fn is_idle(self) -> bool {
        matches!(self.state().get(), 0 | 3)
    }
}
