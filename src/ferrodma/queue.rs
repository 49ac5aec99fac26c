// SPDX-License-Identifier: GPL-2.0

//! The queue of a channel: which jobs wait, which one runs, which are done, and whose they are.
//!
//! Plain logic without locks, hardware or time. A job goes this way, owned by exactly one place:
//!
//! ```text
//!            reserve          submit          start            deliver         take
//!   free ───────────▶ caller ───────▶ pending ─────▶ running ─────────▶ done ───────▶ caller
//!     ▲                 │                │              │                ▲            │
//!     │                 │                └──────────────┴──▶ deferred ─────┘            │
//!     │                 │                           defer           deliver            │
//!     └─────────────────┴───────────────── recycle ───────────────────────────────────┘
//! ```
//!
//! A pending job that is cancelled is delivered from where it is. A job is deferred if its memory
//! cannot be given back where it ends.
//!
//! Nothing here allocates except where a client is added, so that all else can be done under a spin
//! lock and in interrupt context.

use kernel::prelude::*;

use crate::{
    queue::fifo::{
        Fifo,
        Storage, //
    },
    raw, //
};

pub(crate) mod fifo;

/// Slots for clients in a queue that gets its first one.
const FIRST_SLOTS: usize = 4;

/// Names a client of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(usize);

/// What the queue has to know of a job.
pub(crate) trait Entry {
    /// Whose it is.
    fn client(&self) -> ClientId;
    /// Its number among the client's.
    fn cookie(&self) -> u64;
    /// Gives it a number.
    fn set_cookie(&mut self, cookie: u64);
    /// Whether its submitter waits for it, so that nobody else may take it when it is done.
    fn is_sync(&self) -> bool;
    /// Leaves its record to every call of the client.
    fn make_async(&mut self);
    /// When it has ended. Jobs are delivered in this order.
    fn ended_at(&self) -> u64;
}

/// Whether jobs are accepted and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They are.
    Live,
    /// Hardware did not stop.
    Dead,
    /// The device is unbound.
    Unbound,
}

impl Phase {
    /// The error of those who come too late.
    pub(crate) fn accepts(self) -> Result {
        match self {
            Phase::Live => Ok(()),
            Phase::Dead => Err(EIO),
            Phase::Unbound => Err(ENODEV),
        }
    }
}

/// What one client has.
struct Client<J, W> {
    /// What its sleepers wait for.
    waiters: W,
    /// Jobs that are not in use.
    free: KVec<J>,
    /// Jobs that exist, at most the depth.
    made: usize,
    /// Jobs that are pending, running or deferred, or whose records are being given to somebody.
    active: KVec<Active>,
    /// Jobs that are done, oldest first.
    done: Fifo<J>,
    /// Jobs that are done and whose submitter waits.
    sync_done: KVec<J>,
    next_cookie: u64,
}

impl<J: Entry, W> Client<J, W> {
    /// Takes a job off the done ones.
    fn give(&mut self, take: impl FnOnce(&mut Fifo<J>) -> Option<J>) -> Option<J> {
        let job = take(&mut self.done)?;
        // Cannot fail: there is capacity for as many as are made.
        let _ = self.active.push_within_capacity(Active {
            cookie: job.cookie(),
            sync: false,
            at: At::Given,
        });
        Some(job)
    }
}

/// A job whose record is still to come, for all that others can tell.
#[derive(Clone, Copy)]
struct Active {
    cookie: u64,
    sync: bool,
    at: At,
}

/// How far such a job is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Pending or running.
    Work,
    /// It has ended and is deferred: nothing can be done about it any more.
    Deferred,
    /// A call has taken it to give its record.
    Given,
}

/// The answer to [`Queue::reserve`].
pub(crate) enum Reserved<J> {
    /// A job that was used before.
    Job(J),
    /// The caller may make one.
    Make,
    /// All are in use.
    Full,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// In the queue.
    Pending,
    /// With hardware.
    Running,
    /// Done; its record waits, or is on its way.
    Done,
    /// Unknown: there was none, or its record was taken.
    Unknown,
}

/// The queue of a channel.
pub(crate) struct Queue<J, W> {
    phase: Phase,
    /// Hardware is being stopped: nothing is started.
    held: bool,
    /// The system is suspended: nothing is started, whatever `held` says.
    suspended: bool,
    pending: Fifo<J>,
    running: Option<J>,
    /// Jobs that have ended and whose memory is still to be given back.
    deferred: Fifo<J>,
    clients: KVVec<Option<Client<J, W>>>,
    depth: usize,
}

