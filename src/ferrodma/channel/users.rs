// SPDX-License-Identifier: GPL-2.0

//! The users of a channel, between which its queue shares hardware.

use kernel::{
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use crate::{
    job::Job,
    mm::user::User,
    queue::{
        QueueId,
        UserQueue, //
    }, //
};

/// The users that have clients.
pub(super) struct Users(RBTree<usize, Share>);

/// A user, and how many clients it has.
struct Share {
    /// Keeps the key from being reused.
    _user: ARef<User>,
    queue: Arc<UserQueue<KBox<Job>>>,
    clients: usize,
}

/// Identifies a user of a channel: the address of the kernel's structure.
#[derive(Clone, Copy)]
pub(super) struct UserId(usize);

impl Users {
    /// Returns an empty set of users.
    pub(super) fn new() -> Self {
        Self(RBTree::new())
    }

    /// Returns the calling task's user, for another client of `queue`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn join(&mut self, queue: QueueId) -> Result<(UserId, Arc<UserQueue<KBox<Job>>>)> {
        let user = User::current();
        let key = core::ptr::from_ref(&*user).addr();
        if let Some(share) = self.0.get_mut(&key) {
            share.clients += 1;
            return Ok((UserId(key), share.queue.clone()));
        }
        let queue = UserQueue::new(queue)?;
        let share = Share {
            _user: user,
            queue: queue.clone(),
            clients: 1,
        };
        self.0
            .try_create_and_insert(key, share, GFP_KERNEL_ACCOUNT)?;
        Ok((UserId(key), queue))
    }

    /// Drops one client of a user.
    pub(super) fn leave(&mut self, user: UserId) {
        if let Some(share) = self.0.get_mut(&user.0) {
            share.clients -= 1;
            if share.clients == 0 {
                self.0.remove(&user.0);
            }
        }
    }
}
