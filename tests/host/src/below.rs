// SPDX-License-Identifier: GPL-2.0

//! Replacements of the lower layers, with only the parts that the files under test use.

pub(crate) mod chain {
    //! Descriptors, which do not exist here.

    /// The chains of a transfer.
    pub(crate) struct Chains;

    impl Chains {
        pub(crate) fn exceed(&self, _: usize) -> bool {
            false
        }

        pub(crate) fn trim(&mut self, _: usize) {}
    }

    impl Drop for Chains {
        // Implements `Drop`, as the files under test depend on where chains are dropped.
        fn drop(&mut self) {}
    }
}

pub(crate) mod engine {
    //! The results of an engine.

    /// The cause of an interrupt.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Outcome {
        NotMine,
        #[expect(dead_code, reason = "changes nothing")]
        Unfinished,
        Done,
        Fault,
    }

    /// The state in which hardware was found when it was stopped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Quiesced {
        Clean,
        Faulted,
    }
}

pub(crate) mod pool {
    //! Blocks, which do not exist here.

    use std::marker::PhantomData;

    use kernel::prelude::*;

    /// A block.
    pub struct Block<'a>(PhantomData<&'a ()>);

    /// Source and destination of a transfer.
    pub type BlockPair<'a> = (KVec<Block<'a>>, KVec<Block<'a>>);

    impl Block<'_> {
        pub(crate) fn len(&self) -> usize {
            0
        }
    }
}

pub(crate) mod raw {
    //! Flags of allocations.

    use kernel::{
        alloc::Flags,
        prelude::*, //
    };

    pub(crate) fn user_sized() -> Flags {
        GFP_KERNEL_ACCOUNT
    }
}

pub(crate) mod blocks {
    //! Block pools: no channel here has one.

    use std::{
        convert::Infallible,
        marker::PhantomData, //
    };

    use kernel::prelude::*;

    /// A pool, of which there can be no instance.
    pub(crate) struct BlockPool<'a>(Infallible, PhantomData<&'a ()>);

    impl BlockPool<'_> {
        pub(crate) fn has(&self, _: usize) -> bool {
            match self.0 {}
        }

        pub(crate) fn was_short(&self) -> bool {
            match self.0 {}
        }

        pub(crate) fn wait(&self, _: usize) -> Result {
            match self.0 {}
        }

        pub(crate) fn close(&self, _: Error) {
            match self.0 {}
        }

        pub(crate) fn drain(&self) {
            match self.0 {}
        }
    }
}

pub(crate) mod streaming {
    //! Buffers of other kernel code, which do not exist here.

    use std::marker::PhantomData;

    use kernel::{
        dma::DataDirection,
        prelude::*, //
    };

    /// Memory.
    pub(crate) struct Memory {
        pub(crate) addresses_known: bool,
    }

    /// Buffers that the device owns.
    pub struct DeviceBuffers<'a> {
        pub(crate) memory: Memory,
        bound: PhantomData<&'a ()>,
    }

    /// Buffers that neither the CPU nor the device uses.
    pub struct IdleBuffers<'a>(PhantomData<&'a ()>);

    /// Source and destination of a transfer.
    pub type DevicePair<'a> = (DeviceBuffers<'a>, DeviceBuffers<'a>);

    /// An error, with the argument of the call that failed.
    #[expect(dead_code, reason = "for callers")]
    pub struct Rejected<T> {
        pub(crate) error: Error,
        pub(crate) value: T,
    }

    impl<'a> DeviceBuffers<'a> {
        pub(crate) fn direction(&self) -> Option<DataDirection> {
            None
        }

        pub(crate) unsafe fn into_idle(self) -> IdleBuffers<'a> {
            IdleBuffers(PhantomData)
        }
    }
}

pub(crate) mod transfer {
    //! Transfers.

    use kernel::prelude::*;

    use crate::dma::chain::Chains;

    /// A job as the engine sees it: only a number.
    #[derive(Default)]
    pub(crate) struct Transfer {
        pub(crate) number: usize,
        pub(crate) chains: Option<KBox<Chains>>,
    }

    impl Transfer {
        pub(crate) fn total(&self) -> u64 {
            crate::hardware::BYTES
        }

        pub(crate) fn clear(&mut self, _: Option<u8>) {
            self.number = 0;
        }
    }
}

pub(crate) mod uapi {
    //! The user API.

    pub(crate) const INFO_FAULT_IRQ: u32 = 1 << 1;

    /// A segment.
    #[derive(Clone, Copy, Default)]
    pub struct Seg {
        pub(crate) addr: u64,
        pub(crate) len: u64,
    }

    /// The properties of a channel.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct Info {
        pub(crate) flags: u32,
        pub(crate) max_job_bytes: u64,
        pub(crate) max_timeout_ns: u64,
        pub(crate) block_size: u32,
        pub(crate) max_segments: u32,
        pub(crate) alignment: u32,
        pub(crate) address_alignment: u32,
    }

    /// A completion record.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Record {
        pub(crate) cookie: u64,
        pub(crate) user_data: u64,
        pub(crate) status: i32,
        pub(crate) bytes: u64,
        pub(crate) submit_ns: u64,
        pub(crate) complete_ns: u64,
    }
}