/// Memory for a new client, allocated ahead of [`Queue::add_client`].
pub(crate) struct ClientStorage<J, W> {
    client: Option<Client<J, W>>,
    pending: Storage<J>,
    deferred: Storage<J>,
    clients: KVVec<Option<Client<J, W>>>,
}

impl<J, W> ClientStorage<J, W> {
    /// Allocates what a client needs that may have `depth` jobs, and tables for `slots` clients unless
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

impl<J: Entry, W> Queue<J, W> {
    /// An empty queue in which each client may have `depth` jobs.
    pub(crate) const fn new(depth: usize) -> Self {
        Self {
            phase: Phase::Live,
            held: false,
            suspended: false,
            pending: Fifo::new(),
            running: None,
            deferred: Fifo::new(),
            clients: KVVec::new(),
            depth,
        }
    }

    /// Whether jobs are accepted.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Ends the acceptance of jobs. From [`Phase::Unbound`] there is no way back.
    pub(crate) fn end(&mut self, phase: Phase) {
        if self.phase != Phase::Unbound {
            self.phase = phase;
        }
    }

    /// How many slots for clients the queue must grow to before there is one for another client; 0
    /// where it need not grow.
    pub(crate) fn wanted_slots(&self) -> usize {
        if self.clients.iter().any(Option::is_none) {
            0
        } else {
            (self.clients.len() * 2).max(FIRST_SLOTS)
        }
    }

    /// Adds a client. None if others have taken slots since the storage was allocated: the caller
    /// allocates more. The caller frees what is left in the storage outside of locks.
    pub(crate) fn add_client(&mut self, storage: &mut ClientStorage<J, W>) -> Option<ClientId> {
        let slot = match self.clients.iter().position(Option::is_none) {
            Some(slot) => slot,
            None => {
                let slot = self.clients.len();
                if storage.clients.len() <= slot {
                    return None;
                }
                for (from, to) in self.clients.iter_mut().zip(storage.clients.iter_mut()) {
                    core::mem::swap(from, to);
                }
                core::mem::swap(&mut self.clients, &mut storage.clients);
                slot
            }
        };
        *self.clients.get_mut(slot)? = storage.client.take();
        self.pending.replace_storage(&mut storage.pending);
        self.deferred.replace_storage(&mut storage.deferred);
        Some(ClientId(slot))
    }

    /// Removes a client, whose jobs have all ended, and returns what it had.
    pub(crate) fn remove_client(&mut self, id: ClientId) -> Option<impl Sized + use<J, W>> {
        self.clients.get_mut(id.0)?.take()
    }

    /// Returns what the sleepers of a client wait for.
    pub(crate) fn waiters(&self, id: ClientId) -> Option<&W> {
        Some(&self.clients.get(id.0)?.as_ref()?.waiters)
    }

    /// That of all clients.
    pub(crate) fn all_waiters(&self) -> impl Iterator<Item = &W> {
        self.clients.iter().flatten().map(|client| &client.waiters)
    }

    fn client(&mut self, id: ClientId) -> Option<&mut Client<J, W>> {
        self.clients.get_mut(id.0)?.as_mut()
    }

    /// Takes one of the client's jobs to prepare it.
    pub(crate) fn reserve(&mut self, id: ClientId) -> Result<Reserved<J>> {
        self.phase.accepts()?;
        let depth = self.depth;
        let client = self.client(id).ok_or(ENODEV)?;
        Ok(if let Some(job) = client.free.pop() {
            Reserved::Job(job)
        } else if client.made < depth {
            client.made += 1;
            Reserved::Make
        } else {
            Reserved::Full
        })
    }

    /// Whether [`Queue::reserve`] would find a job.
    pub(crate) fn has_free_job(&self, id: ClientId) -> bool {
        self.clients
            .get(id.0)
            .and_then(Option::as_ref)
            .is_some_and(|client| !client.free.is_empty() || client.made < self.depth)
    }

    /// Gives back a job that was reserved, or taken; none if it could not be made.
    pub(crate) fn recycle(&mut self, id: ClientId, job: Option<J>) {
        if let Some(job) = &job {
            self.remove_active(id, job.cookie());
        }
        if let Some(client) = self.client(id) {
            match job {
                // Cannot fail: there is capacity for as many as are made.
                Some(job) => drop(client.free.push_within_capacity(job)),
                None => client.made -= 1,
            }
        }
    }

