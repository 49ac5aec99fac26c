// SPDX-License-Identifier: GPL-2.0

//! Memory that is lent to a job.
//!
//! A [`Span`](crate::dma::span::Span) is an address that hardware will use, and it must not outlive
//! the memory behind it. So the spans of a job come from here only, together with what keeps the
//! memory alive, and both belong to the job until hardware is done with it.
//!
//! A job's memory goes through these, in this order; each undoes one of the others:
//!
//! | | where | may sleep |
//! |---|---|---|
//! | [`JobMemory::stage`] | before the gate | as long as user space likes |
//! | [`JobMemory::map`] | inside of the gate | yes |
//! | [`JobMemory::unmap`] | when hardware is done, while the device is bound | no |
//! | [`JobMemory::release`] | after that | as long as user space likes |
//!
//! What is copied rather than lent has one step more, [`JobMemory::copy_out`], when the record is taken.

use core::{
    ffi::c_void,
    mem::ManuallyDrop, //
};

use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};

use self::{
    blocks::BlockPool,
    bounce::Bounce,
    pages::UserPages, //
};
use crate::{
    dma::{
        coherent::CoherentBuffer,
        pool::{
            Block,
            BlockPair, //
        },
        streaming::{
            DeviceBuffers,
            DevicePair,
            Memory,
            While, //
        },
        transfer::Transfer, //
    },
    engine::Caps,
    request::Request,
    uapi, //
};

pub mod blocks;
mod bounce;
mod pages;

extern "C" {
    /// See `helpers.c`.
    fn ferrodma_leaked_on_purpose(object: *const c_void);
}

/// Leaks `memory`, which hardware may still access, and tells a kernel that looks for leaks. Any
/// context.
pub(crate) fn leak<T>(memory: T) {
    // Without memory for the box nobody is told.
    if let Ok(leaked) = KBox::new(ManuallyDrop::new(memory), GFP_ATOMIC) {
        // SAFETY: The object stays for ever, and so does what it refers to.
        unsafe { ferrodma_leaked_on_purpose(KBox::into_raw(leaked).cast_const().cast()) };
    }
}

/// What the jobs of a channel work on, and so what the addresses in them are.
pub enum Backing<'bound> {
    /// A coherent buffer, which programs map. Addresses are byte offsets into it.
    Buffer(Arc<CoherentBuffer<'bound>>),
    /// Memory of the programs, pinned for each job. Addresses are virtual ones of the program.
    Pages {
        /// Most bytes in a job.
        max_job_bytes: u64,
    },
    /// Memory of the programs, copied through these blocks. Addresses are virtual ones of the program,
    /// and a segment has at most as many bytes as a block.
    Blocks(Arc<BlockPool<'bound>>),
}

impl<'bound> Backing<'bound> {
    /// Returns its number in the user API, `FERRODMA_FUNCTION_*`.
    pub(crate) fn function(&self) -> u32 {
        match self {
            Backing::Buffer(_) => uapi::FUNCTION_COHERENT,
            Backing::Pages { .. } => uapi::FUNCTION_SG,
            Backing::Blocks(_) => uapi::FUNCTION_POOL,
        }
    }

    /// Returns whether it is memory of `dev`, as far as it is memory of a device.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        match self {
            Backing::Buffer(buffer) => buffer.is_of(dev),
            Backing::Pages { .. } => true,
            Backing::Blocks(blocks) => blocks.is_of(dev),
        }
    }

    /// Returns the buffer, if it is one.
    pub(crate) fn buffer(&self) -> Option<&Arc<CoherentBuffer<'bound>>> {
        match self {
            Backing::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// Returns how the memory of its jobs is staged. `max_entry` is the longest entry of a scatter
    /// list in bytes.
    ///
    /// # Safety
    ///
    /// As for [`BlockPool::unbounded`].
    pub(crate) unsafe fn staging(&self, max_entry: usize) -> Staging {
        match self {
            Backing::Buffer(_) => Staging::Buffer,
            Backing::Pages { .. } => Staging::Pages { max_entry },
            Backing::Blocks(blocks) => {
                // SAFETY: The caller promises what is needed.
                Staging::Blocks(unsafe { BlockPool::unbounded(blocks.clone()) })
            }
        }
    }
}

