// SPDX-License-Identifier: GPL-2.0

//! The queue of a channel: the jobs that are pending, running or done, and the client of each.
//!
//! Plain logic without locks, hardware or time. Each job is in exactly one of these places:
//!
//! ```text
//!            reserve          submit          start             deliver         take
//!   free ───────────▶ caller ───────▶ pending ─────▶ running ──────────▶ done ───────▶ caller
//!     ▲                 │                │              │                 ▲            │
//!     │                 │                └──────────────┴──▶ deferred ────┘            │
//!     │                 │                            defer           deliver           │
//!     └─────────────────┴──────────────── recycle ─────────────────────────────────────┘
//! ```
//!
//! A pending job that is cancelled is delivered from the pending list. A job is deferred if its
//! memory cannot be unmapped in the context where it ends.
//!
//! Only adding a client allocates, so everything else can be done under a spin lock and in
//! interrupt context.

use kernel::prelude::*;

use self::{
    client::{
        Active,
        At,
        Client, //
    },
    fifo::Fifo, //
};

mod client;
pub(crate) mod fifo;

pub(crate) use self::client::ClientStorage;

/// Slots for clients that a queue has when its first client is added.
const FIRST_SLOTS: usize = 4;

/// Identifies a client of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(usize);

/// The properties of a job that the queue needs.
pub(crate) trait Entry {
    /// Returns the client that the job belongs to.
    fn client(&self) -> ClientId;
    /// Returns the job's number among those of its client.
    fn cookie(&self) -> u64;
    /// Sets that number.
    fn set_cookie(&mut self, cookie: u64);
    /// Returns whether the submitter waits for the job, so that no other call may take its record.
    fn is_sync(&self) -> bool;
    /// Lets every call of the client take the record.
    fn make_async(&mut self);
    /// Returns when the job ended. Records are delivered in this order.
    fn ended_at(&self) -> u64;
}

/// The state of a channel, on which it depends whether jobs are accepted and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Jobs are accepted and started.
    Live,
    /// Hardware did not stop.
    Dead,
    /// The device is unbound.
    Unbound,
}

impl Phase {
    /// Returns the error for a job that is submitted in this state, or `Ok` if it is accepted.
    pub(crate) fn accepts(self) -> Result {
        match self {
            Phase::Live => Ok(()),
            Phase::Dead => Err(EIO),
            Phase::Unbound => Err(ENODEV),
        }
    }
}

/// The result of [`Queue::reserve`].
pub(crate) enum Reserved<J> {
    /// A job that was used before.
    Job(J),
    /// The client has fewer jobs than it may have: the caller may allocate one.
    Make,
    /// All jobs of the client are in use.
    Full,
}

/// The state of a job, as WAIT and CANCEL see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// In the queue.
    Pending,
    /// On the hardware.
    Running,
    /// Done: the record is ready, or a call is about to return it.
    Done,
    /// Unknown: no such job was submitted, or its record was taken.
    Unknown,
}

/// The queue of a channel.
pub(crate) struct Queue<J, W> {
    phase: Phase,
    /// Hardware is being stopped: no job is started.
    held: bool,
    /// The system is suspended: no job is started, whatever `held` says.
    suspended: bool,
    pending: Fifo<J>,
    running: Option<J>,
    /// Jobs that have ended and whose memory is still to be unmapped.
    deferred: Fifo<J>,
    clients: KVVec<Option<Client<J, W>>>,
    depth: usize,
}

impl<J: Entry, W> Queue<J, W> {
    /// Returns an empty queue in which each client may have `depth` jobs.
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

    /// Returns the state of the queue.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Stops accepting jobs, because of `phase`. [`Phase::Unbound`] is final.
    pub(crate) fn end(&mut self, phase: Phase) {
        if self.phase != Phase::Unbound {
            self.phase = phase;
        }
    }

    /// Returns the number of slots that the queue must grow to before a client can be added; 0 if a
    /// slot is free.
    pub(crate) fn wanted_slots(&self) -> usize {
        if self.clients.iter().any(Option::is_none) {
            0
        } else {
            (self.clients.len() * 2).max(FIRST_SLOTS)
        }
    }

