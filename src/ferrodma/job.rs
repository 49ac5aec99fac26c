// SPDX-License-Identifier: GPL-2.0

//! A job: it moves from its submitter to the queue, to hardware, and back as a record.
//!
//! A job has one owner at any time, which holds its box. While hardware works on the job, the owner
//! is the channel, so no other context can access its memory.

use kernel::{
    prelude::*,
    sync::{
        poll::PollCondVarBox,
        Arc, //
    },
    time::Delta, //
};

use crate::{
    dma::transfer::Transfer,
    memory::{
        JobMemory,
        Patience,
        Progress, //
    },
    queue::{
        ClientQueue,
        Entry, //
    },
    request::Request,
    sync::completion::Completion,
    uapi::Record, //
};

/// The part of a channel's queue that belongs to a client.
pub(crate) type ClientJobs = ClientQueue<KBox<Job>>;

/// The condition variable of a client. It is notified when a record becomes available or will not
/// come, when a job can be submitted, and when the channel is dead or the device unbound.
pub(crate) type Waiters = Arc<PollCondVarBox>;

/// A job. When it is done, its client keeps it to use it again.
pub(crate) struct Job {
    pub(crate) client: Arc<ClientJobs>,
    /// Whether the submitter waits for the job, so that no other call may take its record.
    pub(crate) sync: bool,
    /// The completion record.
    pub(crate) record: Record,
    /// Time that hardware may work on the job.
    pub(crate) timeout: Delta,
    /// The lists, as submitted.
    pub(crate) request: Request,
    /// The lists, as the engine sees them.
    pub(crate) transfer: Transfer,
    /// The memory behind `transfer`.
    pub(crate) memory: JobMemory,
    /// The progress of hardware with the job.
    pub(crate) progress: Progress,
    /// Whether the job has ended and unbind waits for it to be unmapped.
    pub(crate) still_mapped: bool,
    /// Completion that wakes the waiting submitter, if `sync`.
    pub(crate) done: Arc<Completion>,
}

impl Job {
    /// Returns an empty job of `client`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(client: &Arc<ClientJobs>) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                client: client.clone(),
                sync: false,
                record: Record::default(),
                timeout: Delta::ZERO,
                request: Request::default(),
                transfer: Transfer::default(),
                memory: JobMemory::default(),
                progress: Progress::NotStarted,
                still_mapped: false,
                done: Arc::pin_init(Completion::new(), GFP_KERNEL_ACCOUNT)?,
            },
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// Resets and returns the completion that the end of this job completes. The job is not started
    /// yet, or no other context has seen it.
    pub(crate) fn reset_done(&self) -> Arc<Completion> {
        self.done.reset();
        self.done.clone()
    }

    /// Unpins the memory, copies the bytes of a bounced job to the caller's memory, and returns the
    /// record. May sleep for as long as user space likes.
    ///
    /// The status is valid for this call only: if giving the record to the program fails, another
    /// call may take it.
    #[inline]
    pub(crate) fn take_record(&mut self) -> Record {
        self.memory.release(Patience::Sleep);
        Record {
            status: match self.memory.copy_out(&self.request) {
                Ok(()) => self.record.status,
                Err(_) => EFAULT.to_errno(),
            },
            ..self.record
        }
    }
}

impl Entry for KBox<Job> {
    type Waiters = Waiters;

    fn client(&self) -> &Arc<ClientJobs> {
        &self.client
    }

    fn bytes(&self) -> u64 {
        self.transfer.total()
    }

    fn cookie(&self) -> u64 {
        self.record.cookie
    }

    fn set_cookie(&mut self, cookie: u64) {
        self.record.cookie = cookie;
    }

    fn is_sync(&self) -> bool {
        self.sync
    }

    fn make_async(&mut self) {
        self.sync = false;
    }

    fn ended_at(&self) -> u64 {
        self.record.complete_ns
    }
}
