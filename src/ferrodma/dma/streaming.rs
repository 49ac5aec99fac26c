// SPDX-License-Identifier: GPL-2.0

//! Kernel memory that the CPU and a device use in turns.
//!
//! C: `Documentation/core-api/dma-api-howto.rst`, "Using Streaming DMA mappings".
//!
//! The type says whether the CPU or the device owns the memory. Types that the CPU owns have slices
//! and no addresses; the type that the device owns has addresses and no slices. Mapping, syncing
//! and unmapping convert one type into another:
//!
//! ```text
//!              map                  Client::transfer               sync_for_cpu
//!   Buffers ─────────▶ DeviceBuffers ────────────────▶ IdleBuffers ─────────────▶ SyncedBuffers
//!      ▲                     ▲                            │                         │    │
//!      │                     └────────────────────────────┼─────────────────────────┘    │
//!      │                            sync_for_device       │                              │
//!      └──────────────────────────────────────────────────┴──────────────────────────────┘
//!                                 unmap
//! ```
//!
//! [`Client::transfer`] lets a channel of this helper move the bytes, and returns when hardware is
//! done. Other drivers give the addresses to their own hardware, and then call
//! [`DeviceBuffers::into_idle`], which is unsafe.
//!
//! [`Client::transfer`]: crate::client::Client::transfer
//!
//! # Examples
//!
//! The in-kernel tests compile and run this.
//!
//! ```ignore
#![doc = include_str!("../../../tests/module/streaming_example.rs")]
//! ```

use core::marker::PhantomData;

use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::{
        DataDirection,
        DmaAddress, //
    },
    prelude::*, //
};

use crate::{
    dma::sg::{
        CacheLines,
        SgTable, //
    },
    raw, //
};

/// Alignment and granularity of the buffers, so that they share no cache line with other memory.
// CAST: A small number.
const LINE: usize = bindings::ARCH_DMA_MINALIGN as usize;

/// An error, with the argument of the call that failed.
pub struct Rejected<T> {
    /// The cause.
    pub error: Error,
    /// The argument, unchanged.
    pub value: T,
}

impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}

/// A field that makes the compiler check that its owner is dropped while the device is bound for
/// `'a`: it has a `Drop` implementation, so dropping it counts as a use.
#[derive(Default)]
pub(crate) struct While<'a>(PhantomData<&'a Device<Bound>>);

impl Drop for While<'_> {
    fn drop(&mut self) {}
}

/// Buffers and their scatter list.
///
/// If it is dropped while the device may still use the memory, the memory is leaked.
///
/// # Invariants
///
/// - `buffers` are neither moved nor resized.
/// - If `listed_by` is some, `table` lists all of them in order, in pieces of at most that many
///   bytes.
/// - `table` is mapped only in that case, and the device is bound then, unless `in_use` is
///   set.
pub(crate) struct Memory {
    buffers: KVec<KVec<u8>>,
    pub(crate) table: SgTable,
    listed_by: Option<usize>,
    /// Whether hardware may access the memory: either a job has it, or its addresses were handed
    /// out and the device is not declared idle yet.
    pub(crate) in_use: bool,
    /// Whether the addresses of this mapping were handed out.
    pub(crate) addresses_known: bool,
}

impl Memory {
    /// Ends the mapping. The scatter list stays, for the next mapping.
    ///
    /// # Safety
    ///
    /// As for [`SgTable::unmap`].
    unsafe fn unmap(&mut self, sync: bool) {
        // SAFETY: The caller promises the same.
        unsafe { self.table.unmap(sync) };
        self.addresses_known = false;
    }

    /// Lists the buffers in pieces of at most `max_entry` bytes, unless they are listed that way
    /// already.
    fn list(&mut self, max_entry: usize) -> Result {
        if self.listed_by == Some(max_entry) {
            return Ok(());
        }
        self.listed_by = None;
        self.table.clear();
        for buffer in &self.buffers {
            // SAFETY: The memory is from `kmalloc()`, and stays allocated as long as the list. The
            // list is not mapped: the CPU owns the buffers of the callers.
            unsafe { self.table.push_buf(buffer, max_entry)? };
        }
        // INVARIANT: All buffers are listed.
        self.listed_by = Some(max_entry);
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !self.table.is_mapped() {
            return;
        }
        if self.in_use {
            pr_err!("buffers dropped while a device owns them: their memory is kept\n");
            core::mem::forget(core::mem::take(&mut self.buffers));
        } else {
            // SAFETY: By the type invariant the device is bound. It does not access the memory, as
            // its addresses were not handed out or it is done.
            unsafe { self.unmap(false) };
        }
    }
}

/// Buffers that the CPU owns.
pub struct Buffers(Memory);

impl Buffers {
    /// Allocates one buffer of zeros for each of `sizes`, in bytes.
    ///
    /// # Errors
    ///
    /// EINVAL: `sizes` is empty or contains 0. ENOMEM.
    pub fn new(sizes: &[usize]) -> Result<Self> {
        if sizes.is_empty() || sizes.contains(&0) {
            return Err(EINVAL);
        }
        let mut buffers = KVec::with_capacity(sizes.len(), GFP_KERNEL)?;
        for &size in sizes {
            let whole = size.checked_next_multiple_of(LINE).ok_or(ENOMEM)?;
            let mut buffer = KVec::with_capacity(whole, GFP_KERNEL)?;
            buffer.resize(size, 0, GFP_KERNEL)?;
            buffers.push(buffer, GFP_KERNEL)?;
        }
        Ok(Self(Memory {
            buffers,
            table: SgTable::default(),
            listed_by: None,
            in_use: false,
            addresses_known: false,
        }))
    }