    /// Adds a client. Returns `None` if other threads have taken the slots since the storage was
    /// allocated: the caller then allocates more. The caller frees what is left in the storage,
    /// outside of locks.
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

    /// Removes a client whose jobs have all ended, and returns its state, to be dropped outside of
    /// locks.
    pub(crate) fn remove_client(&mut self, id: ClientId) -> Option<impl Sized + use<J, W>> {
        self.clients.get_mut(id.0)?.take()
    }

    /// Returns the waiters of a client.
    pub(crate) fn waiters(&self, id: ClientId) -> Option<&W> {
        Some(&self.clients.get(id.0)?.as_ref()?.waiters)
    }

    /// Returns the waiters of all clients.
    pub(crate) fn all_waiters(&self) -> impl Iterator<Item = &W> {
        self.clients.iter().flatten().map(|client| &client.waiters)
    }

    fn client(&mut self, id: ClientId) -> Option<&mut Client<J, W>> {
        self.clients.get_mut(id.0)?.as_mut()
    }

    /// Takes one of the client's unused jobs.
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

    /// Returns whether [`Queue::reserve`] would return a job or allow one to be allocated.
    pub(crate) fn has_free_job(&self, id: ClientId) -> bool {
        self.clients
            .get(id.0)
            .and_then(Option::as_ref)
            .is_some_and(|client| !client.free.is_empty() || client.made < self.depth)
    }

    /// Takes back a job that was reserved or whose record was taken; `None` if it could not be
    /// allocated.
    pub(crate) fn recycle(&mut self, id: ClientId, job: Option<J>) {
        if let Some(job) = &job {
            self.remove_active(id, job.cookie());
        }
        if let Some(client) = self.client(id) {
            match job {
                // Cannot fail: the capacity is that of all jobs of the client.
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
        // There is capacity for all jobs of the client, here and in `pending`.
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

    /// Returns whether a job may be started if hardware is idle.
    fn may_start(&self) -> bool {
        self.phase == Phase::Live && !self.held && !self.suspended
    }

    /// Returns whether hardware is idle and a job submitted now would be the next to start.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.pending.is_empty() && self.may_start()
    }

    /// Takes a cookie for a job that is started directly, without [`Queue::submit`]. Returns `None`
    /// if the client has no space for another active job, so that [`Queue::run`] cannot fail.
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
            // Cannot fail: `number()` has checked the capacity.
            let _ = client.active.push_within_capacity(active);
        }
        self.running = Some(job);
    }

    /// Makes the oldest pending job the running one, if hardware is idle and jobs may be started.
    pub(crate) fn start_next(&mut self) -> Option<&mut J> {
        if self.running.is_some() || !self.may_start() {
            return None;
        }
        self.running = Some(self.pending.pop()?);
        self.running.as_mut()
    }

    /// Returns the running job.
    pub(crate) fn running(&mut self) -> Option<&mut J> {
        self.running.as_mut()
    }

    /// Takes the running job, with which hardware is done.
    pub(crate) fn finish(&mut self) -> Option<J> {
        self.running.take()
    }

    /// Forbids the start of jobs, or allows it again.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Forbids the start of jobs while the system is suspended. Returns whether it was forbidden
    /// before.
    ///
    /// Independent of [`Queue::hold`], so that stopping hardware meanwhile starts no job.
    pub(crate) fn suspend(&mut self, suspended: bool) -> bool {
        core::mem::replace(&mut self.suspended, suspended)
    }

    /// Takes the oldest pending job out of the queue.
    pub(crate) fn withdraw_any(&mut self) -> Option<J> {
        self.pending.pop()
    }

    /// Takes the oldest pending job of a client out of the queue.
    pub(crate) fn withdraw_of(&mut self, id: ClientId) -> Option<J> {
        self.pending.remove(|job| job.client() == id)
    }

    /// Takes the pending job with this cookie out of the queue.
    pub(crate) fn withdraw(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        // Looked up among the client's own jobs first: most pending jobs may be those of other
        // clients.
        if !self.active(id).iter().any(|job| job.cookie == cookie) {
            return None;
        }
        self.pending
            .remove(|job| job.client() == id && job.cookie() == cookie)
    }