    /// Queues a job and returns its cookie.
    pub(crate) fn submit(&mut self, mut job: J) -> Result<u64, (Error, J)> {
        if let Err(error) = self.phase.accepts() {
            return Err((error, job));
        }
        let sync = job.is_sync();
        let Some(client) = self.client(job.client()) else {
            return Err((ENODEV, job));
        };
        let cookie = client.next_cookie;
        job.set_cookie(cookie);
        // There is capacity for as many as are made, here and in `pending`.
        let active = Active {
            cookie,
            sync,
            at: At::Work,
        };
        if client.active.push_within_capacity(active).is_err() {
            return Err((ENOMEM, job));
        }
        client.next_cookie += 1;
        match self.pending.push(job) {
            Ok(()) => Ok(cookie),
            Err(job) => {
                self.remove_active(job.client(), cookie);
                Err((ENOMEM, job))
            }
        }
    }

    /// Whether a job may be started on hardware that is free.
    fn may_start(&self) -> bool {
        self.phase == Phase::Live && !self.held && !self.suspended
    }

    /// Whether hardware is free and a job that came now would be the next.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.pending.is_empty() && self.may_start()
    }

    /// Takes a number for a job of a client that is started in the place of [`Queue::submit`], and
    /// promises that there is room for [`Queue::run`].
    pub(crate) fn number(&mut self, id: ClientId) -> Option<u64> {
        let client = self.client(id)?;
        if client.active.len() == client.active.capacity() {
            return None;
        }
        let cookie = client.next_cookie;
        client.next_cookie += 1;
        Some(cookie)
    }

    /// Makes a job that was started while the queue was idle the running one.
    pub(crate) fn run(&mut self, job: J) {
        let active = Active {
            cookie: job.cookie(),
            sync: job.is_sync(),
            at: At::Work,
        };
        if let Some(client) = self.client(job.client()) {
            // There is room, as `number()` has seen.
            let _ = client.active.push_within_capacity(active);
        }
        self.running = Some(job);
    }

    /// Makes the oldest pending job the running one, if hardware is free to take it.
    pub(crate) fn start_next(&mut self) -> Option<&mut J> {
        if self.running.is_some() || !self.may_start() {
            return None;
        }
        self.running = Some(self.pending.pop()?);
        self.running.as_mut()
    }

    /// The job that hardware works on.
    pub(crate) fn running(&mut self) -> Option<&mut J> {
        self.running.as_mut()
    }

    /// Takes the running job from hardware, which is done with it.
    pub(crate) fn finish(&mut self) -> Option<J> {
        self.running.take()
    }

    /// Holds back the start of jobs, or lets them go on.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Holds back the start of jobs for as long as the system is suspended. Returns whether it was.
    ///
    /// Independent of [`Queue::hold`]: stopping hardware meanwhile starts nothing.
    pub(crate) fn suspend(&mut self, suspended: bool) -> bool {
        core::mem::replace(&mut self.suspended, suspended)
    }

    /// Takes any pending job out of the queue.
    pub(crate) fn withdraw_any(&mut self) -> Option<J> {
        self.pending.pop()
    }

    /// Takes a pending job of one client out of the queue.
    pub(crate) fn withdraw_of(&mut self, id: ClientId) -> Option<J> {
        self.pending.remove(|job| job.client() == id)
    }

    /// Takes one pending job out of the queue.
    pub(crate) fn withdraw(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        // Most of what is pending may be others'.
        if !self.active(id).iter().any(|job| job.cookie == cookie) {
            return None;
        }
        self.pending
            .remove(|job| job.client() == id && job.cookie() == cookie)
    }

    fn remove_active(&mut self, id: ClientId, cookie: u64) {
        if let Some(client) = self.client(id) {
            if let Some(at) = client.active.iter().position(|job| job.cookie == cookie) {
                let last = client.active.pop();
                if let (Some(last), Some(slot)) = (last, client.active.get_mut(at)) {
                    *slot = last;
                }
            }
        }
    }

    /// Keeps a job that has ended until its memory is given back. Returns it if there is no room for
    /// it, which does not happen.
    pub(crate) fn defer(&mut self, job: J) -> Result<(), J> {
        let (id, cookie) = (job.client(), job.cookie());
        if let Some(client) = self.client(id) {
            for active in client.active.iter_mut().filter(|job| job.cookie == cookie) {
                active.at = At::Deferred;
            }
        }
        self.deferred.push(job)
    }

    /// Whether a job is deferred.
    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes the oldest job that is deferred, to deliver it.
    pub(crate) fn take_deferred(&mut self) -> Option<J> {
        self.deferred.pop()
    }

