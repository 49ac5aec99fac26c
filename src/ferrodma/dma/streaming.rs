// SPDX-License-Identifier: GPL-2.0

//! Kernel memory that the CPU and a device use in turns.
//!
//! C: `Documentation/core-api/dma-api-howto.rst`, "Using Streaming DMA mappings".
//!
//! Whose turn it is, the type says. What the CPU owns has slices and no addresses, what the device
//! owns has addresses and no slices, and to map, to sync and to unmap are the ways from one to the
//! other:
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
//! [`Client::transfer`] has a channel of this helper move the bytes and knows when it is done. Other
//! drivers give the addresses to their own hardware, and come back with the unsafe
//! [`DeviceBuffers::into_idle`].
//!
//! [`Client::transfer`]: crate::client::Client::transfer
//!
//! # Examples
//!
//! This is compiled and run by the in-kernel tests.
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

/// Buffers begin and end with a multiple of this, so that no cache line is shared with what others
/// own.
// CAST: A small number.
const LINE: usize = bindings::ARCH_DMA_MINALIGN as usize;

/// An error, and what the call was given.
pub struct Rejected<T> {
    /// What went wrong.
    pub error: Error,
    /// The argument.
    pub value: T,
}

impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}

/// What makes an owner of [`Memory`] one that has to be dropped while the device is bound for `'a`:
/// to the compiler this is used when it is dropped.
#[derive(Default)]
pub(crate) struct While<'a>(PhantomData<&'a Device<Bound>>);

impl Drop for While<'_> {
    fn drop(&mut self) {}
}

/// Buffers and their scatter list.
///
/// If it is dropped while the device may still use the memory, the memory is kept.
///
/// # Invariants
///
/// - `buffers` stay where they are and as long as they are.
/// - `table` lists all of them in order if `listed_by` is some, in pieces of at most so many bytes.
/// - It is mapped only then, and the device is bound unless `device_owned`.
pub(crate) struct Memory {
    buffers: KVec<KVec<u8>>,
    pub(crate) table: SgTable,
    listed_by: Option<usize>,
    /// Hardware may be at work on it: a job has it, or it is the device's and somebody knows the
    /// addresses.
    pub(crate) device_owned: bool,
    /// Somebody was told the addresses of this mapping.
    pub(crate) addresses_known: bool,
}

impl Memory {
    /// Ends the mapping. The list stays for the next one.
    ///
    /// # Safety
    ///
    /// As for [`SgTable::unmap`].
    unsafe fn unmap(&mut self, sync: bool) {
        // SAFETY: The caller promises what is needed.
        unsafe { self.table.unmap(sync) };
        self.addresses_known = false;
    }

    /// Lists the buffers, in pieces of at most `max_entry` bytes, unless that was done before.
    fn list(&mut self, max_entry: usize) -> Result {
        if self.listed_by == Some(max_entry) {
            return Ok(());
        }
        self.listed_by = None;
        self.table.clear();
        for buffer in &self.buffers {
            // SAFETY: The memory is from `kmalloc()`, and stays as long as the list. The list is not
            // mapped: these buffers are the CPU's.
            unsafe { self.table.push_buf(buffer, max_entry)? };
        }
        // INVARIANT: They are all there.
        self.listed_by = Some(max_entry);
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !self.table.is_mapped() {
            return;
        }
        if self.device_owned {
            pr_err!("buffers dropped while a device owns them: their memory is kept\n");
            core::mem::forget(core::mem::take(&mut self.buffers));
        } else {
            // SAFETY: By the type invariant the device is bound, and nobody has told it of the
            // memory.
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
    /// EINVAL: there is none, or one of 0 bytes. ENOMEM.
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
            device_owned: false,
            addresses_known: false,
        }))
    }

    /// The buffers.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.buffers.iter().map(|buffer| &buffer[..])
    }

    /// The buffers, to be written.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.0.buffers.iter_mut().map(|buffer| &mut buffer[..])
    }

    /// Gives the memory to `dev`, in the order of the buffers: to be read ([`ToDevice`]), to be
    /// written ([`FromDevice`]), or both.
    ///
    /// [`ToDevice`]: DataDirection::ToDevice
    /// [`FromDevice`]: DataDirection::FromDevice
    ///
    /// # Errors
    ///
    /// EINVAL: `direction` is none. ENOMEM: no memory, or no room in the bounce buffer or in the
    /// tables of the IOMMU.
    pub fn map<'a>(
        mut self,
        dev: &'a Device<Bound>,
        direction: DataDirection,
    ) -> Result<DeviceBuffers<'a>, Rejected<Self>> {
        match self.try_map(dev, direction) {
            // INVARIANT: `dev` stays bound for `'a`, beyond which the result is not used.
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
/// Dropping them unmaps and frees the memory as long as nobody has asked for the addresses. After
/// that nobody knows what the hardware does, and the memory is kept.
pub struct DeviceBuffers<'a> {
    pub(crate) memory: Memory,
    pub(crate) _bound: While<'a>,
}

