// SPDX-License-Identifier: GPL-2.0

//! The memory of a job.
//!
//! A [`Span`](crate::dma::span::Span) is an address that hardware will use, and it must not outlive
//! the memory behind it. So only this module makes the spans of a job. It also keeps the memory
//! alive, and both belong to the job until hardware is done with it.
//!
//! The memory of a job goes through these steps, in this order. `unmap` undoes `map`, and `release`
//! undoes `stage`:
//!
//! | step | when | may sleep |
//! |---|---|---|
//! | [`JobMemory::stage`] | before the gate | as long as user space likes |
//! | [`JobMemory::map`] | inside of the gate | yes |
//! | [`JobMemory::unmap`] | when hardware is done, while the device is bound | no |
//! | [`JobMemory::release`] | after that | as long as user space likes |
//!
//! A bounce buffer has one step more, [`JobMemory::copy_out`], when the record is taken.

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

/// Leaks `memory`, which hardware may still access, and tells kmemleak that this is on purpose. May
/// be called from any context.
pub(crate) fn leak<T>(memory: T) {
    // If the box cannot be allocated, `ManuallyDrop` leaks the memory all the same, but kmemleak
    // may report it.
    if let Ok(leaked) = KBox::new(ManuallyDrop::new(memory), GFP_ATOMIC) {
        // SAFETY: The object stays for ever, and so does what it refers to.
        unsafe { ferrodma_leaked_on_purpose(KBox::into_raw(leaked).cast_const().cast()) };
    }
}

/// The memory that the jobs of a channel work on, which decides what their addresses mean.
pub enum Backing<'bound> {
    /// A coherent buffer, which programs map. Addresses are byte offsets into it.
    Buffer(Arc<CoherentBuffer<'bound>>),
    /// Memory of the programs, pinned for each job. Addresses are virtual addresses of the program.
    Pages {
        /// Most bytes in a job.
        max_job_bytes: u64,
    },
    /// Memory of the programs, copied through these blocks. Addresses are virtual addresses of the
    /// program, and a segment is at most as long as a block.
    Blocks(Arc<BlockPool<'bound>>),
}

impl<'bound> Backing<'bound> {
    /// Returns the number of the backing in the user API, `FERRODMA_FUNCTION_*`.
    pub(crate) fn function(&self) -> u32 {
        match self {
            Backing::Buffer(_) => uapi::FUNCTION_COHERENT,
            Backing::Pages { .. } => uapi::FUNCTION_SG,
            Backing::Blocks(_) => uapi::FUNCTION_POOL,
        }
    }

    /// Returns whether the backing was allocated for `dev`. True for memory of the programs.
    pub(crate) fn is_of(&self, dev: &Device) -> bool {
        match self {
            Backing::Buffer(buffer) => buffer.is_of(dev),
            Backing::Pages { .. } => true,
            Backing::Blocks(blocks) => blocks.is_of(dev),
        }
    }

    /// Returns the coherent buffer, if the backing is one.
    pub(crate) fn buffer(&self) -> Option<&Arc<CoherentBuffer<'bound>>> {
        match self {
            Backing::Buffer(buffer) => Some(buffer),
            _ => None,
        }
    }

    /// Returns how to stage the memory of a job. `max_entry` is the longest entry of a scatter list
    /// in bytes.
    ///
    /// # Safety
    ///
    /// As for [`BlockPool::unbounded`].
    pub(crate) unsafe fn staging(&self, max_entry: usize) -> Staging {
        match self {
            Backing::Buffer(_) => Staging::Buffer,
            Backing::Pages { .. } => Staging::Pages { max_entry },
            Backing::Blocks(blocks) => {
                // SAFETY: The caller promises the same.
                Staging::Blocks(unsafe { BlockPool::unbounded(blocks.clone()) })
            }
        }
    }
}

/// How [`JobMemory::stage`] acquires the memory of a job: the part of a [`Backing`] that may
/// outlive the device.
pub(crate) enum Staging {
    /// The coherent buffer, which exists as long as hardware does.
    Buffer,
    /// Memory of the program, which is pinned.
    Pages {
        /// Longest entry of a scatter list in bytes.
        max_entry: usize,
    },
    /// Memory of the program, whose data is copied, and moved through these blocks later. The pool
    /// is empty once the device is unbound.
    Blocks(Arc<BlockPool<'static>>),
}

impl Staging {
    /// Returns the block pool, if there is one.
    #[inline]
    pub(crate) fn blocks(&self) -> Option<&Arc<BlockPool<'static>>> {
        match self {
            Staging::Blocks(blocks) => Some(blocks),
            _ => None,
        }
    }
}

/// The progress of hardware with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The job was not started.
    NotStarted,
    /// The job was started, and did not finish.
    Started,
    /// The job has finished.
    Finished,
}

