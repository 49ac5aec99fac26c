// SPDX-License-Identifier: GPL-2.0

//! What kernel code does with a channel: copies and fills that it waits for, in the memory of the
//! channel's function or its own.

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

/// TIMEOUT: How much longer than the longest limit of a job kernel code waits for its record before it cancels
/// the job itself: because others' jobs take too long, or the watchdog does not run.
const GRACE: Delta = Delta::from_secs(10);

impl Client {
    /// Copies what `src` gathers to where `dst` scatters it, and waits until it is done. For kernel
    /// code; what an address is, the channel's function says, as for user space.
    ///
    /// # Errors
    ///
    /// Those of `FERRODMA_IOC_SUBMIT`, and those that its completion record may hold.
    pub fn copy(&self, src: &[Seg], dst: &[Seg]) -> Result<u64> {
        self.run(src, dst, None)
    }

    /// Fills what `dst` says with `value`, and waits until it is done. See [`Client::copy`].
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
            // Whatever this says, the job has ended when it returns.
            let _ = self.channel.cancel(self.id, submitted.cookie);
        }
    }

    /// Copies what is in `src` to `dst`, and waits until the device is done with both. The
    /// lists may be cut differently. Works on a channel of any function.
    ///
    /// # Errors
    ///
    /// EINVAL: the lists have not the same number of bytes, or not the directions for this;
    /// misalignment; they are mapped for another device than the channel's; somebody was told their
    /// addresses. EMSGSIZE: too many bytes. ECANCELED: others' jobs took too long. ERESTARTSYS: a
    /// signal came before there was room in the queue. ENODEV, EIO, ENOMEM, ETIMEDOUT as for
    /// [`Client::copy`]. The device does not work on the buffers then, and they can be used again;
    /// none are given back if it does not stop.
    pub fn transfer<'a>(
        &self,
        src: DeviceBuffers<'a>,
        dst: DeviceBuffers<'a>,
    ) -> Result<(IdleBuffers<'a>, IdleBuffers<'a>), Rejected<Option<DevicePair<'a>>>> {
        let checked = check_buffers(&src, &dst);
        let (mut job, (src, dst)) = self.reserve_for(checked, (src, dst))?;
        job.memory = JobMemory::streaming(src, dst);
        let (result, mut memory) = self.run_prepared(job);
        // SAFETY: The job has ended, and its buffers were mapped for at least `'a`: they come from
        // the arguments. Those that hardware may still access are not with the job any more.
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

    /// Copies what is in the blocks `src` to the blocks `dst`, one after the other, and waits until it
    /// is done. There are as many of both, and they are of one size. Works on a channel of any
    /// function.
    ///
    /// # Errors
    ///
    /// EINVAL: there are none, or not as many of both; they are not of the channel's device, not of
    /// one size, or that is no multiple of [`Client::alignment`]. Otherwise as for [`Client::transfer`].
    pub fn transfer_blocks<'a>(
        &self,
        src: KVec<Block<'a>>,
        dst: KVec<Block<'a>>,
    ) -> Result<BlockPair<'a>, Rejected<Option<BlockPair<'a>>>> {
        let checked = check_blocks(&src, &dst, self.alignment());
        let (mut job, (src, dst)) = self.reserve_for(checked, (src, dst))?;
        // SAFETY: The types differ in a lifetime only. The job has ended before this returns, and
        // then has no blocks any more, or was leaked.
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

    /// Takes a job for memory that was `checked`, or gives the memory back.
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

    /// Runs a job whose memory is lent already, and returns what became of it and of the memory.
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

/// Checks buffers for [`Client::transfer`], save for what is in their lists.
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

/// Checks lists of blocks for [`Client::transfer_blocks`].
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
