// SPDX-License-Identifier: GPL-2.0

//! Pools of small, equal blocks of coherent memory.
//!
//! C header: [`include/linux/dmapool.h`](srctree/include/linux/dmapool.h)
//!
//! The CPU owns a [`Block`]: it has a slice, and no address that other modules can see. While the
//! device works on it, a job owns it ([`Client::transfer_blocks`]). A block cannot be copied, so it
//! has one owner only.
//!
//! Freeing the memory needs the device's DMA mappings, which do not exist any more once the device
//! is unbound. So pools and blocks have the lifetime of a reference to the bound device, and safe
//! code cannot keep them longer.
//!
//! [`Client::transfer_blocks`]: crate::client::Client::transfer_blocks
//!
//! # Examples
//!
//! The in-kernel tests compile and run this.
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

// The kernel's bindings have these only if PCI is enabled: of the headers that they include, only
// that of PCI includes `linux/dmapool.h`.
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

/// The layout of the blocks of a pool.
#[derive(Clone, Copy, Debug)]
pub struct BlockLayout {
    /// Size of a block in bytes.
    pub size: usize,
    /// Alignment of the bus address of each block in bytes, a power of two.
    pub align: usize,
    /// A power of two, in bytes, no multiple of which a block crosses; 0 for no restriction.
    pub boundary: usize,
}

/// A DMA pool of one device.
///
/// It lives until its last block is dropped. Only a block that hardware may still use is kept
/// beyond unbind, and its pool with it.
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
    /// Creates a pool for `dev`. sysfs shows `name`.
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

    /// Returns the size of a block in bytes.
    pub fn block_size(&self) -> usize {
        self.size
    }

    /// Returns whether the pool is memory of `dev`.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        core::ptr::eq(raw::device(&self.dev), raw::device(dev))
    }
}

impl Drop for DmaPool<'_> {
    fn drop(&mut self) {
        // SAFETY: `raw` is valid, its device is bound, and all blocks were freed, as each holds a
        // reference to this pool.
        unsafe { dma_pool_destroy(self.raw.as_ptr()) };
    }
}

/// A block of a [`DmaPool`] that the CPU owns.
///
/// # Invariants
///
/// `cpu` and `dma` are the two addresses of a block that was allocated from `pool`, all bytes of
/// which are initialised. No device accesses it.
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
    /// Allocates a block of `pool`, which holds any bytes. With [`GFP_ATOMIC`] this may be called
    /// from any context.
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
        // INVARIANT: `cpu` and `dma` are those of a new block. Its bytes are initialised: the pool
        // takes its memory from `dma_alloc_coherent()`, which zeroes it.
        Ok(Self {
            cpu: NonNull::new(cpu.cast()).ok_or(ENOMEM)?,
            dma,
            pool: pool.clone(),
        })
    }

    /// Allocates a block as [`Block::new`] does, filled with zeros.
    pub fn zeroed(pool: &Arc<DmaPool<'a>>, flags: Flags) -> Result<Self> {
        Self::new(pool, flags | __GFP_ZERO)
    }

    /// Returns the bus address. Only the helper may use it, to link a descriptor to the next one.
    pub(crate) fn dma_address(&self) -> DmaAddress {
        self.dma
    }

    /// Returns the bus addresses of the whole block.
    pub(crate) fn span(&self) -> Span {
        // CAST: `usize` has 64 bits.
        Span::new(self.dma, self.pool.size as u64)
    }

    /// Returns the pool that the block is from.
    pub(crate) fn pool(&self) -> &Arc<DmaPool<'a>> {
        &self.pool
    }

    /// Removes the lifetime, for an owner whose own lifetime the compiler cannot check.
    ///
    /// # Safety
    ///
    /// The result is dropped before `'a` ends, or leaked.
    pub(crate) unsafe fn unbounded(self) -> Block<'static> {
        // SAFETY: The types differ in a lifetime only, which the caller promises to respect.
        unsafe { core::mem::transmute::<Block<'a>, Block<'static>>(self) }
    }
}

impl Deref for Block<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariant the block has `size` initialised bytes. They are not
        // written while the block is borrowed.
        unsafe { core::slice::from_raw_parts(self.cpu.as_ptr(), self.pool.size) }
    }
}

impl DerefMut for Block<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `deref()`, and the block is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.cpu.as_ptr(), self.pool.size) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the block came from this pool, and it is freed once.
        unsafe { dma_pool_free(self.pool.raw.as_ptr(), self.cpu.as_ptr().cast(), self.dma) };
    }
}

/// Source and destination of [`Client::transfer_blocks`].
///
/// [`Client::transfer_blocks`]: crate::client::Client::transfer_blocks
pub type BlockPair<'a> = (KVec<Block<'a>>, KVec<Block<'a>>);
