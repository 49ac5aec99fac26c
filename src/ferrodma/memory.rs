// SPDX-License-Identifier: GPL-2.0

//! Memory that is lent to a job.
//!
//! A [`Span`](crate::dma::transfer::Span) is an address that hardware will use, and it must not outlive
//! the memory behind it. So the spans of a job come from here only, together with what keeps the
//! memory alive, and both belong to the job until hardware is done with it.
//!
//! A job's memory goes through these, in this order; each undoes one of the others:
//!
//! | | where | may sleep |
//! |---|---|---|
//! | [`Lent::stage`] | before the gate | as long as user space likes |
//! | [`Lent::map`] | inside of the gate | yes |
//! | [`Lent::unmap`] | when hardware is done, while the device is bound | no |
//! | [`Lent::release`] | after that | as long as user space likes |
//!
//! What is copied rather than lent has one step more, [`Lent::copy_out`], when the record is taken.

use core::{
    ffi::c_void,
    mem::ManuallyDrop, //
};

use kernel::prelude::*;

use crate::{
    channel::Channel,
    client::{
        BlockPair,
        DevicePair, //
    },
    dma::{
        pool::Block,
        streaming::{
            DeviceBuffers,
            Memory,
            While, //
        },
        transfer::Transfer, //
    },
    driver::Addresses,
    hardware::Hardware,
    memory::{
        bounce::Copied,
        pages::UserPages, //
    },
    request::Request, //
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
pub(crate) enum Lent {
    /// Nothing.
    #[default]
    Nothing,
    /// The buffer of the channel's function, which needs no syncing, and which is there as long as there is
    /// hardware to access it.
    Coherent,
    /// Memory of the program that has submitted the job; kept for the next one when it is empty.
    Pages(KBox<UserPages>),
    /// Messages that are copied in and out; kept likewise.
    Copied(KBox<Copied>),
    /// Source and destination in kernel memory, mapped by who waits for the job.
    Streaming(Memory, Memory),
    /// The same in blocks, which are the device's as long as they are here, and lost if they are
    /// dropped.
    Blocks(ManuallyDrop<BlockPair<'static>>),
}

impl Lent {
    /// Gets hold of the memory of `request`, where that may take its time.
    ///
    /// # Errors
    ///
    /// Those of [`UserPages::pin`] and [`Copied::copy_in`]; ENOMEM. Nothing is held then.
    #[inline]
    pub(crate) fn stage(&mut self, channel: &Channel, request: &Request) -> Result {
        if channel.addresses == Addresses::BufferOffsets {
            return Ok(());
        }
        self.stage_of_program(channel, request)
    }

    fn stage_of_program(&mut self, channel: &Channel, request: &Request) -> Result {
        match (channel.addresses, &mut *self) {
            (Addresses::BufferOffsets, _) => Ok(()),
            (Addresses::UserMemory, Lent::Pages(pages)) => pages.pin(request, channel.max_entry),
            (Addresses::UserMemory, _) => {
                let mut pages = KBox::new(UserPages::default(), GFP_KERNEL_ACCOUNT)?;
                pages.pin(request, channel.max_entry)?;
                *self = Lent::Pages(pages);
                Ok(())
            }
            (Addresses::CopiedMemory, Lent::Copied(copied)) => copied.copy_in(request),
            (Addresses::CopiedMemory, _) => {
                let stock = channel.stock.as_ref().ok_or(ENODEV)?;
                let mut copied = KBox::new(Copied::new(stock), GFP_KERNEL_ACCOUNT)?;
                copied.copy_in(request)?;
                *self = Lent::Copied(copied);
                Ok(())
            }
        }
    }

    /// Says in `transfer` where hardware finds the memory of `request`.
    ///
    /// # Errors
    ///
    /// ERANGE: a segment is not within the buffer of the function. ENODEV: the function has none.
    /// EINVAL: lists that were mapped before are for another device, differ in length or are misaligned.
    /// EAGAIN: there are not enough blocks. ENOMEM. Something may be mapped then.
    pub(crate) fn map(
        &mut self,
        hw: &Hardware<'_>,
        request: &Request,
        transfer: &mut Transfer,
    ) -> Result {
        let max_span = hw.caps.max_span;
        match self {
            Lent::Pages(pages) => pages.map(hw, transfer),
            Lent::Copied(copied) => copied.map(hw, request, transfer),
            Lent::Blocks(blocks) => {
                let (src, dst) = &**blocks;
                let is_ours = |block: &Block<'_>| block.pool().is_of(hw.dev);
                if !src.iter().all(is_ours) || !dst.iter().all(is_ours) {
                    return Err(EINVAL);
                }
                transfer.push_src(src.iter().map(Block::span), max_span)?;
                transfer.push_dst(dst.iter().map(Block::span), max_span)
            }
            Lent::Streaming(src, dst) => {
                if !src.table.is_mapped_for(hw.dev) || !dst.table.is_mapped_for(hw.dev) {
                    return Err(EINVAL);
                }
                transfer.push_src(src.table.spans(), max_span)?;
                transfer.push_dst(dst.table.spans(), max_span)?;
                if transfer.is_even(hw.caps.alignment) {
                    Ok(())
                } else {
                    Err(EINVAL)
                }
            }
            Lent::Nothing | Lent::Coherent => {
                let buffer = hw.buffer().ok_or(ENODEV)?;
                if !matches!(self, Lent::Coherent) {
                    *self = Lent::Coherent;
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
    pub(crate) fn needs_settling(&self) -> bool {
        match self {
            // Of the latter, who waits for the job takes care.
            Lent::Nothing | Lent::Coherent | Lent::Streaming(..) | Lent::Blocks(_) => false,
            Lent::Pages(pages) => pages.is_mapped(),
            Lent::Copied(copied) => copied.is_mapped(),
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
            Lent::Pages(pages) => unsafe { pages.unmap(progress != Progress::NotStarted) },
            // SAFETY: As above.
            Lent::Copied(copied) => unsafe {
                copied.unmap(request, progress == Progress::Finished)
            },
            // Of the latter, who waits for the job takes care.
            Lent::Nothing | Lent::Coherent | Lent::Streaming(..) | Lent::Blocks(_) => {}
        }
    }

    /// Copies what has arrived to where `request` says, in the memory of the caller.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(crate) fn copy_out(&mut self, request: &Request) -> Result {
        match self {
            Lent::Copied(copied) => copied.copy_out(request),
            _ => Ok(()),
        }
    }

    /// Makes ready for the next job.
    pub(crate) fn reset(&mut self) {
        self.release(Patience::Sleep);
        if let Lent::Copied(copied) = self {
            copied.clear();
        }
    }

    /// Keeps the memory for ever: hardware does not stop, and may access it.
    pub(crate) fn abandon(self, hw: &Hardware<'_>) {
        match self {
            Lent::Nothing => {}
            Lent::Coherent => leak(hw.buffer().cloned()),
            lent => leak(lent),
        }
    }

    /// Kernel memory, from here on the job's.
    pub(crate) fn lend(src: DeviceBuffers<'_>, dst: DeviceBuffers<'_>) -> Self {
        let [src, dst] = [src, dst].map(|buffers| {
            let mut memory = buffers.memory;
            memory.is_lent = true;
            memory
        });
        Lent::Streaming(src, dst)
    }

    /// What [`Lent::lend`] was given, unless it was abandoned.
    ///
    /// # Safety
    ///
    /// Hardware does not access the memory. The device that it is mapped for stays bound for `'a`.
    pub(crate) unsafe fn give_back<'a>(&mut self) -> Option<DevicePair<'a>> {
        let Lent::Streaming(src, dst) = core::mem::take(self) else {
            return None;
        };
        let [src, dst] = [src, dst].map(|mut memory| {
            memory.is_lent = false;
            DeviceBuffers {
                memory,
                _bound: While::default(),
            }
        });
        Some((src, dst))
    }

    /// Lets go of the memory, save for what is still to be copied out and what [`Lent::give_back`]
    /// is for. With [`Patience::Hurry`] it may stay pinned.
    pub(crate) fn release(&mut self, patience: Patience) {
        match self {
            Lent::Pages(pages) => pages.release(patience),
            Lent::Nothing
            | Lent::Coherent
            | Lent::Copied(_)
            | Lent::Streaming(..)
            | Lent::Blocks(_) => {}
        }
    }
}
