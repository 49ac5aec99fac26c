// SPDX-License-Identifier: GPL-2.0

//! Replacements of the lower layers, with only the parts that the files under test use.

pub(crate) mod pool {
    //! Blocks of memory that hardware reads.

    use std::{
        marker::PhantomData,
        ops::{
            Deref,
            DerefMut, //
        },
        slice, //
    };

    use kernel::{
        alloc::Flags,
        dma::DmaAddress,
        prelude::*,
        sync::Arc, //
    };

    use crate::{
        bus,
        dma::span::Span, //
    };

    /// A pool that never runs out of blocks.
    pub struct DmaPool<'a> {
        pub(crate) block_size: usize,
        pub(crate) device: PhantomData<&'a ()>,
    }

    /// A block, whose memory is never used again.
    pub struct Block<'a> {
        addr: DmaAddress,
        len: usize,
        device: PhantomData<&'a ()>,
    }

    impl<'a> Block<'a> {
        pub(crate) fn new(pool: &Arc<DmaPool<'a>>, _: Flags) -> Result<Self> {
            let len = pool.block_size;
            Ok(Self {
                addr: bus::allocate(len),
                len,
                device: PhantomData,
            })
        }

        pub(crate) fn zeroed(pool: &Arc<DmaPool<'a>>, flags: Flags) -> Result<Self> {
            Self::new(pool, flags)
        }

        pub(crate) fn dma_address(&self) -> DmaAddress {
            self.addr
        }

        pub(crate) fn span(&self) -> Span {
            Span::new(self.addr, self.len as u64)
        }

        /// Returns the same block.
        ///
        /// # Safety
        ///
        /// Always safe: the memory is never freed.
        pub(crate) unsafe fn unbounded(self) -> Block<'static> {
            Block {
                addr: self.addr,
                len: self.len,
                device: PhantomData,
            }
        }
    }

    impl Deref for Block<'_> {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            // SAFETY: The memory belongs to the block, and hardware runs only inside of calls to
            // it.
            unsafe { slice::from_raw_parts(bus::at(self.addr, self.len), self.len) }
        }
    }

    impl DerefMut for Block<'_> {
        fn deref_mut(&mut self) -> &mut [u8] {
            // SAFETY: As above.
            unsafe { slice::from_raw_parts_mut(bus::at(self.addr, self.len), self.len) }
        }
    }
}

pub(crate) mod raw {
    //! Answers of the device tree.

    use std::cell::Cell;

    use kernel::{
        alloc::Flags,
        device::Device,
        io::PhysAddr,
        prelude::*, //
    };

    thread_local! {
        static COHERENT: Cell<bool> = const { Cell::new(false) };
        static CHANNEL: Cell<Result> = const { Cell::new(Ok(())) };
    }

    /// Sets whether channels snoop the CPU's caches.
    pub(crate) fn set_dma_coherent(is_coherent: bool) {
        COHERENT.set(is_coherent);
    }

    /// Returns whether channels snoop the CPU's caches.
    pub(crate) fn dma_coherent() -> bool {
        COHERENT.get()
    }

    /// Sets the result of the check that a channel of a BCM2835 is free.
    pub(crate) fn set_bcm2835_channel(result: Result) {
        CHANNEL.set(result);
    }

    pub(crate) fn is_dma_coherent<C>(_: &Device<C>) -> bool {
        COHERENT.get()
    }

    pub(crate) fn bcm2835_channel(_: PhysAddr) -> Result {
        CHANNEL.get()
    }

    pub(crate) fn user_sized() -> Flags {
        GFP_KERNEL_ACCOUNT
    }
}

pub(crate) mod uapi {
    //! The user API.

    pub(crate) const ENGINE_ZDMA: u32 = 1;
    pub(crate) const ENGINE_BCM2835: u32 = 2;
}