/// How [`JobMemory::stage`] gets hold of the memory of a job: what is left of a [`Backing`] without the
/// device.
pub(crate) enum Staging {
    /// The buffer is there as long as hardware is.
    Buffer,
    /// Pages are pinned.
    Pages {
        /// Longest entry of a scatter list in bytes.
        max_entry: usize,
    },
    /// Bytes are copied, and then go through these blocks. Empty once the device is unbound.
    Blocks(Arc<BlockPool<'static>>),
}

impl Staging {
    /// Returns the blocks, if there are any.
    #[inline]
    pub(crate) fn blocks(&self) -> Option<&Arc<BlockPool<'static>>> {
        match self {
            Staging::Blocks(blocks) => Some(blocks),
            _ => None,
        }
    }
}

/// How far hardware came with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It was not started.
    NotStarted,
    /// It was started, and did not finish.
    Started,
    /// It has done all.
    Finished,
}

/// Whether to wait for user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it likes.
    Sleep,
    /// Not at all: rather leave it to somebody else.
    Hurry,
}

/// What keeps the memory of a job alive.
///
/// Leaked when hardware does not stop.
#[derive(Default)]
pub(crate) enum JobMemory {
    /// Nothing.
    #[default]
    Empty,
    /// The buffer of the channel, which needs no syncing, and which is there as long as there is
    /// hardware to access it.
    Buffer,
    /// Memory of the program that has submitted the job; kept for the next one when it is empty.
    Pages(KBox<UserPages>),
    /// Messages that are copied in and out; kept likewise.
    Bounce(KBox<Bounce>),
    /// Source and destination in kernel memory, mapped by who waits for the job.
    Streaming(Memory, Memory),
    /// The same in blocks, which are the device's as long as they are here, and lost if they are
    /// dropped.
    Blocks(ManuallyDrop<BlockPair<'static>>),
}

impl JobMemory {
    /// Gets hold of the memory of `request`, where that may take its time.
    ///
    /// # Errors
    ///
    /// Those of [`UserPages::pin`] and [`Bounce::copy_in`]; ENOMEM. Nothing is held then.
    #[inline]
    pub(crate) fn stage(&mut self, staging: &Staging, request: &Request) -> Result {
        match staging {
            Staging::Buffer => Ok(()),
            Staging::Pages { max_entry } => self.stage_pages(request, *max_entry),
            Staging::Blocks(blocks) => self.stage_bounce(request, blocks),
        }
    }

    fn stage_pages(&mut self, request: &Request, max_entry: usize) -> Result {
        if let JobMemory::Pages(pages) = self {
            return pages.pin(request, max_entry);
        }
        let mut pages = KBox::new(UserPages::default(), GFP_KERNEL_ACCOUNT)?;
        pages.pin(request, max_entry)?;
        *self = JobMemory::Pages(pages);
        Ok(())
    }

    fn stage_bounce(&mut self, request: &Request, blocks: &Arc<BlockPool<'static>>) -> Result {
        if let JobMemory::Bounce(bounce) = self {
            return bounce.copy_in(request);
        }
        let mut bounce = KBox::new(Bounce::new(blocks), GFP_KERNEL_ACCOUNT)?;
        bounce.copy_in(request)?;
        *self = JobMemory::Bounce(bounce);
        Ok(())
    }

    /// Says in `transfer` where hardware finds the memory of `request`.
    ///
    /// # Errors
    ///
    /// ERANGE: a segment is not within the buffer. ENODEV: the channel has none.
    /// EINVAL: lists that were mapped before are for another device, differ in length or are misaligned.
    /// EAGAIN: there are not enough blocks. ENOMEM. Something may be mapped then.
    pub(crate) fn map(
        &mut self,
        dev: &Device<Bound>,
        caps: &Caps,
        buffer: Option<&CoherentBuffer<'_>>,
        request: &Request,
        transfer: &mut Transfer,
    ) -> Result {
        let max_span = caps.max_span;
        match self {
            JobMemory::Pages(pages) => pages.map(dev, max_span, transfer),
            JobMemory::Bounce(bounce) => bounce.map(max_span, request, transfer),
            JobMemory::Blocks(blocks) => {
                let (src, dst) = &**blocks;
                let is_ours = |block: &Block<'_>| block.pool().is_of(dev);
                if !src.iter().all(is_ours) || !dst.iter().all(is_ours) {
                    return Err(EINVAL);
                }
                transfer.push_src(src.iter().map(Block::span), max_span)?;
                transfer.push_dst(dst.iter().map(Block::span), max_span)
            }
            JobMemory::Streaming(src, dst) => {
                if !src.table.is_mapped_for(dev) || !dst.table.is_mapped_for(dev) {
                    return Err(EINVAL);
                }
                transfer.push_src(src.table.spans(), max_span)?;
                transfer.push_dst(dst.table.spans(), max_span)?;
                if transfer.is_even(caps.alignment) {
                    Ok(())
                } else {
                    Err(EINVAL)
                }
            }
            JobMemory::Empty | JobMemory::Buffer => {
                let buffer = buffer.ok_or(ENODEV)?;
                if !matches!(self, JobMemory::Buffer) {
                    *self = JobMemory::Buffer;
                }
                for seg in request.src() {
                    transfer.push_src([buffer.span(seg.addr, seg.len)?], max_span)?;
                }
                for seg in request.dst() {
                    transfer.push_dst([buffer.span(seg.addr, seg.len)?], max_span)?;
                }
                Ok(())
            }
        }
    }

