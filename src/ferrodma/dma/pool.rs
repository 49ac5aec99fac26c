// SPDX-License-Identifier: GPL-2.0

//! Pools of small, equal blocks of coherent memory.
//!
//! C header: [`include/linux/dmapool.h`](srctree/include/linux/dmapool.h)
//!
//! A [`Block`] is the CPU's: it has a slice and no address. While the device works on it, a job has
//! it ([`Client::transfer_blocks`]). It cannot be copied, so a block is in one place only.
//!
//! The memory goes back by way of the device's bus addresses, which have no meaning once it is
//! unbound. So pools and blocks have the lifetime of a reference to the bound device: without
//! unsafe code neither is there any longer.
//!
//! [`Client::transfer_blocks`]: crate::client::Client::transfer_blocks
//!
//! # Examples
//!
//! This is compiled and run by the in-kernel tests.
//!
//! ```ignore
#![doc = include_str!("../../../tests/module/pool_example.rs")]
//! ```

use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

use kernel::{
    alloc::Flags,
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DmaAddress,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use crate::{
    dma::span::Span,
    raw, //
};

/// C's `struct dma_pool`.
#[repr(C)]
struct RawPool {
    _opaque: [u8; 0],
}

// The kernel's bindings have these only where PCI is configured: its header is the only one among
// theirs that includes `linux/dmapool.h`.
#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    fn dma_pool_create_node(
        name: *const c_char,
        dev: *mut bindings::device,
        size: usize,
        align: usize,
        boundary: usize,
        node: c_int,
    ) -> *mut RawPool;
    fn dma_pool_destroy(pool: *mut RawPool);
    fn dma_pool_alloc(
        pool: *mut RawPool,
        flags: bindings::gfp_t,
        handle: *mut DmaAddress,
    ) -> *mut c_void;
    fn dma_pool_free(pool: *mut RawPool, vaddr: *mut c_void, addr: DmaAddress);
}

/// How the blocks of a pool lie in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BlockLayout {
    /// Bytes in a block.
    pub size: usize,
    /// Alignment of each block as the device sees it, a power of two.
    pub align: usize,
    /// No block crosses a multiple of this power of two; 0 if they may.
    pub boundary: usize,
}

/// A DMA pool of one device.
///
/// Lives as long as a block of it is out. Only a block that hardware may still use is kept beyond
/// unbind, and its pool with it.
///
/// # Invariants
///
/// `raw` is a valid `struct dma_pool` whose blocks have `size` bytes. Its device is bound for `'a`.
pub struct DmaPool<'a> {
    raw: NonNull<RawPool>,
    size: usize,
    dev: ARef<Device>,
    _bound: PhantomData<&'a Device<Bound>>,
}

// SAFETY: A `struct dma_pool` has its own lock and may be used from any thread.
unsafe impl Send for DmaPool<'_> {}
// SAFETY: As above.
unsafe impl Sync for DmaPool<'_> {}

impl<'a> DmaPool<'a> {
    /// Creates a pool for `dev`. The name shows up in sysfs.
    ///
    /// # Errors
    ///
    /// EINVAL: the layout is not possible. ENOMEM.
    pub fn new(dev: &'a Device<Bound>, name: &CStr, layout: BlockLayout) -> Result<Arc<Self>> {
        let BlockLayout {
            size,
            align,
            boundary,
        } = layout;
        if size == 0
            || !align.is_power_of_two()
            || (boundary != 0 && (!boundary.is_power_of_two() || boundary < size))
        {
            return Err(EINVAL);
        }
        // SAFETY: `dev` is a valid device, and `name` is copied by the call.
        let raw = unsafe {
            dma_pool_create_node(
                name.as_char_ptr(),
                raw::device(dev),
                size,
                align,
                boundary,
                bindings::NUMA_NO_NODE,
            )
        };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // INVARIANT: The pool was just created with this block size, for `dev`.
        Ok(Arc::new(
            Self {
                raw,
                size,
                dev: dev.into(),
                _bound: PhantomData,
            },
            GFP_KERNEL,
        )?)
    }

