// SPDX-License-Identifier: GPL-2.0

//! The API for kernel code: copies and fills, for which the calls wait. They work on the memory of
//! the channel's backing, or on the caller's own.

use core::mem::{
    transmute,
    ManuallyDrop, //
};

use kernel::{
    dma::DataDirection,
    error::to_result,
    prelude::*,
    time::Delta, //
};

use crate::{
    channel::{
        SubmitState,
        Submitted, //
    },
    dma::{
        pool::{
            Block,
            BlockPair, //
        },
        streaming::{
            DeviceBuffers,
            DevicePair,
            IdleBuffers,
            Rejected, //
        }, //
    },
    job::Job,
    memory::JobMemory,
    sync::completion::Wait,
    uapi::Seg, //
};

use super::{
    Client,
    Options, //
};

/// TIMEOUT: Added to the longest time limit of a job: kernel code then cancels its job itself, as
/// the jobs of other clients take too long, or the watchdog does not run.
const GRACE: Delta = Delta::from_secs(10);

impl Client {
    /// Copies the bytes that `src` gathers to where `dst` scatters them, waits until that is done,
    /// and returns their number. Kernel code only; the channel's backing decides what an address
    /// means, as for user space.
    ///
    /// # Errors
    ///
    /// Those of `FERRODMA_IOC_SUBMIT`, and those that its completion record may hold.
    pub fn copy(&self, src: &[Seg], dst: &[Seg]) -> Result<u64> {
        self.run(src, dst, None)
    }

    /// Fills the memory in `dst` with `value`, and waits until that is done. See [`Client::copy`].
    pub fn fill(&self, value: u8, dst: &[Seg]) -> Result<u64> {
        self.run(&[], dst, Some(value))
    }

    fn run(&self, src: &[Seg], dst: &[Seg], fill: Option<u8>) -> Result<u64> {
        let options = Options {
            sync: true,
            timeout: Delta::ZERO,
            user_data: 0,
        };
        let submitted = self.submit(&options, false, |request| request.set(src, dst, fill))?;
        self.wait_ended(&submitted);
        let mut job = self.take_job(submitted)?;
        let record = job.take_record();
        self.recycle(job);
        to_result(record.status).map(|()| record.bytes)
    }

    /// Waits until a job has ended.
    fn wait_ended(&self, submitted: &Submitted) {
        let SubmitState::Queued(Some(done)) = &submitted.state else {
            return;
        };
        if done.wait_timeout(self.channel.max_timeout() + GRACE) == Wait::TimedOut {
            // The result does not matter: the job has ended when this returns.
            let _ = self.channel.cancel(self.jobs(), submitted.cookie);
        }
    }

