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
//! # Turns
//!
//! Each client has lists of its own, so that no operation looks at the jobs of others, and what a
//! client had is freed when it is removed. The pending jobs of a client start in their order.
//! Between clients, hardware is shared by deficit round robin: over the users that have pending
//! jobs, and over the clients of a user. So opening more files does not get a user a larger share.
//! A turn is worth a quantum of bytes, which is the cost of the longest job.
//!
//! M. Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round-Robin", 1996.
//!
//! Nothing here allocates but [`ClientQueue::new`] and [`UserQueue::new`], so everything else can
//! be done under a spin lock and in interrupt context.

use kernel::{
    list::{
        List,
        ListArc, //
    },
    prelude::*,
    sync::Arc, //
};

use self::{
    client::{
        Active,
        At,
        Jobs, //
    },
    fifo::Fifo,
    user::Credit, //
};

mod cell;
mod client;
pub(crate) mod fifo;
mod user;

pub(crate) use self::{
    cell::QueueId,
    client::ClientQueue,
    user::UserQueue, //
};

/// The properties of a job that the queue needs.
pub(crate) trait Entry: Sized {
    /// On which the threads of a client sleep.
    type Waiters;

    /// Returns the client that the job belongs to.
    fn client(&self) -> &Arc<ClientQueue<Self>>;
    /// Returns the bytes that the job moves.
    fn bytes(&self) -> u64;
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

/// Returns a reference to a client that does not borrow what the client was reached by, so that
/// this can be moved.
///
/// # Safety
///
/// There is a counted reference to the client as long as the result is used.
unsafe fn outlive<'a, J: Entry>(client: &ClientQueue<J>) -> &'a ClientQueue<J> {
    // SAFETY: The caller promises that the client is not dropped. It is behind an `Arc`, so it does
    // not move.
    unsafe { &*core::ptr::from_ref(client) }
}

/// The queue of a channel.
pub(crate) struct Queue<J: Entry> {
    phase: Phase,
    /// Hardware is being stopped: no job is started.
    held: bool,
    /// The system is suspended: no job is started, whatever `held` says.
    suspended: bool,
    running: Option<J>,
    /// The users with pending jobs, in the order of their turns.
    users: List<UserQueue<J>>,
    /// The clients with deferred jobs, in the order of their turns.
    deferred: List<ClientQueue<J>, 1>,
    /// All clients.
    clients: List<ClientQueue<J>, 2>,
    nr_clients: usize,
    /// Jobs that were submitted and whose records were not taken yet.
    jobs_out: usize,
    depth: usize,
    /// What a turn is worth.
    quantum: u64,
}

impl<J: Entry> Queue<J> {
    /// Returns an empty queue in which each client may have `depth` jobs, and a turn is worth
    /// `quantum` bytes. It must not be moved once it has clients.
    pub(crate) const fn new(depth: usize, quantum: u64) -> Self {
        Self {
            phase: Phase::Live,
            held: false,
            suspended: false,
            running: None,
            users: List::new(),
            deferred: List::new(),
            clients: List::new(),
            nr_clients: 0,
            jobs_out: 0,
            depth,
            quantum,
        }
    }