/// Whether a call may sleep for as long as user space likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It may.
    Sleep,
    /// It must not, and leaves the work to a later call instead.
    Hurry,
}

/// The memory of a job, kept alive until hardware is done with it.
///
/// Leaked if hardware does not stop.
#[derive(Default)]
pub(crate) enum JobMemory {
    /// No memory.
    #[default]
    Empty,
    /// The coherent buffer of the channel, which needs no syncs and exists as long as hardware that
    /// may access it.
    Buffer,
    /// Memory of the submitting program. The box is kept for the next job when it is empty.
    Pages(KBox<UserPages>),
    /// Messages that are copied in and out. The box is kept for the next job.
    Bounce(KBox<Bounce>),
    /// Source and destination in kernel memory, which the submitter has mapped.
    Streaming(Memory, Memory),
    /// Source and destination in blocks of kernel code. The device owns them as long as they are
    /// here, so they are leaked if this is dropped.
    Blocks(ManuallyDrop<BlockPair<'static>>),
}

impl JobMemory {
    /// Acquires the memory of `request`. May sleep for as long as user space likes.
    ///
    /// # Errors
    ///
    /// Those of [`UserPages::pin`] and [`Bounce::copy_in`]; ENOMEM. No memory is held in that case.
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

    /// Maps the memory of `request`, and writes its bus addresses to `transfer`.
    ///
    /// # Errors
    ///
    /// ERANGE: a segment is not within the buffer. ENODEV: the channel has no buffer. EINVAL: lists
    /// that the submitter has mapped are for another device, differ in length or are misaligned.
    /// EAGAIN: there are not enough free blocks. ENOMEM. Part of the memory may be mapped after an
    /// error.
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

    /// Returns whether the memory has to be unmapped in process context.
    pub(crate) fn needs_unmap(&self) -> bool {
        match self {
            // Kernel code that waits for its job handles the last two itself.
            JobMemory::Empty
            | JobMemory::Buffer
            | JobMemory::Streaming(..)
            | JobMemory::Blocks(_) => false,
            JobMemory::Pages(pages) => pages.is_mapped(),
            JobMemory::Bounce(bounce) => bounce.is_mapped(),
        }
    }

    /// Unmaps the memory of `request`, with the syncs and copies that `progress` asks for.
    ///
    /// # Safety
    ///
    /// The channel's device is still bound, and hardware does not access the memory.
    pub(crate) unsafe fn unmap(&mut self, request: &Request, progress: Progress) {
        match self {
            // SAFETY: The caller promises it. The memory is mapped for the channel's device.
            JobMemory::Pages(pages) => unsafe { pages.unmap(progress != Progress::NotStarted) },
            // SAFETY: As above.
            JobMemory::Bounce(bounce) => unsafe {
                bounce.unmap(request, progress == Progress::Finished)
            },
            // Kernel code that waits for its job handles the last two itself.
            JobMemory::Empty
            | JobMemory::Buffer
            | JobMemory::Streaming(..)
            | JobMemory::Blocks(_) => {}
        }
    }

    /// Copies the bytes that a bounced job has received to the destination of `request`, in the
    /// memory of the calling program. Does nothing for other memory.
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

    /// Prepares the memory for the next job.
    pub(crate) fn reset(&mut self) {
        self.release(Patience::Sleep);
        if let JobMemory::Bounce(bounce) = self {
            bounce.clear();
        }
    }

    /// Leaks the memory, as hardware does not stop and may still access it.
    pub(crate) fn abandon(self, buffer: Option<&Arc<CoherentBuffer<'_>>>) {
        match self {
            JobMemory::Empty => {}
            JobMemory::Buffer => leak(buffer.cloned()),
            memory => leak(memory),
        }
    }

    /// Returns the memory of a job that works on these buffers, which the device owns from here on.
    pub(crate) fn streaming(src: DeviceBuffers<'_>, dst: DeviceBuffers<'_>) -> Self {
        let [src, dst] = [src, dst].map(|buffers| {
            let mut memory = buffers.memory;
            memory.in_use = true;
            memory
        });
        JobMemory::Streaming(src, dst)
    }

    /// Takes back the buffers given to [`JobMemory::streaming`], unless they were abandoned.
    ///
    /// # Safety
    ///
    /// Hardware does not access the memory. The device that it is mapped for stays bound for `'a`.
    pub(crate) unsafe fn take_streaming<'a>(&mut self) -> Option<DevicePair<'a>> {
        let JobMemory::Streaming(src, dst) = core::mem::take(self) else {
            return None;
        };
        let [src, dst] = [src, dst].map(|mut memory| {
            memory.in_use = false;
            DeviceBuffers {
                memory,
                _bound: While::default(),
            }
        });
        Some((src, dst))
    }

    /// Unpins the memory; with [`Patience::Hurry`] it may stay pinned. Messages that are still to
    /// be copied out are kept, and so are the buffers for [`JobMemory::take_streaming`].
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
