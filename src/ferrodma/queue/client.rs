// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that belongs to one client.

use kernel::{
    list::{
        impl_list_arc_safe,
        impl_list_item,
        AtomicTracker,
        ListArc,
        ListLinks,
        TryNewListArc, //
    },
    prelude::*,
    sync::Arc, //
};

use super::{
    cell::{
        QueueCell,
        QueueId, //
    },
    fifo::Fifo,
    user::{
        Credit,
        UserQueue, //
    },
    Entry, //
};

/// One client of a queue. The last reference may be dropped in any context once the client is
/// removed.
#[pin_data]
pub(crate) struct ClientQueue<J: Entry> {
    /// The condition variable on which the client's threads sleep.
    pub(crate) waiters: J::Waiters,
    pub(super) user: Arc<UserQueue<J>>,
    pub(super) jobs: QueueCell<Jobs<J>>,
    #[pin]
    turn_links: ListLinks<0>,
    #[pin]
    turn_tracker: AtomicTracker<0>,
    #[pin]
    deferred_links: ListLinks<1>,
    #[pin]
    deferred_tracker: AtomicTracker<1>,
    #[pin]
    all_links: ListLinks<2>,
    #[pin]
    all_tracker: AtomicTracker<2>,
}

impl_list_arc_safe! {
    impl{J: Entry} ListArcSafe<0> for ClientQueue<J> { tracked_by turn_tracker: AtomicTracker<0>; }
    impl{J: Entry} ListArcSafe<1> for ClientQueue<J> {
        tracked_by deferred_tracker: AtomicTracker<1>;
    }
    impl{J: Entry} ListArcSafe<2> for ClientQueue<J> { tracked_by all_tracker: AtomicTracker<2>; }
}
// The lists are `Turns::clients`, `Queue::deferred` and `Queue::clients`.
impl_list_item! {
    impl{J: Entry} ListItem<0> for ClientQueue<J> { using ListLinks { self.turn_links }; }
    impl{J: Entry} ListItem<1> for ClientQueue<J> { using ListLinks { self.deferred_links }; }
    impl{J: Entry} ListItem<2> for ClientQueue<J> { using ListLinks { self.all_links }; }
}

impl<J: Entry> ClientQueue<J> {
    /// Returns a client of `user`, not yet added to the queue, that may have `depth` jobs.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        queue: QueueId,
        user: Arc<UserQueue<J>>,
        depth: usize,
        waiters: J::Waiters,
    ) -> Result<Arc<Self>> {
        let jobs = Jobs::new(depth)?;
        Arc::pin_init(
            try_pin_init!(Self {
                waiters,
                user,
                jobs: QueueCell::new(queue, jobs),
                turn_links <- ListLinks::new(),
                turn_tracker <- AtomicTracker::new(),
                deferred_links <- ListLinks::new(),
                deferred_tracker <- AtomicTracker::new(),
                all_links <- ListLinks::new(),
                all_tracker <- AtomicTracker::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }
}

/// The jobs of one client, and its places in the lists of the queue. Each list has space for all of
/// the jobs, so that adding to it cannot fail.
pub(super) struct Jobs<J: Entry> {
    /// Jobs that are not in use.
    pub(super) free: KVec<J>,
    /// Number of jobs that exist, at most the depth.
    pub(super) made: usize,
    /// Jobs that are pending, running or deferred, or whose records a call is about to return.
    pub(super) active: KVec<Active>,
    /// The client as an item of `Turns::clients`, while it is not in that list.
    pub(super) turn: Option<ListArc<ClientQueue<J>, 0>>,
    /// The client as an item of `Queue::deferred`, while it is not in that list.
    pub(super) deferral: Option<ListArc<ClientQueue<J>, 1>>,
    /// Jobs that wait for hardware, oldest first.
    pub(super) pending: Fifo<J>,
    /// What the client may still spend in its turn.
    pub(super) credit: Credit,
    /// Jobs that have ended and whose memory is still to be unmapped, oldest first.
    pub(super) deferred: Fifo<J>,
    /// Jobs that are done, oldest first.
    pub(super) done: Fifo<J>,
    /// Jobs that are done and for which the submitter waits.
    pub(super) sync_done: KVec<J>,
    pub(super) next_cookie: u64,
}

impl<J: Entry> Jobs<J> {
    /// Returns empty lists for `depth` jobs.
    pub(super) fn new(depth: usize) -> Result<Self> {
        Ok(Self {
            free: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
            made: 0,
            turn: None,
            deferral: None,
            active: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
            pending: Fifo::with_capacity(depth)?,
            credit: Credit::default(),
            deferred: Fifo::with_capacity(depth)?,
            done: Fifo::with_capacity(depth)?,
            sync_done: KVec::with_capacity(depth, GFP_KERNEL_ACCOUNT)?,
            next_cookie: 1,
        })
    }

    /// Returns lists without space, for a client that is removed.
    pub(super) const fn none() -> Self {
        Self {
            free: KVec::new(),
            made: 0,
            turn: None,
            deferral: None,
            active: KVec::new(),
            pending: Fifo::new(),
            credit: Credit::new(0),
            deferred: Fifo::new(),
            done: Fifo::new(),
            sync_done: KVec::new(),
            next_cookie: 1,
        }
    }

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

    /// Removes a job from the active ones. Returns whether it was one of them.
    pub(super) fn remove_active(&mut self, cookie: u64) -> bool {
        let Some(at) = self.active.iter().position(|job| job.cookie == cookie) else {
            return false;
        };
        let last = self.active.pop();
        if let (Some(last), Some(slot)) = (last, self.active.get_mut(at)) {
            *slot = last;
        }
        true
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