    /// Bytes in a block.
    pub fn block_size(&self) -> usize {
        self.size
    }

    /// Whether this is memory of `dev`.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        core::ptr::eq(raw::device(&self.dev), raw::device(dev))
    }
}

impl Drop for DmaPool<'_> {
    fn drop(&mut self) {
        // SAFETY: `raw` is valid, its device is bound, and no block is out: each holds a reference.
        unsafe { dma_pool_destroy(self.raw.as_ptr()) };
    }
}

/// A block of a [`DmaPool`] that the CPU owns.
///
/// # Invariants
///
/// `cpu` and `dma` are the two addresses of a block that `pool` gave out, all bytes of which are
/// initialised. No device accesses it.
pub struct Block<'a> {
    cpu: NonNull<u8>,
    dma: DmaAddress,
    pool: Arc<DmaPool<'a>>,
}

// SAFETY: A block is owned memory, and `DmaPool` is `Send` and `Sync`.
unsafe impl Send for Block<'_> {}
// SAFETY: A shared block is only read.
unsafe impl Sync for Block<'_> {}

impl<'a> Block<'a> {
    /// Takes a block from `pool` that holds whatever was in it. With [`GFP_ATOMIC`] this may be
    /// called from any context.
    ///
    /// [`GFP_ATOMIC`]: kernel::alloc::flags::GFP_ATOMIC
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn new(pool: &Arc<DmaPool<'a>>, flags: Flags) -> Result<Self> {
        let mut dma = 0;
        // SAFETY: The pool is valid, its device is bound, and callers are in a context that `flags`
        // suit.
        let cpu = unsafe { dma_pool_alloc(pool.raw.as_ptr(), raw::gfp(flags), &mut dma) };
        // INVARIANT: These are what the pool gave out. The pool takes its memory from
        // `dma_alloc_coherent()`, which zeroes it.
        Ok(Self {
            cpu: NonNull::new(cpu.cast()).ok_or(ENOMEM)?,
            dma,
            pool: pool.clone(),
        })
    }

    /// As [`Block::new`], and all zeros.
    pub fn zeroed(pool: &Arc<DmaPool<'a>>, flags: Flags) -> Result<Self> {
        Self::new(pool, flags | __GFP_ZERO)
    }

    /// The address that hardware uses: for the helper, whose descriptors name each other.
    pub(crate) fn dma_address(&self) -> DmaAddress {
        self.dma
    }

    /// Where hardware finds all of it.
    pub(crate) fn span(&self) -> Span {
        // CAST: `usize` has 64 bits.
        Span::new(self.dma, self.pool.size as u64)
    }

    /// The pool that it is from.
    pub(crate) fn pool(&self) -> &Arc<DmaPool<'a>> {
        &self.pool
    }

    /// Takes the lifetime off, for what is kept where the compiler cannot see how long.
    ///
    /// # Safety
    ///
    /// The result is dropped before `'a` ends, or leaked.
    pub(crate) unsafe fn unbounded(self) -> Block<'static> {
        // SAFETY: The types differ in a lifetime only, of which the caller takes care.
        unsafe { core::mem::transmute::<Block<'a>, Block<'static>>(self) }
    }
}

impl Deref for Block<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariant the block has `size` initialised bytes, and nobody writes
        // to them while it is borrowed.
        unsafe { core::slice::from_raw_parts(self.cpu.as_ptr(), self.pool.size) }
    }
}

impl DerefMut for Block<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `deref()`, and nobody else has a reference to them.
        unsafe { core::slice::from_raw_parts_mut(self.cpu.as_ptr(), self.pool.size) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the block came from this pool, and is given back once.
        unsafe { dma_pool_free(self.pool.raw.as_ptr(), self.cpu.as_ptr().cast(), self.dma) };
    }
}

/// Source and destination of [`Client::transfer_blocks`].
///
/// [`Client::transfer_blocks`]: crate::client::Client::transfer_blocks
pub type BlockPair<'a> = (KVec<Block<'a>>, KVec<Block<'a>>);