    /// Whether giving it back is work for process context.
    pub(crate) fn needs_unmap(&self) -> bool {
        match self {
            // Of the latter, who waits for the job takes care.
            JobMemory::Empty
            | JobMemory::Buffer
            | JobMemory::Streaming(..)
            | JobMemory::Blocks(_) => false,
            JobMemory::Pages(pages) => pages.is_mapped(),
            JobMemory::Bounce(bounce) => bounce.is_mapped(),
        }
    }

    /// Takes the memory of `request` from the device, and looks at how far hardware came.
    ///
    /// # Safety
    ///
    /// The channel's device is still bound, and hardware does not access the memory.
    pub(crate) unsafe fn unmap(&mut self, request: &Request, progress: Progress) {
        match self {
            // SAFETY: The caller promises what is needed.
            JobMemory::Pages(pages) => unsafe { pages.unmap(progress != Progress::NotStarted) },
            // SAFETY: As above.
            JobMemory::Bounce(bounce) => unsafe {
                bounce.unmap(request, progress == Progress::Finished)
            },
            // Of the latter, who waits for the job takes care.
            JobMemory::Empty
            | JobMemory::Buffer
            | JobMemory::Streaming(..)
            | JobMemory::Blocks(_) => {}
        }
    }

    /// Copies what has arrived to where `request` says, in the memory of the caller.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(crate) fn copy_out(&mut self, request: &Request) -> Result {
        match self {
            JobMemory::Bounce(bounce) => bounce.copy_out(request),
            _ => Ok(()),
        }
    }

    /// Makes ready for the next job.
    pub(crate) fn reset(&mut self) {
        self.release(Patience::Sleep);
        if let JobMemory::Bounce(bounce) = self {
            bounce.clear();
        }
    }

    /// Keeps the memory for ever: hardware does not stop, and may access it.
    pub(crate) fn abandon(self, buffer: Option<&Arc<CoherentBuffer<'_>>>) {
        match self {
            JobMemory::Empty => {}
            JobMemory::Buffer => leak(buffer.cloned()),
            memory => leak(memory),
        }
    }

    /// Kernel memory, from here on the job's.
    pub(crate) fn streaming(src: DeviceBuffers<'_>, dst: DeviceBuffers<'_>) -> Self {
        let [src, dst] = [src, dst].map(|buffers| {
            let mut memory = buffers.memory;
            memory.device_owned = true;
            memory
        });
        JobMemory::Streaming(src, dst)
    }

    /// What [`JobMemory::streaming`] was given, unless it was abandoned.
    ///
    /// # Safety
    ///
    /// Hardware does not access the memory. The device that it is mapped for stays bound for `'a`.
    pub(crate) unsafe fn take_streaming<'a>(&mut self) -> Option<DevicePair<'a>> {
        let JobMemory::Streaming(src, dst) = core::mem::take(self) else {
            return None;
        };
        let [src, dst] = [src, dst].map(|mut memory| {
            memory.device_owned = false;
            DeviceBuffers {
                memory,
                _bound: While::default(),
            }
        });
        Some((src, dst))
    }

    /// Lets go of the memory, save for what is still to be copied out and what [`JobMemory::take_streaming`]
    /// is for. With [`Patience::Hurry`] it may stay pinned.
    pub(crate) fn release(&mut self, patience: Patience) {
        match self {
            JobMemory::Pages(pages) => pages.release(patience),
            JobMemory::Empty
            | JobMemory::Buffer
            | JobMemory::Bounce(_)
            | JobMemory::Streaming(..)
            | JobMemory::Blocks(_) => {}
        }
    }
}
