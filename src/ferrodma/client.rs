// SPDX-License-Identifier: GPL-2.0

//! A user of a channel: an open file, or kernel code.

use kernel::{
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            ordering,
            Atomic, //
        },
        poll::PollCondVarBox,
        Arc, //
    },
    time::Delta, //
};

use crate::{
    channel::{
        Channel,
        Member,
        SubmitState,
        Submitted, //
    },
    clock,
    job::{
        ClientJobs,
        Job,
        Waiters, //
    },
    memory::Patience,
    mm::owner::Owner,
    queue::{
        Phase,
        Reserved, //
    },
    request::Request,
    sync::{
        alarm::Alarm,
        atomic_box::AtomicBox,
        completion::Wait, //
    },
    uapi::{
        self,
        Record, //
    }, //
};

mod in_kernel;

/// A user of a channel, with jobs and records of its own.
///
/// Dropping it ends its jobs, the running one included.
pub struct Client {
    channel: Arc<Channel>,
    /// This client in the queue.
    member: Member,
    /// The address space whose calls are accepted.
    owner: Owner,
    /// An unused job, in addition to those that the queue keeps.
    spare: AtomicBox<Job>,
    /// Whether a caller has found no free job, and sleeps or polls.
    wants_job: Atomic<bool>,
    /// Number of blocks that the last job needed, if there were not enough; else that of the
    /// smallest job.
    wanted_blocks: Atomic<usize>,
}

/// Deferred jobs that a submitter completes at most: its own, and one that was deferred before.
const COMPLETED_BY_SUBMIT: usize = 2;

/// Number of blocks of a job that moves one segment.
const FEWEST_BLOCKS: usize = 2;

/// The events of a client for poll().
pub(crate) struct Readiness {
    /// A record is available.
    pub(crate) record: bool,
    /// A job can be submitted.
    pub(crate) can_submit: bool,
    /// The channel is dead: only records can be taken.
    pub(crate) dead: bool,
    /// The device is unbound, and no more records will come.
    pub(crate) unbound: bool,
}

/// The parameters of a job that are not in its [`Request`].
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Whether the submitter waits for the end of the job.
    pub(crate) sync: bool,
    /// Time limit; zero for the device's default.
    pub(crate) timeout: Delta,
    pub(crate) user_data: u64,
}

impl Client {
    /// Adds a client to `channel`.
    ///
    /// # Errors
    ///
    /// ENODEV: the device is unbound. ENOMEM.
    pub(crate) fn new(channel: &Arc<Channel>) -> Result<Self> {
        let waiters = Arc::new(
            PollCondVarBox::new(c"ferrodma client", static_lock_class!())?,
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Self {
            member: channel.add_client(waiters)?,
            channel: channel.clone(),
            owner: Owner::new(),
            spare: AtomicBox::new(),
            wants_job: Atomic::new(false),
            wanted_blocks: Atomic::new(FEWEST_BLOCKS),
        })
    }

    /// Returns the power of two, in bytes, of which all lengths must be multiples.
    pub fn alignment(&self) -> usize {
        // CAST: A small number.
        self.channel.info.alignment as usize
    }

    /// Returns whether an error of the engine ends a job at once, rather than at its time limit.
    pub fn has_fault_irq(&self) -> bool {
        self.channel.info.flags & uapi::INFO_FAULT_IRQ != 0
    }

    /// Enables polling for the end of small jobs of the channel, up to the size in the module's
    /// parameter `poll_bytes`. Polling is disabled during the self-test.
    pub fn poll_small_jobs(&self) {
        self.channel.state.lock().polls = true;
    }

    /// Returns the channel.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Checks that the file belongs to the caller's address space, or to none yet.
    ///
    /// # Errors
    ///
    /// EPERM: it belongs to another one.
    pub(crate) fn check_owner(&self) -> Result {
        self.owner.check()
    }

    /// Makes the caller's address space the owner of the file, if that has none yet.
    ///
    /// # Errors
    ///
    /// EPERM: the file belongs to another address space, or the caller has none.
    pub(crate) fn claim(&self) -> Result {
        if self.owner.claim()? {
            // Wakes the waiters of other address spaces, whose calls now return EPERM.
            drop(self.channel.state.lock());
            self.waiters().notify_all();
        }
        Ok(())
    }