    /// Returns the buffers.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.buffers.iter().map(|buffer| &buffer[..])
    }

    /// Returns the buffers, to be written.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.0.buffers.iter_mut().map(|buffer| &mut buffer[..])
    }

    /// Gives the memory to `dev`, in the order of the buffers: for the device to read
    /// ([`ToDevice`]), to write ([`FromDevice`]), or both.
    ///
    /// [`ToDevice`]: DataDirection::ToDevice
    /// [`FromDevice`]: DataDirection::FromDevice
    ///
    /// # Errors
    ///
    /// EINVAL: `direction` is `None`. ENOMEM: no memory, or no space in the bounce buffer or in the
    /// tables of the IOMMU.
    pub fn map<'a>(
        mut self,
        dev: &'a Device<Bound>,
        direction: DataDirection,
    ) -> Result<DeviceBuffers<'a>, Rejected<Self>> {
        match self.try_map(dev, direction) {
            // INVARIANT: `dev` stays bound for `'a`, and the result cannot be used longer.
            Ok(()) => Ok(DeviceBuffers {
                memory: self.0,
                _bound: While::default(),
            }),
            Err(error) => Err(Rejected { error, value: self }),
        }
    }

    fn try_map(&mut self, dev: &Device<Bound>, direction: DataDirection) -> Result {
        if matches!(direction, DataDirection::None) {
            return Err(EINVAL);
        }
        self.0.list(raw::max_mapping_size(dev))?;
        self.0.table.map(dev, direction, CacheLines::Exclusive)
    }
}

/// Buffers that the device owns.
///
/// Dropping them unmaps and frees the memory if its addresses were never handed out. Otherwise
/// hardware may still use the memory, so it is leaked.
pub struct DeviceBuffers<'a> {
    pub(crate) memory: Memory,
    pub(crate) _bound: While<'a>,
}

impl<'a> DeviceBuffers<'a> {
    /// Returns the direction of the mapping.
    pub(crate) fn direction(&self) -> Option<DataDirection> {
        self.memory.table.direction()
    }

    /// Returns the bus addresses and lengths in bytes. Their number may differ from that of the
    /// buffers: the DMA API may merge pieces, and a buffer may have several.
    pub fn addresses(&mut self) -> impl Iterator<Item = (DmaAddress, u64)> + use<'_, 'a> {
        self.memory.in_use = true;
        self.memory.addresses_known = true;
        self.memory
            .table
            .spans()
            .map(|span| (span.addr(), span.len()))
    }

    /// Takes the memory from the device, which is done with it.
    ///
    /// # Safety
    ///
    /// The device does not access the memory, and will not until it owns the memory again.
    pub unsafe fn into_idle(mut self) -> IdleBuffers<'a> {
        self.memory.in_use = false;
        // INVARIANT: The caller promises that the device does not access the memory.
        IdleBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }
}

/// Buffers that are mapped and that neither the CPU nor the device uses: the device is done, but
/// the CPU cannot see yet what the device has written.
///
/// # Invariants
///
/// The device does not access the memory.
pub struct IdleBuffers<'a> {
    memory: Memory,
    _bound: While<'a>,
}

impl<'a> IdleBuffers<'a> {
    /// Gives the memory to the CPU, which sees what the device has written. It stays mapped.
    pub fn sync_for_cpu(mut self) -> SyncedBuffers<'a> {
        // SAFETY: The device is bound for `'a`, and by the type invariant it does not access the
        // memory.
        unsafe { self.memory.table.sync_for_cpu() };
        SyncedBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }

    /// Gives the memory to the CPU and ends the mapping.
    pub fn unmap(mut self) -> Buffers {
        // SAFETY: As in `sync_for_cpu()`.
        unsafe { self.memory.unmap(true) };
        Buffers(self.memory)
    }
}

/// Buffers that the CPU owns and that are still mapped, for data that goes back and forth more than
/// once.
pub struct SyncedBuffers<'a> {
    memory: Memory,
    _bound: While<'a>,
}

impl<'a> SyncedBuffers<'a> {
    /// Returns the buffers.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + use<'_, 'a> {
        self.memory.buffers.iter().map(|buffer| &buffer[..])
    }

    /// Returns the buffers, to be written. The device sees the bytes if it may read the buffers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> + use<'_, 'a> {
        self.memory.buffers.iter_mut().map(|buffer| &mut buffer[..])
    }

    /// Gives the memory to the device again.
    pub fn sync_for_device(mut self) -> DeviceBuffers<'a> {
        // SAFETY: The device is bound for `'a`, and does not access the memory, as the CPU owns it.
        unsafe { self.memory.table.sync_for_device() };
        self.memory.in_use = self.memory.addresses_known;
        DeviceBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }

    /// Ends the mapping.
    pub fn unmap(mut self) -> Buffers {
        // SAFETY: As in `sync_for_device()`. The memory was synced, so the CPU sees all writes of
        // the device.
        unsafe { self.memory.unmap(false) };
        Buffers(self.memory)
    }
}

/// Source and destination of [`Client::transfer`].
///
/// [`Client::transfer`]: crate::client::Client::transfer
pub type DevicePair<'a> = (DeviceBuffers<'a>, DeviceBuffers<'a>);
