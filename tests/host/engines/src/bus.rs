// SPDX-License-Identifier: GPL-2.0

//! Memory as hardware sees it: one area for each test, at bus addresses that differ from the CPU's.

use std::{
    alloc::{
        alloc_zeroed,
        Layout, //
    },
    cell::Cell, //
};

/// Size of the area in bytes.
pub(crate) const SIZE: usize = 1 << 20;

/// Bus address of the area, unless a test moves it.
const BASE: u64 = 0xc010_0000;

/// Alignment of a block in bytes.
const ALIGN: usize = 64;

thread_local! {
    static MEMORY: Cell<*mut u8> = const { Cell::new(std::ptr::null_mut()) };
    static ADDRESS: Cell<u64> = const { Cell::new(BASE) };
    static USED: Cell<usize> = const { Cell::new(0) };
    static WRITES: Cell<usize> = const { Cell::new(0) };
}

/// Moves the area, of which nothing is used yet, to another bus address.
pub(crate) fn move_to(addr: u64) {
    ADDRESS.set(addr);
}

/// Allocates a block of `len` zero bytes, and returns its bus address.
pub(crate) fn allocate(len: usize) -> u64 {
    let at = USED.get();
    USED.set((at + len).next_multiple_of(ALIGN));
    assert!(USED.get() <= SIZE, "the memory is too small for the test");
    ADDRESS.get() + at as u64
}

/// Returns the CPU's address of the `len` bytes at bus address `addr`.
pub(crate) fn at(addr: u64, len: usize) -> *mut u8 {
    if MEMORY.get().is_null() {
        let layout = Layout::from_size_align(SIZE, ALIGN).expect("it is right");
        // SAFETY: The size is not zero. The memory is never freed.
        MEMORY.set(unsafe { alloc_zeroed(layout) });
    }
    let end = USED.get() as u64;
    let offset = addr
        .checked_sub(ADDRESS.get())
        .filter(|offset| offset + len as u64 <= end)
        .unwrap_or_else(|| panic!("hardware accesses {addr:#x}, where no memory is"));
    // SAFETY: The offset is within the area.
    unsafe { MEMORY.get().add(offset as usize) }
}

/// Reads bytes.
pub(crate) fn read(addr: u64, len: usize) -> Vec<u8> {
    // SAFETY: `at` has checked the range, and slices of it are dropped before hardware runs.
    unsafe { std::slice::from_raw_parts(at(addr, len), len) }.to_vec()
}

/// Writes bytes.
pub(crate) fn write(addr: u64, bytes: &[u8]) {
    WRITES.set(WRITES.get() + 1);
    // SAFETY: As above.
    unsafe { std::slice::from_raw_parts_mut(at(addr, bytes.len()), bytes.len()) }
        .copy_from_slice(bytes);
}

/// Returns how many times memory was written.
pub(crate) fn writes() -> usize {
    WRITES.get()
}

/// Reads a little-endian number of 32 bits.
pub(crate) fn read_u32(addr: u64) -> u32 {
    u32::from_le_bytes(read(addr, 4).try_into().expect("four bytes"))
}

/// Reads a little-endian number of 64 bits.
pub(crate) fn read_u64(addr: u64) -> u64 {
    u64::from_le_bytes(read(addr, 8).try_into().expect("eight bytes"))
}