    /// Copies the contents of `src` to `dst`, and waits until the device is done with both. Their
    /// buffers may differ in number and length. Works on a channel with any backing.
    ///
    /// # Errors
    ///
    /// EINVAL: the lists differ in total length, are not mapped in the right directions, are
    /// misaligned, or are mapped for another device than the channel's, or their addresses were
    /// handed out. EMSGSIZE: too many bytes. ECANCELED: jobs of other clients took too long.
    /// ERESTARTSYS: a signal came while this waited for a free job. ENODEV, EIO, ENOMEM, ETIMEDOUT
    /// as for [`Client::copy`]. After an error the buffers are returned, and the device does not
    /// access them; if it does not stop, they are not returned.
    pub fn transfer<'a>(
        &self,
        src: DeviceBuffers<'a>,
        dst: DeviceBuffers<'a>,
    ) -> Result<(IdleBuffers<'a>, IdleBuffers<'a>), Rejected<Option<DevicePair<'a>>>> {
        let checked = check_buffers(&src, &dst);
        let (mut job, (src, dst)) = self.reserve_for(checked, (src, dst))?;
        job.memory = JobMemory::streaming(src, dst);
        let (result, mut memory) = self.run_prepared(job);
        // SAFETY: The job has ended, and its buffers were mapped for at least `'a`, as they come
        // from the arguments. Buffers that hardware may still access were abandoned, and are not in
        // `memory`.
        let buffers = unsafe { memory.take_streaming() };
        match (result, buffers) {
            (Ok(()), Some((src, dst))) => {
                // SAFETY: As above.
                Ok(unsafe { (src.into_idle(), dst.into_idle()) })
            }
            (result, value) => Err(Rejected {
                error: result.err().unwrap_or(EIO),
                value,
            }),
        }
    }

    /// Copies the contents of the blocks `src` to the blocks `dst`, in their order, and waits until
    /// that is done. Both have the same number of blocks, all of one size. Works on a channel with
    /// any backing.
    ///
    /// # Errors
    ///
    /// EINVAL: the lists are empty or differ in length; the blocks are not of the channel's device,
    /// differ in size, or their size is no multiple of [`Client::alignment`]. Otherwise as for
    /// [`Client::transfer`].
    pub fn transfer_blocks<'a>(
        &self,
        src: KVec<Block<'a>>,
        dst: KVec<Block<'a>>,
    ) -> Result<BlockPair<'a>, Rejected<Option<BlockPair<'a>>>> {
        let checked = check_blocks(&src, &dst, self.alignment());
        let (mut job, (src, dst)) = self.reserve_for(checked, (src, dst))?;
        // SAFETY: The types differ in a lifetime only. The job has ended before this returns. By
        // then it has given the blocks back, or they were leaked.
        let blocks = unsafe { transmute::<BlockPair<'a>, BlockPair<'static>>((src, dst)) };
        job.memory = JobMemory::Blocks(ManuallyDrop::new(blocks));
        match self.run_prepared(job) {
            (Ok(()), JobMemory::Blocks(blocks)) => Ok(ManuallyDrop::into_inner(blocks)),
            (Err(error), JobMemory::Blocks(blocks)) => Err(Rejected {
                error,
                value: Some(ManuallyDrop::into_inner(blocks)),
            }),
            (result, _) => Err(Rejected {
                error: result.err().unwrap_or(EIO),
                value: None,
            }),
        }
    }

    /// Takes a job for `memory`, which was `checked`, or returns the memory.
    fn reserve_for<T>(
        &self,
        checked: Result,
        memory: T,
    ) -> Result<(KBox<Job>, T), Rejected<Option<T>>> {
        match checked.and_then(|()| self.reserve(false)) {
            Ok(job) => Ok((job, memory)),
            Err(error) => Err(Rejected {
                error,
                value: Some(memory),
            }),
        }
    }

    /// Runs a job that already has its memory. Returns the result and the memory.
    fn run_prepared(&self, mut job: KBox<Job>) -> (Result, JobMemory) {
        job.request.clear(None);
        let options = Options {
            sync: true,
            timeout: Delta::ZERO,
            user_data: 0,
        };
        let (mut job, result) = match self.submit_filled(&options, job) {
            Err((error, job)) => (job, Err(error)),
            Ok(submitted) => {
                self.wait_ended(&submitted);
                match self.take_job(submitted) {
                    Ok(job) => {
                        let result = to_result(job.record.status);
                        (job, result)
                    }
                    Err(error) => return (Err(error), JobMemory::Empty),
                }
            }
        };
        let memory = core::mem::take(&mut job.memory);
        self.recycle(job);
        (result, memory)
    }
}

/// Checks the arguments of [`Client::transfer`], except for the entries of their lists.
fn check_buffers(src: &DeviceBuffers<'_>, dst: &DeviceBuffers<'_>) -> Result {
    use DataDirection::*;
    for (buffers, direction) in [(src, ToDevice), (dst, FromDevice)] {
        let is_open = buffers
            .direction()
            .is_some_and(|d| d == direction || d == Bidirectional);
        if !is_open || buffers.memory.addresses_known {
            return Err(EINVAL);
        }
    }
    Ok(())
}

/// Checks the arguments of [`Client::transfer_blocks`].
fn check_blocks(src: &[Block<'_>], dst: &[Block<'_>], alignment: usize) -> Result {
    let size = src.first().ok_or(EINVAL)?.len();
    if size % alignment != 0
        || src.len() != dst.len()
        || [src, dst]
            .iter()
            .any(|list| list.iter().any(|block| block.len() != size))
    {
        return Err(EINVAL);
    }
    Ok(())
}
