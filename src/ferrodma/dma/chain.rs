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

/// Descriptors in one block of the DMA pool. Larger blocks are cheaper to allocate and to walk;
/// smaller ones waste less memory for short chains.
pub(crate) const DESCRIPTORS_PER_BLOCK: usize = 32;

/// The layout of an engine's descriptors in memory.
#[derive(Clone, Copy)]
pub struct DescriptorLayout {
    /// Size of a descriptor in bytes.
    pub size: usize,
    /// Alignment of a descriptor in bytes, a power of two.
    pub align: usize,
}

/// Memory for a sequence of descriptors.
///
/// Adjacent descriptors are contiguous within a block only, so each descriptor has to name the next
/// one. A chain keeps its blocks to be used again.
///
/// The owner of a chain may outlive the device. It promises to drop the chain before the device is
/// unbound, or to leak it.
pub struct Chain {
    blocks: KVVec<Block<'static>>,
    layout: DescriptorLayout,
}

impl Chain {
    /// Returns an empty chain.
    pub(crate) fn new(layout: DescriptorLayout) -> Self {
        Self {
            blocks: KVVec::new(),
            layout,
        }
    }

    /// Allocates memory for `count` descriptors. May sleep.
    ///
    /// # Safety
    ///
    /// The chain is dropped before the device of `pool` is unbound, or leaked.
    pub(crate) unsafe fn reserve(&mut self, pool: &Arc<DmaPool<'_>>, count: usize) -> Result {
        while self.blocks.len() < count.div_ceil(DESCRIPTORS_PER_BLOCK) {
            let block = Block::zeroed(pool, raw::user_sized())?;
            // SAFETY: The caller promises that the chain is dropped before the device is unbound,
            // or leaked; its blocks go with it.
            let block = unsafe { block.unbounded() };
            self.blocks.push(block, raw::user_sized())?;
        }
        Ok(())
    }

    /// Frees the blocks beyond those for `count` descriptors. May sleep. The DMA pool keeps the
    /// memory for later chains.
    pub(crate) fn trim(&mut self, count: usize) {
        let blocks = count.div_ceil(DESCRIPTORS_PER_BLOCK);
        if self.blocks.len() > blocks {
            // A new vector of blocks, as the old one may be large.
            let mut kept = KVVec::new();
            for block in self.blocks.drain_all().take(blocks) {
                // If this fails, the block is freed, which does no harm.
                let _ = kept.push(block, raw::user_sized());
            }
            self.blocks = kept;
        }
    }

    /// Returns the bus address of descriptor `index`; 0 if the chain has no memory for it.
    pub fn address(&self, index: usize) -> DmaAddress {
        let Some(block) = self.blocks.get(index / DESCRIPTORS_PER_BLOCK) else {
            return 0;
        };
        // CAST: The offset is within a block.
        block.dma_address() + ((index % DESCRIPTORS_PER_BLOCK) * self.layout.size) as DmaAddress
    }

    /// Returns the bytes of descriptor `index`, if the chain has memory for it.
    pub fn bytes(&mut self, index: usize) -> Option<&mut [u8]> {
        let size = self.layout.size;
        self.blocks
            .get_mut(index / DESCRIPTORS_PER_BLOCK)?
            .chunks_exact_mut(size)
            .nth(index % DESCRIPTORS_PER_BLOCK)
    }

    /// Writes a descriptor for each of `items`, as far as there is memory. `encode` gets the bus
    /// address of the next descriptor; `end` gets the last descriptor, to mark it as the last.
    /// Writes nothing if the size of `T` is not that of the layout.
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
            // Whole descriptors rather than bytes: long lists spend most of their time here.
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

/// The chains of one job: sources and destinations. Engines whose descriptors hold both use only
/// the first.
pub struct Chains {
    /// Source descriptors, or those for both.
    pub src: Chain,
    /// Destination descriptors, if they are separate.
    pub dst: Chain,
    /// The block that fills are copied from.
    pattern: Option<Block<'static>>,
}

impl Chains {
    /// Returns empty chains.
    pub(crate) fn new(layout: DescriptorLayout) -> Self {
        Self {
            src: Chain::new(layout),
            dst: Chain::new(layout),
            pattern: None,
        }
    }

    /// Fills a block of `patterns` with `value`, and returns its span.
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
                // SAFETY: As in `Chain::reserve()`.
                none.insert(unsafe { block.unbounded() })
            }
        };
        block.fill(value);
        Ok(block.span())
    }

    /// Returns whether either chain has more blocks than `count` descriptors need.
    pub(crate) fn exceed(&self, count: usize) -> bool {
        [&self.src, &self.dst]
            .iter()
            .any(|chain| chain.blocks.len() > count.div_ceil(DESCRIPTORS_PER_BLOCK))
    }

    /// Frees the blocks beyond those for `count` descriptors in each chain. May sleep.
    pub(crate) fn trim(&mut self, count: usize) {
        self.src.trim(count);
        self.dst.trim(count);
    }
}