    fn remove_active(&mut self, id: ClientId, cookie: u64) {
        if let Some(client) = self.client(id) {
            client.remove_active(cookie);
        }
    }

    /// Keeps a job that has ended until its memory is unmapped. Returns it if there is no space for
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

    /// Returns whether a job is deferred.
    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes the oldest deferred job, to deliver it.
    pub(crate) fn take_deferred(&mut self) -> Option<J> {
        self.deferred.pop()
    }

    /// Makes the record of a job that has ended available to its client. Returns the job if the
    /// client does not exist any more, which does not happen.
    pub(crate) fn deliver(&mut self, job: J) -> Result<(), J> {
        let id = job.client();
        self.remove_active(id, job.cookie());
        let Some(client) = self.client(id) else {
            return Err(job);
        };
        if job.is_sync() {
            // Cannot fail: the capacity is that of all jobs of the client.
            let _ = client.sync_done.push_within_capacity(job);
            Ok(())
        } else {
            client.done.push(job)
        }
    }

    /// Returns the state of a job.
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

    /// Returns whether a job is active and any call of its client may take its record.
    pub(crate) fn expects(&self, id: ClientId, cookie: u64) -> bool {
        self.active(id)
            .iter()
            .any(|job| job.cookie == cookie && !job.sync)
    }

    /// Returns whether a job is pending, running or deferred.
    pub(crate) fn has_record_to_come(&self, id: ClientId, cookie: u64) -> bool {
        self.active(id)
            .iter()
            .any(|job| job.cookie == cookie && job.at != At::Given)
    }

    /// Returns the number of jobs that were submitted and whose records were not taken yet.
    pub(crate) fn jobs_out(&self) -> usize {
        self.clients
            .iter()
            .flatten()
            .map(|client| client.active.len() + client.done.len() + client.sync_done.len())
            .sum()
    }

    /// Returns whether any job of a client is active.
    pub(crate) fn is_active(&self, id: ClientId) -> bool {
        !self.active(id).is_empty()
    }

    fn active(&self, id: ClientId) -> &[Active] {
        match self.clients.get(id.0) {
            Some(Some(client)) => &client.active,
            _ => &[],
        }
    }

    /// Returns whether the running job is one of this client.
    pub(crate) fn runs_for(&self, id: ClientId) -> bool {
        self.running.as_ref().is_some_and(|job| job.client() == id)
    }

    /// Returns whether a record is ready.
    pub(crate) fn has_record(&self, id: ClientId) -> bool {
        self.clients
            .get(id.0)
            .and_then(Option::as_ref)
            .is_some_and(|client| !client.done.is_empty())
    }

    /// Takes the oldest job that is done. Other calls see it as active until it is recycled or put
    /// back.
    pub(crate) fn take(&mut self, id: ClientId) -> Option<J> {
        self.client(id)?.give(|done| done.pop())
    }

    /// Puts a job that was taken back to its place: before the jobs that ended later.
    pub(crate) fn put_back(&mut self, job: J) {
        self.remove_active(job.client(), job.cookie());
        if let Some(client) = self.client(job.client()) {
            let ended = job.ended_at();
            // Cannot fail: the job's slot is still free.
            let _ = client
                .done
                .push_before(job, |other| other.ended_at() > ended);
        }
    }

    /// Takes the done job with this cookie; see [`Queue::take`].
    pub(crate) fn take_cookie(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        self.client(id)?
            .give(|done| done.remove(|job| job.cookie() == cookie))
    }

    /// Turns the job of a submitter that stops waiting into an asynchronous one, whose record any
    /// call of the client may take; or returns the job if it is done. The caller ensures that the
    /// job is not moving: it is pending, running or done.
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

    /// Takes the finished synchronous job with this cookie. Only its submitter calls this.
    pub(crate) fn take_sync(&mut self, id: ClientId, cookie: u64) -> Option<J> {
        self.client(id)?.take_sync(cookie)
    }
}
