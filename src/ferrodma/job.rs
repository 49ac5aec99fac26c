// SPDX-License-Identifier: GPL-2.0

//! A job: what moves from its submitter to the queue, to hardware, and back as a record.
//!
//! A job has one owner at any time, who holds its box. While hardware works on it, that is the
//! channel, and so nobody else can get at the memory that is lent to it.

use kernel::{
    prelude::*,
    sync::Arc,
    time::Delta, //
};

use crate::{
    dma::transfer::Transfer,
    hardware::Hardware,
    memory::{
        self,
        Lent,
        Patience,
        Progress, //
    },
    queue::{
        ClientId,
        Entry, //
    },
    request::Request,
    sync::completion::Completion,
    uapi::Record, //
};

/// A job, kept by its client for the next one when it is done.
pub(crate) struct Job {
    pub(crate) client: ClientId,
    /// Somebody waits for this very job: its record is not for others.
    pub(crate) waited: bool,
    /// What becomes of the job.
    pub(crate) record: Record,
    /// How long hardware may work on it.
    pub(crate) timeout: Delta,
    /// As submitted.
    pub(crate) request: Request,
    /// As the engine sees it.
    pub(crate) transfer: Transfer,
    /// Memory behind `transfer`.
    pub(crate) lent: Lent,
    /// How far hardware came with it.
    pub(crate) progress: Progress,
    /// It has ended, and is one of those that unbind waits for.
    pub(crate) unsettled: bool,
    /// Tells the waiting submitter, if `waited`.
    pub(crate) wake: Arc<Completion>,
}

impl Job {
    /// An empty job of `client`.
    pub(crate) fn new(client: ClientId) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                client,
                waited: false,
                record: Record::default(),
                timeout: Delta::ZERO,
                request: Request::default(),
                transfer: Transfer::default(),
                lent: Lent::Nothing,
                progress: Progress::NotStarted,
                unsettled: false,
                wake: Arc::pin_init(Completion::new(), GFP_KERNEL_ACCOUNT)?,
            },
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// What will tell the submitter of this job, which is not started yet or not known to others.
    pub(crate) fn wake(&self) -> Arc<Completion> {
        self.wake.reset();
        self.wake.clone()
    }

    /// What is left to do before the record can be given to the caller: copies what has arrived to
    /// its memory, and unpins what was locked by others before. May sleep for as long as user space
    /// likes.
    ///
    /// Returns the status for this caller. The job may be given to another one yet, whose memory is
    /// another.
    pub(crate) fn wind_up(&mut self) -> i32 {
        self.lent.release(Patience::Sleep);
        match self.lent.copy_out(&self.request) {
            Ok(()) => self.record.status,
            Err(_) => EFAULT.to_errno(),
        }
    }

    /// Leaks what hardware may still access.
    pub(crate) fn abandon(&mut self, hw: &Hardware<'_>) {
        core::mem::take(&mut self.lent).abandon(hw);
        lent::leak(self.transfer.chains.take());
    }
}

impl Entry for KBox<Job> {
    fn client(&self) -> ClientId {
        self.client
    }

    fn cookie(&self) -> u64 {
        self.record.cookie
    }

    fn set_cookie(&mut self, cookie: u64) {
        self.record.cookie = cookie;
    }

    fn is_waited(&self) -> bool {
        self.waited
    }

    fn stop_waiting(&mut self) {
        self.waited = false;
    }

    fn ended_at(&self) -> u64 {
        self.record.complete_ns
    }
}