    /// Returns the identity of the queue, for its users and clients.
    pub(crate) fn id(&self) -> QueueId {
        QueueId::of(self)
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

    /// Adds a client. Returns whether it did: it does not if the client is of another queue, or was
    /// added before.
    pub(crate) fn add_client(&mut self, client: &Arc<ClientQueue<J>>) -> bool {
        let Some(jobs) = client.jobs.get(self) else {
            return false;
        };
        let Some(item) = ListArc::try_from_arc_or_drop(client.clone()) else {
            return false;
        };
        jobs.turn = ListArc::try_from_arc_or_drop(client.clone());
        jobs.deferral = ListArc::try_from_arc_or_drop(client.clone());
        self.clients.push_back(item);
        self.nr_clients += 1;
        true
    }

    /// Removes a client whose jobs have all ended, and returns its jobs, to be dropped outside of
    /// locks.
    pub(crate) fn remove_client(&mut self, client: &ClientQueue<J>) -> Option<impl Sized + use<J>> {
        // SAFETY: A client is in no other list with these links.
        let item = unsafe { self.clients.remove(client) }?;
        self.nr_clients -= 1;
        // The caller has a reference, so this drops nothing.
        drop(item);
        // All of these refer to their client, so they have to leave it.
        let jobs = core::mem::replace(client.jobs.get(self)?, Jobs::none());
        self.jobs_out -= jobs.done.len() + jobs.sync_done.len();
        Some(jobs)
    }

    /// Returns the number of clients.
    pub(crate) fn nr_clients(&self) -> usize {
        self.nr_clients
    }

    /// Returns the next one of all clients, the same one again after all others. A caller that
    /// wants to see all calls this as often as there were clients when it began: clients that are
    /// added meanwhile come last.
    pub(crate) fn next_client(&mut self) -> Option<Arc<ClientQueue<J>>> {
        let item = self.clients.pop_front()?;
        let client = item.clone_arc();
        self.clients.push_back(item);
        Some(client)
    }

    /// Takes one of the client's unused jobs.
    pub(crate) fn reserve(&mut self, client: &ClientQueue<J>) -> Result<Reserved<J>> {
        self.phase.accepts()?;
        let depth = self.depth;
        let jobs = client.jobs.get(self).ok_or(ENODEV)?;
        Ok(if let Some(job) = jobs.free.pop() {
            Reserved::Job(job)
        } else if jobs.made < depth {
            jobs.made += 1;
            Reserved::Make
        } else {
            Reserved::Full
        })
    }

    /// Returns whether [`Queue::reserve`] would return a job or allow one to be allocated.
    pub(crate) fn has_free_job(&mut self, client: &ClientQueue<J>) -> bool {
        let depth = self.depth;
        client
            .jobs
            .get(self)
            .is_some_and(|jobs| !jobs.free.is_empty() || jobs.made < depth)
    }

    /// Takes back a job that was reserved or whose record was taken; `None` if it could not be
    /// allocated.
    pub(crate) fn recycle(&mut self, client: &ClientQueue<J>, job: Option<J>) {
        let Some(jobs) = client.jobs.get(self) else {
            return;
        };
        let mut was_out = false;
        match job {
            Some(job) => {
                was_out = jobs.remove_active(job.cookie());
                // Cannot fail: the capacity is that of all jobs of the client.
                drop(jobs.free.push_within_capacity(job));
            }
            None => jobs.made -= 1,
        }
        self.jobs_out -= usize::from(was_out);
    }

    /// Queues a job and returns its cookie.
    pub(crate) fn submit(&mut self, mut job: J) -> Result<u64, (Error, J)> {
        if let Err(error) = self.phase.accepts() {
            return Err((error, job));
        }
        // SAFETY: The job is put in a list of the client, or returned.
        let client = unsafe { outlive(job.client()) };
        let Some(jobs) = client.jobs.get(self) else {
            return Err((ENODEV, job));
        };
        let cookie = jobs.next_cookie;
        job.set_cookie(cookie);
        let active = Active {
            cookie,
            sync: job.is_sync(),
            at: At::Work,
        };
        if jobs.active.push_within_capacity(active).is_err() {
            return Err((ENOMEM, job));
        }
        let is_first = jobs.pending.is_empty();
        if let Err(job) = jobs.pending.push(job) {
            jobs.remove_active(cookie);
            return Err((ENOMEM, job));
        }
        jobs.next_cookie += 1;
        if is_first {
            self.add_turn(client);
        }
        self.jobs_out += 1;
        Ok(cookie)
    }

    /// Gives a client that has its first pending job a turn, after all others.
    fn add_turn(&mut self, client: &ClientQueue<J>) {
        let credit = Credit::new(self.quantum);
        let Some(jobs) = client.jobs.get(self) else {
            return;
        };
        jobs.credit = credit;
        let Some(turn) = jobs.turn.take() else {
            return;
        };
        let Some(turns) = client.user.turns.get(self) else {
            return;
        };
        let is_first = turns.clients.is_empty();
        turns.clients.push_back(turn);
        if is_first {
            turns.credit = credit;
            if let Some(user) = ListArc::try_from_arc_or_drop(client.user.clone()) {
                self.users.push_back(user);
            }
        }
    }

    /// Takes the turn of a client that has no pending job any more.
    fn remove_turn(&mut self, client: &ClientQueue<J>) {
        let Some(turns) = client.user.turns.get(self) else {
            return;
        };
        // SAFETY: A client is in no list with these links but that of its user.
        let turn = unsafe { turns.clients.remove(client) };
        if turns.clients.is_empty() {
            // SAFETY: A user is in no other list with these links. The client refers to its user,
            // so this does not free it.
            drop(unsafe { self.users.remove(&client.user) });
        }
        if let Some(jobs) = client.jobs.get(self) {
            jobs.turn = turn;
        }
    }

    /// Takes the pending job whose turn it is.
    fn take_next(&mut self) -> Option<J> {
        let quantum = self.quantum;
        let user = self.users.pop_front()?;
        let client = user.turns.get(self)?.clients.pop_front()?;
        // SAFETY: The item is moved only, and not dropped.
        let jobs = unsafe { outlive(&client) }.jobs.get(self)?;
        let job = jobs.pending.pop()?;
        let bytes = job.bytes();
        let is_over = jobs.credit.spend(bytes, quantum);
        if jobs.pending.is_empty() {
            jobs.turn = Some(client);
        } else {
            let turns = user.turns.get(self)?;
            if is_over {
                turns.clients.push_back(client);
            } else {
                turns.clients.push_front(client);
            }
        }
        let turns = user.turns.get(self)?;
        if !turns.clients.is_empty() {
            if turns.credit.spend(bytes, quantum) {
                self.users.push_back(user);
            } else {
                self.users.push_front(user);
            }
        }
        Some(job)
    }

    /// Returns whether a job may be started if hardware is idle.
    fn may_start(&self) -> bool {
        self.phase == Phase::Live && !self.held && !self.suspended
    }

    /// Returns whether hardware is idle and a job submitted now would be the next to start.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none() && self.users.is_empty() && self.may_start()
    }

