// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that belongs to one client.

use kernel::prelude::*;

use crate::raw;

use super::{
    fifo::{
        Fifo,
        Storage, //
    },
    Entry, //
};

/// The state of one client.
pub(super) struct Client<J, W> {
    /// The condition variable on which the client's threads sleep.
    pub(super) waiters: W,
    /// Jobs that are not in use.
    pub(super) free: KVec<J>,
    /// Number of jobs that exist, at most the depth.
    pub(super) made: usize,
    /// Jobs that are pending, running or deferred, or whose records a call is about to return.
    pub(super) active: KVec<Active>,
    /// Jobs that are done, oldest first.
    pub(super) done: Fifo<J>,
    /// Jobs that are done and for which the submitter waits.
    pub(super) sync_done: KVec<J>,
    pub(super) next_cookie: u64,
}

impl<J: Entry, W> Client<J, W> {
    /// Takes a job from the done list with `take`, and lists it as active.
    pub(super) fn give(&mut self, take: impl FnOnce(&mut Fifo<J>) -> Option<J>) -> Option<J> {
        let job = take(&mut self.done)?;
        // Cannot fail: the capacity is that of all jobs of the client.
        let _ = self.active.push_within_capacity(Active {
            cookie: job.cookie(),
            sync: false,
            at: At::Given,
        });
        Some(job)
    }

    /// Removes a job from the active ones.
    pub(super) fn remove_active(&mut self, cookie: u64) {
        if let Some(at) = self.active.iter().position(|job| job.cookie == cookie) {
            let last = self.active.pop();
            if let (Some(last), Some(slot)) = (last, self.active.get_mut(at)) {
                *slot = last;
            }
        }
    }

    /// Takes a job that is done and for which the submitter waits.
    pub(super) fn take_sync(&mut self, cookie: u64) -> Option<J> {
        let at = self
            .sync_done
            .iter()
            .position(|job| job.cookie() == cookie)?;
        let last = self.sync_done.pop()?;
        Some(match self.sync_done.get_mut(at) {
            Some(slot) => core::mem::replace(slot, last),
            None => last,
        })
    }
}

/// An active job: one whose record no call has returned yet, as other calls see it.
#[derive(Clone, Copy)]
pub(super) struct Active {
    pub(super) cookie: u64,
    pub(super) sync: bool,
    pub(super) at: At,
}

/// The progress of an active job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Pending or running.
    Work,
    /// The job has ended and is deferred: it cannot be cancelled any more.
    Deferred,
    /// A call has taken the job to return its record.
    Given,
}

/// Memory for a new client, allocated ahead of [`Queue::add_client`](super::Queue::add_client).
pub(crate) struct ClientStorage<J, W> {
    pub(super) client: Option<Client<J, W>>,
    pub(super) pending: Storage<J>,
    pub(super) deferred: Storage<J>,
    pub(super) clients: KVVec<Option<Client<J, W>>>,
}

impl<J, W> ClientStorage<J, W> {
    /// Allocates the storage of a client with `depth` jobs, and tables for `slots` clients unless
    /// that is 0.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(depth: usize, slots: usize, waiters: W) -> Result<Self> {
        let jobs = slots.checked_mul(depth).ok_or(ENOMEM)?;
        let mut clients = KVVec::with_capacity(slots, raw::user_sized())?;
        for _ in 0..slots {
            clients.push(None, raw::user_sized())?;
        }
        Ok(Self {
            client: Some(Client {
                waiters,
                free: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
                made: 0,
                active: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
                done: Fifo::with_capacity(depth)?,
                sync_done: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
                next_cookie: 1,
            }),
            pending: Storage::new(jobs)?,
            deferred: Storage::new(jobs)?,
            clients,
        })
    }
}
