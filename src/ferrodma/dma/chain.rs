// SPDX-License-Identifier: GPL-2.0

//! Chains of hardware descriptors.

use kernel::{
    dma::DmaAddress,
    prelude::*,
    sync::Arc, //
};

use crate::{
    dma::{
        pool::{
            Block,
            DmaPool, //
        },
        span::Span, //
    },
    raw, //
};

/// Descriptors in one block of the pool. Fewer blocks are cheaper to allocate and to walk, more
/// waste less for short chains.
pub(crate) const DESCRIPTORS_PER_BLOCK: usize = 32;

/// What an engine's descriptors look like in memory.
#[derive(Clone, Copy)]
pub struct DescriptorLayout {
    /// Bytes of one descriptor.
    pub size: usize,
    /// Alignment of a descriptor in bytes, a power of two.
    pub align: usize,
}

/// Memory for a sequence of descriptors.
///
/// Neighbours are contiguous within a block only, so descriptors have to name their successors. A
/// chain keeps its blocks when it is used again.
///
/// Chains are with jobs and with the channel, which may outlive the device. Both let go of them
/// before it is unbound, see [`Channel::shut`](crate::channel::Channel::shut).
pub struct Chain {
    blocks: KVVec<Block<'static>>,
    layout: DescriptorLayout,
}

impl Chain {
    /// An empty chain.
    pub(crate) fn new(layout: DescriptorLayout) -> Self {
        Self {
            blocks: KVVec::new(),
            layout,
        }
    }

    /// Makes room for `count` descriptors. May sleep.
    ///
    /// # Safety
    ///
    /// The chain is dropped before the device of `pool` is unbound, or leaked.
    pub(crate) unsafe fn reserve(&mut self, pool: &Arc<DmaPool<'_>>, count: usize) -> Result {
        while self.blocks.len() < count.div_ceil(DESCRIPTORS_PER_BLOCK) {
            let block = Block::zeroed(pool, raw::user_sized())?;
            // SAFETY: The caller promises what is needed.
            let block = unsafe { block.unbounded() };
            self.blocks.push(block, raw::user_sized())?;
        }
        Ok(())
    }

    /// Lets others have what goes beyond `count` descriptors. May sleep. The pool keeps the memory
    /// for later chains.
    pub(crate) fn trim(&mut self, count: usize) {
        let blocks = count.div_ceil(DESCRIPTORS_PER_BLOCK);
        if self.blocks.len() > blocks {
            // Its table of blocks is freed with it.
            let mut kept = KVVec::new();
            for block in self.blocks.drain_all().take(blocks) {
                // A chain without memory is as good.
                let _ = kept.push(block, raw::user_sized());
            }
            self.blocks = kept;
        }
    }

    /// The bus address of descriptor `index`; 0 if there is no room for so many.
    pub fn address(&self, index: usize) -> DmaAddress {
        let Some(block) = self.blocks.get(index / DESCRIPTORS_PER_BLOCK) else {
            return 0;
        };
        // CAST: The offset is within a block.
        block.dma_address() + ((index % DESCRIPTORS_PER_BLOCK) * self.layout.size) as DmaAddress
    }

    /// The bytes of descriptor `index`, if there is room for so many.
    pub fn bytes(&mut self, index: usize) -> Option<&mut [u8]> {
        let size = self.layout.size;
        self.blocks
            .get_mut(index / DESCRIPTORS_PER_BLOCK)?
            .chunks_exact_mut(size)
            .nth(index % DESCRIPTORS_PER_BLOCK)
    }

    /// Writes a descriptor for each of `items`, as far as there is room. `encode` gets the address of
    /// the next one; `end` then gets the last to write to it that it has none. Writes nothing if `T` is
    /// not of the size that the engine's layout says.
    pub fn write<I, T: FromBytes + IntoBytes>(
        &mut self,
        mut items: impl Iterator<Item = I>,
        mut encode: impl FnMut(I, DmaAddress) -> T,
        end: impl FnOnce(&mut T),
    ) {
        if size_of::<T>() != self.layout.size {
            return;
        }
        let mut last = None;
        let mut blocks = self.blocks.iter_mut().peekable();
        'all: while let Some(block) = blocks.next() {
            let behind = blocks.peek().map_or(0, |next| next.dma_address());
            let mut next = block.dma_address();
            // As they are, and not byte by byte: this is where long lists spend their time.
            let Ok(slots) = <[T]>::mut_from_bytes(block) else {
                break;
            };
            let slots = slots.iter_mut();
            let mut left = slots.len();
            for slot in slots {
                let Some(item) = items.next() else {
                    break 'all;
                };
                left -= 1;
                // CAST: Within a block.
                next += size_of::<T>() as DmaAddress;
                *slot = encode(item, if left == 0 { behind } else { next });
                last = Some(slot);
            }
        }
        if let Some(last) = last {
            end(last);
        }
    }
}

/// The chains of one job: sources and destinations. Engines whose descriptors hold both use the
/// first only.
pub struct Chains {
    /// Source descriptors, or all.
    pub src: Chain,
    /// Destination descriptors, where they are separate.
    pub dst: Chain,
    /// What fills are copied from.
    pattern: Option<Block<'static>>,
}

impl Chains {
    /// Empty chains.
    pub(crate) fn new(layout: DescriptorLayout) -> Self {
        Self {
            src: Chain::new(layout),
            dst: Chain::new(layout),
            pattern: None,
        }
    }

    /// A block of `patterns` that holds `value` all over.
    ///
    /// # Safety
    ///
    /// As for [`Chain::reserve`].
    pub(crate) unsafe fn pattern(
        &mut self,
        patterns: &Arc<DmaPool<'_>>,
        value: u8,
    ) -> Result<Span> {
        let block = match &mut self.pattern {
            Some(block) => block,
            none => {
                let block = Block::new(patterns, raw::user_sized())?;
                // SAFETY: The caller promises what is needed.
                none.insert(unsafe { block.unbounded() })
            }
        };
        block.fill(value);
        Ok(block.span())
    }

    /// Whether a chain has more than `count` descriptors.
    pub(crate) fn exceed(&self, count: usize) -> bool {
        [&self.src, &self.dst]
            .iter()
            .any(|chain| chain.blocks.len() > count.div_ceil(DESCRIPTORS_PER_BLOCK))
    }

    /// Lets others have what goes beyond `count` descriptors in each chain. May sleep.
    pub(crate) fn trim(&mut self, count: usize) {
        self.src.trim(count);
        self.dst.trim(count);
    }
}
