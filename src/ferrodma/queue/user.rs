// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that belongs to one user, and whose turn it is.

use kernel::{
    list::{
        impl_list_arc_safe,
        impl_list_item,
        AtomicTracker,
        List,
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
    client::ClientQueue,
    Entry, //
};

/// The share of one user: all clients of a user together get as much as those of any other user.
#[pin_data]
pub(crate) struct UserQueue<J: Entry> {
    pub(super) turns: QueueCell<Turns<J>>,
    #[pin]
    links: ListLinks,
    #[pin]
    tracker: AtomicTracker,
}

/// The clients of a user that have pending jobs.
pub(super) struct Turns<J: Entry> {
    /// In the order of their turns.
    pub(super) clients: List<ClientQueue<J>>,
    pub(super) credit: Credit,
}

impl_list_arc_safe! {
    impl{J: Entry} ListArcSafe<0> for UserQueue<J> { tracked_by tracker: AtomicTracker; }
}
// The list is `Queue::users`.
impl_list_item! {
    impl{J: Entry} ListItem<0> for UserQueue<J> { using ListLinks { self.links }; }
}

impl<J: Entry> UserQueue<J> {
    /// Returns a user of a queue, without clients.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(queue: QueueId) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                turns: QueueCell::new(
                    queue,
                    Turns {
                        clients: List::new(),
                        credit: Credit::default(),
                    },
                ),
                links <- ListLinks::new(),
                tracker <- AtomicTracker::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }
}

/// The cost of a job besides its bytes: in the time that it takes to start a job and to notice its
/// end, an engine moves about this many bytes.
const JOB_COST: u64 = 4 << 10;

/// What a client, or a user, may still spend in this turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Credit(u64);

impl Credit {
    /// Returns the credit of a turn that begins.
    pub(super) const fn new(quantum: u64) -> Self {
        Self(quantum)
    }

    /// Spends what a job of `bytes` costs. Returns whether the turn is over; the credit is that of
    /// the next turn then, less what was spent of it.
    ///
    /// A job costs one `quantum` at most, so that none is passed over for several rounds.
    pub(super) fn spend(&mut self, bytes: u64, quantum: u64) -> bool {
        let cost = bytes.saturating_add(JOB_COST).min(quantum);
        if cost < self.0 {
            self.0 -= cost;
            return false;
        }
        // The credit is not 0, so that of the next turn is not either.
        self.0 += quantum - cost;
        true
    }
}