impl<'a> DeviceBuffers<'a> {
    /// As they were mapped.
    pub(crate) fn direction(&self) -> Option<DataDirection> {
        self.memory.table.direction()
    }

    /// Where the device finds the memory: bus addresses with lengths in bytes. These are not as
    /// many as there are buffers: pieces may have become one, or a buffer several.
    pub fn addresses(&mut self) -> impl Iterator<Item = (DmaAddress, u64)> + use<'_, 'a> {
        self.memory.device_owned = true;
        self.memory.addresses_known = true;
        self.memory
            .table
            .spans()
            .map(|span| (span.addr(), span.len()))
    }

    /// Says that the device is done.
    ///
    /// # Safety
    ///
    /// The device does not access the memory, and will not until it is given to it again.
    pub unsafe fn into_idle(mut self) -> IdleBuffers<'a> {
        self.memory.device_owned = false;
        // INVARIANT: The caller promises it.
        IdleBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }
}

/// Buffers that are mapped, and that neither works on: the device is done, and what it has written is not
/// visible to the CPU yet.
///
/// # Invariants
///
/// The device does not access the memory.
pub struct IdleBuffers<'a> {
    memory: Memory,
    _bound: While<'a>,
}

impl<'a> IdleBuffers<'a> {
    /// Takes the memory back and keeps it mapped: what the device has written is visible.
    pub fn sync_for_cpu(mut self) -> SyncedBuffers<'a> {
        // SAFETY: The device is bound for `'a`, and by the type invariant does not access the memory.
        unsafe { self.memory.table.sync_for_cpu() };
        SyncedBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }

    /// Takes the memory back.
    pub fn unmap(mut self) -> Buffers {
        // SAFETY: As in `sync_for_cpu()`.
        unsafe { self.memory.unmap(true) };
        Buffers(self.memory)
    }
}

/// Buffers that the CPU owns and that are still mapped, for what goes back and forth more than
/// once.
pub struct SyncedBuffers<'a> {
    memory: Memory,
    _bound: While<'a>,
}

impl<'a> SyncedBuffers<'a> {
    /// The buffers.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + use<'_, 'a> {
        self.memory.buffers.iter().map(|buffer| &buffer[..])
    }

    /// The buffers, to be written. The device sees it if it may read them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> + use<'_, 'a> {
        self.memory.buffers.iter_mut().map(|buffer| &mut buffer[..])
    }

    /// Gives the memory to the device again.
    pub fn sync_for_device(mut self) -> DeviceBuffers<'a> {
        // SAFETY: The device is bound for `'a`, and does not access the memory: it is the CPU's.
        unsafe { self.memory.table.sync_for_device() };
        self.memory.device_owned = self.memory.addresses_known;
        DeviceBuffers {
            memory: self.memory,
            _bound: While::default(),
        }
    }

    /// Ends the mapping.
    pub fn unmap(mut self) -> Buffers {
        // SAFETY: As in `sync_for_device()`. The CPU has seen all there is to see.
        unsafe { self.memory.unmap(false) };
        Buffers(self.memory)
    }
}

/// Source and destination of [`Client::transfer`].
///
/// [`Client::transfer`]: crate::client::Client::transfer
pub type DevicePair<'a> = (DeviceBuffers<'a>, DeviceBuffers<'a>);