    /// Puts a job that has ended where its record will be taken. Gives it back if its client is not
    /// there any more, which does not happen.
    pub(crate) fn deliver(&mut self, job: J) -> Result<(), J> {
        let id = job.client();
        self.remove_active(id, job.cookie());
        let Some(client) = self.client(id) else {
            return Err(job);
        };
        if job.is_sync() {
            // Cannot fail: there is capacity.
            let _ = client.sync_done.push_within_capacity(job);
            Ok(())
        } else {
            client.done.push(job)
        }
    }

    /// Returns where a job is.
    pub(crate) fn job_state(&mut self, id: ClientId, cookie: u64) -> JobState {
        if let Some(job) = &self.running {
            if job.client() == id && job.cookie() == cookie {
                return JobState::Running;
            }
        }
        let Some(client) = self.client(id) else {
            return JobState::Unknown;
        };
        if let Some(active) = client.active.iter().find(|job| job.cookie == cookie) {
            if active.at != At::Work {
                JobState::Done
            } else {
                JobState::Pending
            }
        } else if client.done.iter().any(|job| job.cookie() == cookie) {
            JobState::Done
        } else {
            JobState::Unknown
        }
    }

    /// Whether a job is pending or running whose record anyone may take.
    pub(crate) fn expects(&self, id: ClientId, cookie: u64) -> bool {
        self.active(id)
            .iter()
            .any(|job| job.cookie == cookie && !job.sync)
    }

    /// Whether a job is pending, running or deferred.
    pub(crate) fn has_record_to_come(&self, id: ClientId, cookie: u64) -> bool {
        self.active(id)
            .iter()
            .any(|job| job.cookie == cookie && job.at != At::Given)
    }

    /// How many jobs were submitted whose records are not taken yet.
    pub(crate) fn jobs_out(&self) -> usize {
        self.clients
            .iter()
            .flatten()
            .map(|client| client.active.len() + client.done.len() + client.sync_done.len())
            .sum()
    }

    /// Whether any job of a client is pending or running.
    pub(crate) fn is_active(&self, id: ClientId) -> bool {
        !self.active(id).is_empty()
    }

    fn active(&self, id: ClientId) -> &[Active] {
        match self.clients.get(id.0) {
            Some(Some(client)) => &client.active,
            _ => &[],
        }
    }

    /// Whether the running job is this client's.
    pub(crate) fn runs_for(&self, id: ClientId) -> bool {
        self.running.as_ref().is_some_and(|job| job.client() == id)
    }

    /// Whether a record waits.
    pub(crate) fn has_record(&self, id: ClientId) -> bool {
        self.clients
            .get(id.0)
            .and_then(Option::as_ref)
            .is_some_and(|client| !client.done.is_empty())
    }

    /// Takes the oldest job that is done. Others see it as active until it is recycled or untaken.
    pub(crate) fn take(&mut self, id: ClientId) -> Option<J> {
        self.client(id)?.give(|done| done.pop())
    }

    /// Puts back a job that was taken, where it was: before those that have ended later.
    pub(crate) fn put_back(&mut self, job: J) {
        self.remove_active(job.client(), job.cookie());
        if let Some(client) = self.client(job.client()) {
            let ended = job.ended_at();
            // Cannot fail: the place that it had is free.
            let _ = client
                .done
                .push_before(job, |other| other.ended_at() > ended);
        }
    }

    /// Takes a job that is done; see [`Queue::take`].
    pub(crate) fn take_cookie(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        self.client(id)?
            .give(|done| done.remove(|job| job.cookie() == cookie))
    }

    /// Makes the job of a submitter that stops waiting an ordinary one, whose record any of the
    /// client's callers may take; or returns it if it is done. The caller sees to it that the job is
    /// on its way nowhere: it is in the queue, with hardware, or done.
    pub(crate) fn make_async(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        if let Some(job) = self.take_sync(id, cookie) {
            return Some(job);
        }
        let is_it = |job: &J| job.client() == id && job.cookie() == cookie;
        let job = match &mut self.running {
            Some(job) if is_it(job) => Some(job),
            _ => self.pending.find_mut(is_it),
        };
        if let Some(job) = job {
            job.make_async();
        }
        if let Some(client) = self.client(id) {
            for active in client.active.iter_mut().filter(|job| job.cookie == cookie) {
                active.sync = false;
            }
        }
        None
    }

    /// Takes a job that is done and whose submitter is the caller.
    pub(crate) fn take_sync(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        let done = &mut self.client(id)?.sync_done;
        let at = done.iter().position(|job| job.cookie() == cookie)?;
        let last = done.pop()?;
        Some(match done.get_mut(at) {
            Some(slot) => core::mem::replace(slot, last),
            None => last,
        })
    }
}
