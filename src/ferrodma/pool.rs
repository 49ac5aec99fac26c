// SPDX-License-Identifier: GPL-2.0

//! Pools of small, equal blocks of coherent memory.
//!
//! C header: [`include/linux/dmapool.h`](srctree/include/linux/dmapool.h)

use core::ptr::NonNull;

use kernel::{
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

use crate::raw;

/// C's `struct dma_pool`.
#[repr(C)]
struct DmaPool {
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
    ) -> *mut DmaPool;
    fn dma_pool_destroy(pool: *mut DmaPool);
    fn dma_pool_alloc(
        pool: *mut DmaPool,
        flags: bindings::gfp_t,
        handle: *mut DmaAddress,
    ) -> *mut c_void;
    fn dma_pool_free(pool: *mut DmaPool, vaddr: *mut c_void, addr: DmaAddress);
}

/// A DMA pool of one device.
///
/// Lives as long as a block of it is out.
///
/// # Invariants
///
/// `raw` is a valid `struct dma_pool` whose blocks have `size` bytes.
pub(crate) struct Pool {
    raw: NonNull<DmaPool>,
    size: usize,
    /// The pool refers to the device.
    _dev: ARef<Device>,
}

// SAFETY: A `struct dma_pool` has its own lock and may be used from any thread.
unsafe impl Send for Pool {}
// SAFETY: As above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Creates a pool of blocks of `size` bytes, each aligned to `align` bytes, a power of two.
    ///
    /// # Errors
    ///
    /// ENOMEM, also where `size` or `align` is out of range.
    pub(crate) fn new(
        dev: &Device<Bound>,
        name: &CStr,
        size: usize,
        align: usize,
    ) -> Result<Arc<Self>> {
        // SAFETY: `dev` is a valid device, and `name` is copied by the call.
        let raw = unsafe {
            dma_pool_create_node(
                name.as_char_ptr(),
                raw::device(dev),
                size,
                align,
                0,
                bindings::NUMA_NO_NODE,
            )
        };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // INVARIANT: The pool was just created with this block size.
        Ok(Arc::new(
            Self {
                raw,
                size,
                _dev: dev.into(),
            },
            GFP_KERNEL,
        )?)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: `raw` is valid, and no block is out: each holds a reference.
        unsafe { dma_pool_destroy(self.raw.as_ptr()) };
    }
}

/// A block of a [`Pool`].
///
/// Whoever owns the block owns the memory; a block that is leaked is never given out again, and
/// keeps its pool.
///
/// # Invariants
///
/// `cpu` and `dma` are the two addresses of a block that `pool` gave out.
pub(crate) struct Block {
    cpu: NonNull<u8>,
    dma: DmaAddress,
    pool: Arc<Pool>,
}

// SAFETY: A block is owned memory, and `Pool` is `Send` and `Sync`.
unsafe impl Send for Block {}
// SAFETY: A shared block gives its address only.
unsafe impl Sync for Block {}

impl Block {
    /// Takes a block from `pool`. May sleep. The content is undefined by the pool and zeroed here.
    pub(crate) fn new(pool: &Arc<Pool>) -> Result<Self> {
        let mut dma = 0;
        // SAFETY: The pool is valid, and callers may sleep.
        let cpu = unsafe {
            dma_pool_alloc(
                pool.raw.as_ptr(),
                bindings::GFP_KERNEL_ACCOUNT | bindings::__GFP_ZERO,
                &mut dma,
            )
        };
        // INVARIANT: These are what the pool gave out.
        Ok(Self {
            cpu: NonNull::new(cpu.cast()).ok_or(ENOMEM)?,
            dma,
            pool: pool.clone(),
        })
    }

    /// The address that hardware uses.
    pub(crate) fn dma_address(&self) -> DmaAddress {
        self.dma
    }

    /// The memory. Hardware must not be working on it: the owner of a block that is lent to
    /// hardware is the job in flight, which gives no `&mut` to it.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant the block has `size` bytes, all initialised by
        // `Block::new`, and nobody else has a reference to them.
        unsafe { core::slice::from_raw_parts_mut(self.cpu.as_ptr(), self.pool.size) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the block came from this pool, and is given back once.
        unsafe { dma_pool_free(self.pool.raw.as_ptr(), self.cpu.as_ptr().cast(), self.dma) };
    }
}