    /// Returns the condition variable of this client.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.member.client.waiters
    }

    /// Returns the part of the queue that belongs to this client.
    fn jobs(&self) -> &Arc<ClientJobs> {
        &self.member.client
    }

    /// Submits a job whose lists `fill_in` reads. Waits for a free job if necessary.
    ///
    /// # Errors
    ///
    /// EAGAIN: no job or too few blocks are free, and `nonblocking` is set. ERESTARTSYS: a signal
    /// came while this waited. Those of `fill_in`, [`Request::check`] and [`Hardware::prepare`];
    /// ENODEV, EIO, ENOMEM. No job is submitted after an error.
    ///
    /// [`Hardware::prepare`]: crate::hardware::Hardware::prepare
    pub(crate) fn submit(
        &self,
        options: &Options,
        nonblocking: bool,
        fill_in: impl FnOnce(&mut Request) -> Result,
    ) -> Result<Submitted> {
        let mut job = self.reserve(nonblocking)?;
        // Accessing user memory may sleep for as long as user space likes, so it is done outside of
        // the gate.
        let channel = &self.channel;
        let filled = fill_in(&mut job.request)
            .and_then(|()| job.request.check(&channel.limits))
            .and_then(|()| {
                let Job {
                    memory, request, ..
                } = &mut *job;
                memory.stage(&channel.staging, request)
            });
        if let Err(error) = filled {
            self.recycle(job);
            return Err(error);
        }
        loop {
            let (mut error, back) = match self.submit_filled(options, job) {
                Ok(submitted) => {
                    if channel.staging.blocks().is_some() {
                        self.wanted_blocks.store(FEWEST_BLOCKS, ordering::Relaxed);
                    }
                    return Ok(submitted);
                }
                Err(rejected) => rejected,
            };
            if error == EAGAIN {
                // Other jobs have the blocks that this job needs.
                let wanted = back.request.segments();
                self.wanted_blocks.store(wanted, ordering::Relaxed);
                let waited = match channel.staging.blocks() {
                    Some(blocks) if !nonblocking => blocks.wait(wanted),
                    _ => Err(EAGAIN),
                };
                match waited {
                    Ok(()) => {
                        job = back;
                        continue;
                    }
                    Err(because) => error = because,
                }
            }
            self.recycle(back);
            return Err(error);
        }
    }

    fn submit_filled(
        &self,
        options: &Options,
        mut job: KBox<Job>,
    ) -> Result<Submitted, (Error, KBox<Job>)> {
        let channel = &self.channel;
        job.sync = options.sync;
        job.record = Record {
            user_data: options.user_data,
            ..Record::default()
        };
        let Some(pass) = channel.gate.enter() else {
            return Err((ENODEV, job));
        };
        if let Err(error) = channel.prepare(pass.hw(), &mut job) {
            return Err((error, job));
        }
        job.timeout = if options.timeout.is_zero() {
            channel.default_timeout(job.transfer.total())
        } else {
            options.timeout
        };
        let (submitted, has_deferred) = channel.submit(pass.hw(), job)?;
        drop(pass);
        if has_deferred {
            channel.complete_deferred(COMPLETED_BY_SUBMIT);
        }
        Ok(submitted)
    }

    /// Takes a free job to be filled in. Waits for one if necessary.
    #[inline]
    fn reserve(&self, nonblocking: bool) -> Result<KBox<Job>> {
        match self.spare.take() {
            Some(job) => Ok(job),
            None => self.reserve_from_queue(nonblocking),
        }
    }

    fn reserve_from_queue(&self, nonblocking: bool) -> Result<KBox<Job>> {
        let mut state = self.channel.state.lock();
        loop {
            match state.queue.reserve(self.jobs())? {
                Reserved::Job(job) => return Ok(job),
                Reserved::Make => {
                    drop(state);
                    return Job::new(self.jobs()).inspect_err(|_| {
                        self.channel.state.lock().queue.recycle(self.jobs(), None);
                        self.return_job(None);
                    });
                }
                Reserved::Full => {
                    self.want_job();
                    if let Some(job) = self.spare.take() {
                        return Ok(job);
                    }
                    if nonblocking {
                        return Err(EAGAIN);
                    }
                    if self.waiters().wait_interruptible(&mut state) {
                        return Err(ERESTARTSYS);
                    }
                }
            }
        }
    }

    /// Asks the next context that gives back a job to wake the waiters. After this call the caller
    /// checks once more for a free job. To sleep, it holds the channel's lock from here until it is
    /// asleep.
    fn want_job(&self) {
        self.wants_job.xchg(true, ordering::Full);
    }

    /// Gives back a job that was reserved. It is neither in the queue nor delivered.
    fn recycle(&self, mut job: KBox<Job>) {
        job.memory.reset();
        let more = self.spare.put(job);
        if more.is_some() || self.wants_job.load(ordering::Relaxed) {
            self.return_job(more);
        }
    }

    /// Gives a job back to the queue, if any, and wakes the waiters that have found none.
    fn return_job(&self, job: Option<KBox<Job>>) {
        let mut state = self.channel.state.lock();
        if job.is_some() {
            state.queue.recycle(self.jobs(), job);
        }
        // With the lock, so that those waiters are asleep by now.
        let wanted = self.wants_job.xchg(false, ordering::Full);
        drop(state);
        if wanted {
            self.waiters().notify_all();
        }
    }

    /// Returns the record of a job that has ended, with the times of the caller's time namespace.
    fn record_for_caller(job: &mut Job) -> Record {
        let record = job.take_record();
        let offset = clock::caller_offset();
        Record {
            submit_ns: record.submit_ns.wrapping_add_signed(offset),
            complete_ns: record.complete_ns.wrapping_add_signed(offset),
            ..record
        }
    }

    /// Waits for the record of a synchronous job. If a signal comes first, the job becomes an
    /// asynchronous one, whose record [`Client::wait`] and [`Client::next_record`] take, and
    /// `announce` tells the program the cookie of the job. A fatal signal cancels the job.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS: a signal came, and `announce` has succeeded. EINTR: the program is being
    /// killed. That of `announce`: the job is cancelled, and leaves no record.
    pub(crate) fn wait_submitted(
        &self,
        submitted: Submitted,
        announce: impl FnOnce() -> Result,
    ) -> Result<Record> {
        let waited = match &submitted.state {
            SubmitState::Queued(Some(done)) => done.wait_interruptible(),
            _ => Wait::Done,
        };
        match waited {
            Wait::Done | Wait::TimedOut => return self.take_submitted(submitted),
            Wait::Killed => {
                // The result does not matter: the job has ended when this returns.
                let _ = self.channel.cancel(self.jobs(), submitted.cookie);
                self.take_submitted(submitted)?;
                return Err(EINTR);
            }
            Wait::Signal => {}
        }
        // Done before `announce`, which may sleep for as long as user space likes: from here on
        // deferred work unmaps the job, so unbind does not wait for this call.
        if let Some(job) = self.channel.make_async(self.jobs(), submitted.cookie) {
            return self.take_submitted(Submitted {
                state: SubmitState::Done(job),
                ..submitted
            });
        }
        announce().inspect_err(|_| self.discard(submitted.cookie))?;
        Err(ERESTARTSYS)
    }

    /// Ends a job whose cookie the program could not be told, and drops its record, unless another
    /// call of the program has taken that already.
    pub(crate) fn discard(&self, cookie: u64) {
        // The result does not matter: the job has ended when this returns.
        let _ = self.channel.cancel(self.jobs(), cookie);
        let mut state = self.channel.state.lock();
        // The job may be deferred, and not yet delivered.
        while state.queue.has_record_to_come(self.jobs(), cookie) {
            self.waiters().wait(&mut state);
        }
        let Some(mut job) = state.queue.take_cookie(self.jobs(), cookie) else {
            return;
        };
        drop(state);
        job.memory.reset();
        self.channel
            .state
            .lock()
            .queue
            .recycle(self.jobs(), Some(job));
        self.waiters().notify_all();
    }

    /// Takes a synchronous job that has ended, and unmaps its memory.
    fn take_job(&self, submitted: Submitted) -> Result<KBox<Job>> {
        let mut job = match submitted.state {
            SubmitState::Done(job) => job,
            SubmitState::Queued(_) => {
                let mut state = self.channel.state.lock();
                state
                    .queue
                    .take_sync(self.jobs(), submitted.cookie)
                    .ok_or(EIO)?
            }
        };
        if job.still_mapped {
            // SAFETY: The job has ended: it was delivered, or never queued.
            unsafe { self.channel.unmap(&mut job, Patience::Sleep) };
        }
        Ok(job)
    }

    fn take_submitted(&self, submitted: Submitted) -> Result<Record> {
        let mut job = self.take_job(submitted)?;
        let record = Self::record_for_caller(&mut job);
        self.recycle(job);
        Ok(record)
    }

    /// Waits for the record of one job and passes it to `give`; until `end` by [`clock::now`], if
    /// given. If `give` fails, the record can be taken again.
    ///
    /// # Errors
    ///
    /// EPERM: the file belongs to another address space. ENOENT: no such job, or its record was
    /// taken. EAGAIN: the job has not ended, and `nonblocking` is set. ETIMEDOUT: the job has not
    /// ended at `end`. ERESTARTSYS: a signal is pending. ENODEV: as ENOENT, and the device is
    /// unbound. ENOMEM: no memory for the timer. That of `give`.
    pub(crate) fn wait(
        &self,
        cookie: u64,
        end: Option<i64>,
        nonblocking: bool,
        give: impl FnOnce(&Record) -> Result,
    ) -> Result {
        // Declared before the guard, so that it is dropped without the lock.
        let mut alarm = None;
        let mut state = self.channel.state.lock();
        let job = loop {
            self.owner.check()?;
            if let Some(job) = state.queue.take_cookie(self.jobs(), cookie) {
                break job;
            }
            if !state.queue.expects(self.jobs(), cookie) {
                return Err(match state.queue.phase() {
                    Phase::Unbound => ENODEV,
                    Phase::Live | Phase::Dead => ENOENT,
                });
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if let Some(end) = end {
                let left = end.saturating_sub(clock::now());
                if left <= 0 {
                    return Err(ETIMEDOUT);
                }
                if alarm.is_none() {
                    drop(state);
                    let left = Delta::from_nanos(left);
                    let (channel, waiters) = (self.channel.clone(), self.waiters().clone());
                    alarm = Some(Alarm::start(left, move || {
                        // A waiter reads the clock with the lock held, and so is asleep once this
                        // has had it: the wake-up is not lost.
                        drop(channel.state.lock());
                        waiters.notify_all();
                    })?);
                    state = self.channel.state.lock();
                    continue;
                }
            }
            if self.waiters().wait_interruptible(&mut state) {
                return Err(ERESTARTSYS);
            }
        };
        drop(state);
        self.give(job, give)
    }

    /// Passes the record of a job that was taken to `give`. If `give` fails, the record can be
    /// taken again.
    fn give(&self, mut job: KBox<Job>, give: impl FnOnce(&Record) -> Result) -> Result {
        let given = give(&Self::record_for_caller(&mut job));
        let mut state = self.channel.state.lock();
        match given {
            Ok(()) => state.queue.recycle(self.jobs(), Some(job)),
            Err(_) => state.queue.put_back(job),
        }
        drop(state);
        // Either a job is free now or the record is available again, and waiters for this record
        // have to look.
        self.waiters().notify_all();
        given
    }

    /// Waits for the next record and passes it to `give`. If `give` fails, the record can be taken
    /// again.
    ///
    /// # Errors
    ///
    /// EPERM: the file belongs to another address space. EAGAIN: no record is available, and
    /// `nonblocking` is set. ERESTARTSYS: a signal is pending. ENODEV, EIO: no record is left, and
    /// the device is unbound or the channel dead. That of `give`.
    pub(crate) fn next_record(
        &self,
        nonblocking: bool,
        give: impl FnOnce(&Record) -> Result,
    ) -> Result {
        let mut state = self.channel.state.lock();
        let job = loop {
            self.owner.check()?;
            if let Some(job) = state.queue.take(self.jobs()) {
                break job;
            }
            // If the channel accepts no jobs, no more records come after those of the active jobs.
            if !state.queue.is_active(self.jobs()) {
                state.queue.phase().accepts()?;
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if self.waiters().wait_interruptible(&mut state) {
                return Err(ERESTARTSYS);
            }
        };
        drop(state);
        self.give(job, give)
    }

    /// Returns the events for poll().
    pub(crate) fn readiness(&self) -> Readiness {
        let wanted = self.wanted_blocks.load(ordering::Relaxed);
        let blocks = self.channel.staging.blocks();
        let has_blocks = blocks.is_none_or(|blocks| blocks.has(wanted));
        let mut state = self.channel.state.lock();
        let phase = state.queue.phase();
        let has_job = state.queue.has_free_job(self.jobs()) || !self.spare.is_empty() || {
            self.want_job();
            !self.spare.is_empty()
        };
        Readiness {
            record: state.queue.has_record(self.jobs()),
            can_submit: phase == Phase::Live && has_blocks && has_job,
            dead: phase == Phase::Dead,
            unbound: phase == Phase::Unbound && !state.queue.is_active(self.jobs()),
        }
    }

    /// Cancels one job; see [`Channel::cancel`].
    ///
    /// # Errors
    ///
    /// EPERM: the file belongs to another address space. Those of [`Channel::cancel`].
    pub(crate) fn cancel(&self, cookie: u64) -> Result {
        self.owner.check()?;
        self.channel.cancel(self.jobs(), cookie)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.channel.remove_client(&self.member);
    }
}