    /// Takes a cookie for a job that is started directly, without [`Queue::submit`]. Returns `None`
    /// if the client has no space for another active job, so that [`Queue::run`] cannot fail.
    pub(crate) fn number(&mut self, client: &ClientQueue<J>) -> Option<u64> {
        let jobs = client.jobs.get(self)?;
        if jobs.active.len() == jobs.active.capacity() {
            return None;
        }
        let cookie = jobs.next_cookie;
        jobs.next_cookie += 1;
        Some(cookie)
    }

    /// Makes a job that was started while the queue was idle the running one.
    pub(crate) fn run(&mut self, job: J) {
        let active = Active {
            cookie: job.cookie(),
            sync: job.is_sync(),
            at: At::Work,
        };
        if let Some(jobs) = job.client().jobs.get(self) {
            // Cannot fail: `number()` has checked the capacity.
            let _ = jobs.active.push_within_capacity(active);
        }
        self.jobs_out += 1;
        self.running = Some(job);
    }

    /// Makes the pending job whose turn it is the running one, if hardware is idle and jobs may be
    /// started.
    pub(crate) fn start_next(&mut self) -> Option<&mut J> {
        if self.running.is_some() || !self.may_start() {
            return None;
        }
        self.running = Some(self.take_next()?);
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

    /// Takes any pending job out of the queue.
    pub(crate) fn withdraw_any(&mut self) -> Option<J> {
        self.take_next()
    }

    /// Takes the oldest pending job of a client out of the queue.
    pub(crate) fn withdraw_of(&mut self, client: &ClientQueue<J>) -> Option<J> {
        self.withdraw_by(client, |pending| pending.pop())
    }

    /// Takes the pending job with this cookie out of the queue.
    pub(crate) fn withdraw(&mut self, client: &ClientQueue<J>, cookie: u64) -> Option<J> {
        self.withdraw_by(client, |pending| {
            pending.remove(|job| job.cookie() == cookie)
        })
    }

    fn withdraw_by(
        &mut self,
        client: &ClientQueue<J>,
        take: impl FnOnce(&mut Fifo<J>) -> Option<J>,
    ) -> Option<J> {
        let pending = &mut client.jobs.get(self)?.pending;
        let job = take(pending)?;
        if pending.is_empty() {
            self.remove_turn(client);
        }
        Some(job)
    }

    /// Keeps a job that has ended until its memory is unmapped. Returns it if there is no space for
    /// it, which does not happen.
    pub(crate) fn defer(&mut self, job: J) -> Result<(), J> {
        // SAFETY: The job is put in a list of the client, or returned.
        let client = unsafe { outlive(job.client()) };
        let Some(jobs) = client.jobs.get(self) else {
            return Err(job);
        };
        let cookie = job.cookie();
        for active in jobs.active.iter_mut().filter(|job| job.cookie == cookie) {
            active.at = At::Deferred;
        }
        jobs.deferred.push(job)?;
        if let Some(deferral) = jobs.deferral.take() {
            self.deferred.push_back(deferral);
        }
        Ok(())
    }

    /// Returns whether a job is deferred.
    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Takes the oldest deferred job of the client whose turn it is, to deliver it.
    pub(crate) fn take_deferred(&mut self) -> Option<J> {
        let client = self.deferred.pop_front()?;
        // SAFETY: The item is moved only, and not dropped.
        let jobs = unsafe { outlive(&client) }.jobs.get(self)?;
        let job = jobs.deferred.pop();
        if jobs.deferred.is_empty() {
            jobs.deferral = Some(client);
        } else {
            self.deferred.push_back(client);
        }
        job
    }

    /// Makes the record of a job that has ended available to its client. Returns the job if the
    /// client is of another queue, which does not happen.
    pub(crate) fn deliver(&mut self, job: J) -> Result<(), J> {
        // SAFETY: The job is put in a list of the client, or returned.
        let client = unsafe { outlive(job.client()) };
        let Some(jobs) = client.jobs.get(self) else {
            return Err(job);
        };
        jobs.remove_active(job.cookie());
        if job.is_sync() {
            // Cannot fail: the capacity is that of all jobs of the client.
            let _ = jobs.sync_done.push_within_capacity(job);
            Ok(())
        } else {
            jobs.done.push(job)
        }
    }

    /// Returns the state of a job.
    pub(crate) fn job_state(&mut self, client: &ClientQueue<J>, cookie: u64) -> JobState {
        if self
            .running_of(client)
            .is_some_and(|job| job.cookie() == cookie)
        {
            return JobState::Running;
        }
        let Some(jobs) = client.jobs.get(self) else {
            return JobState::Unknown;
        };
        if let Some(active) = jobs.active.iter().find(|job| job.cookie == cookie) {
            if active.at != At::Work {
                JobState::Done
            } else {
                JobState::Pending
            }
        } else if jobs.done.iter().any(|job| job.cookie() == cookie) {
            JobState::Done
        } else {
            JobState::Unknown
        }
    }

    /// Returns whether a job is active and any call of its client may take its record.
    pub(crate) fn expects(&mut self, client: &ClientQueue<J>, cookie: u64) -> bool {
        self.active(client)
            .iter()
            .any(|job| job.cookie == cookie && !job.sync)
    }

    /// Returns whether a job is pending, running or deferred.
    pub(crate) fn has_record_to_come(&mut self, client: &ClientQueue<J>, cookie: u64) -> bool {
        self.active(client)
            .iter()
            .any(|job| job.cookie == cookie && job.at != At::Given)
    }

    /// Returns the number of jobs that were submitted and whose records were not taken yet.
    pub(crate) fn jobs_out(&self) -> usize {
        self.jobs_out
    }

    /// Returns whether any job of a client is active.
    pub(crate) fn is_active(&mut self, client: &ClientQueue<J>) -> bool {
        !self.active(client).is_empty()
    }

    fn active<'a>(&'a mut self, client: &'a ClientQueue<J>) -> &'a [Active] {
        match client.jobs.get(self) {
            Some(jobs) => &jobs.active,
            None => &[],
        }
    }

    /// Returns the running job, if it is one of this client.
    fn running_of(&mut self, client: &ClientQueue<J>) -> Option<&mut J> {
        self.running
            .as_mut()
            .filter(|job| core::ptr::eq(&**job.client(), client))
    }

    /// Returns whether the running job is one of this client.
    pub(crate) fn runs_for(&mut self, client: &ClientQueue<J>) -> bool {
        self.running_of(client).is_some()
    }

    /// Returns whether a record is ready.
    pub(crate) fn has_record(&mut self, client: &ClientQueue<J>) -> bool {
        client
            .jobs
            .get(self)
            .is_some_and(|jobs| !jobs.done.is_empty())
    }

    /// Takes the oldest job that is done. Other calls see it as active until it is recycled or put
    /// back.
    pub(crate) fn take(&mut self, client: &ClientQueue<J>) -> Option<J> {
        client.jobs.get(self)?.give(|done| done.pop())
    }

    /// Puts a job that was taken back to its place: before the jobs that ended later.
    pub(crate) fn put_back(&mut self, job: J) {
        // SAFETY: The job is put in a list of the client.
        let client = unsafe { outlive(job.client()) };
        if let Some(jobs) = client.jobs.get(self) {
            jobs.remove_active(job.cookie());
            // Jobs that ended within one tick of the clock have the same time.
            let ended = (job.ended_at(), job.cookie());
            // Cannot fail: the job's slot is still free.
            let _ = jobs
                .done
                .push_before(job, |other| (other.ended_at(), other.cookie()) > ended);
        }
    }

    /// Takes the done job with this cookie; see [`Queue::take`].
    pub(crate) fn take_cookie(&mut self, client: &ClientQueue<J>, cookie: u64) -> Option<J> {
        client
            .jobs
            .get(self)?
            .give(|done| done.remove(|job| job.cookie() == cookie))
    }

    /// Turns the job of a submitter that stops waiting into an asynchronous one, whose record any
    /// call of the client may take; or returns the job if it is done. The caller ensures that the
    /// job is not moving: it is pending, running or done.
    pub(crate) fn make_async(&mut self, client: &ClientQueue<J>, cookie: u64) -> Option<J> {
        if let Some(job) = self.take_sync(client, cookie) {
            return Some(job);
        }
        let running = self.running_of(client).filter(|job| job.cookie() == cookie);
        let is_running = running.is_some();
        if let Some(job) = running {
            job.make_async();
        }
        let jobs = client.jobs.get(self)?;
        if !is_running {
            if let Some(job) = jobs.pending.find_mut(|job| job.cookie() == cookie) {
                job.make_async();
            }
        }
        for active in jobs.active.iter_mut().filter(|job| job.cookie == cookie) {
            active.sync = false;
        }
        None
    }

    /// Takes the finished synchronous job with this cookie. Only its submitter calls this.
    pub(crate) fn take_sync(&mut self, client: &ClientQueue<J>, cookie: u64) -> Option<J> {
        let job = client.jobs.get(self)?.take_sync(cookie)?;
        self.jobs_out -= 1;
        Some(job)
    }
}
