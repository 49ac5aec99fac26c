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
        SubmitState,
        Submitted,
        Waiters, //
    },
    clock,
    job::Job,
    memory::Patience,
    mm::owner::Owner,
    queue::{
        ClientId,
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

/// A user of a channel, with a queue of records of its own.
///
/// Dropping it ends its jobs, hardware first.
pub struct Client {
    channel: Arc<Channel>,
    id: ClientId,
    /// For which address space the calls of programs are made.
    owner: Owner,
    waiters: Waiters,
    /// A job that is not in use, beside those that the queue keeps.
    spare: AtomicBox<Job>,
    /// A caller has found no free job, and sleeps or polls.
    wants_job: Atomic<bool>,
    /// Blocks that the last job needed, if there were not enough; else what the smallest one needs.
    wanted_blocks: Atomic<usize>,
}

/// Jobs that who submits one settles: its own, and one that has come before.
const COMPLETED_BY_SUBMIT: usize = 2;

/// Blocks of a job that moves one segment.
const FEWEST_BLOCKS: usize = 2;

/// What a client can do, for poll.
pub(crate) struct Readiness {
    /// Take a record.
    pub(crate) record: bool,
    /// Submit a job.
    pub(crate) can_submit: bool,
    /// Nothing any more but take records: the channel is dead.
    pub(crate) dead: bool,
    /// Nothing any more but take records: the device is unbound.
    pub(crate) unbound: bool,
}

/// What a job is submitted with, beside its lists.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// The submitter waits for the end of the job.
    pub(crate) sync: bool,
    /// Zero for the device's default.
    pub(crate) timeout: Delta,
    pub(crate) user_data: u64,
}

impl Client {
    /// Becomes a client of `channel`.
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
            id: channel.add_client(&waiters)?,
            channel: channel.clone(),
            owner: Owner::new(),
            waiters,
            spare: AtomicBox::new(),
            wants_job: Atomic::new(false),
            wanted_blocks: Atomic::new(FEWEST_BLOCKS),
        })
    }

    /// Lengths must be multiples of this, a power of two, in bytes.
    pub fn alignment(&self) -> usize {
        // CAST: A small number.
        self.channel.info.alignment as usize
    }

    /// Whether an error of the engine ends a job at once, not at its time limit.
    pub fn has_fault_irq(&self) -> bool {
        self.channel.info.flags & uapi::INFO_FAULT_IRQ != 0
    }

    /// Has small jobs of the channel polled from here on, as [`ChannelDriver::poll_bytes`] says.
    /// None is during the self-test.
    ///
    /// [`ChannelDriver::poll_bytes`]: crate::driver::ChannelDriver::poll_bytes
    pub fn poll_small_jobs(&self) {
        self.channel.state.lock().polls = true;
    }

    /// The channel.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Checks that the calling program's address space is the client's, or that it has none yet.
    ///
    /// # Errors
    ///
    /// EPERM: it has another one.
    pub(crate) fn check_owner(&self) -> Result {
        self.owner.check()
    }

    /// Makes the calling program's address space the client's, if that has none yet.
    ///
    /// # Errors
    ///
    /// EPERM: it has another one, or the caller has none.
    pub(crate) fn claim(&self) -> Result {
        if self.owner.claim()? {
            // Wakes the sleepers of other address spaces, whose calls are EPERM now.
            drop(self.channel.state.lock());
            self.waiters.notify_all();
        }
        Ok(())
    }

    /// Returns what this client's sleepers wait for.
    pub(crate) fn waiters(&self) -> &PollCondVarBox {
        &self.waiters
    }

    /// Submits a job whose lists `fill_in` gives, and waits for room in the queue if need be.
    ///
    /// # Errors
    ///
    /// EAGAIN: the queue is full, and `nonblocking` is set. ERESTARTSYS: a signal came before there
    /// was room. Those of `fill_in`, [`Request::check`] and [`Hardware::prepare`]; ENODEV, EIO,
    /// ENOMEM. Nothing is submitted then.
    ///
    /// [`Hardware::prepare`]: crate::hardware::Hardware::prepare
    pub(crate) fn submit(
        &self,
        options: &Options,
        nonblocking: bool,
        fill_in: impl FnOnce(&mut Request) -> Result,
    ) -> Result<Submitted> {
        let mut job = self.reserve(nonblocking)?;
        // User memory may take as long as it likes, so this comes before the gate.
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
                // Others have the blocks that the job needs.
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

    /// Takes a job to be filled in, and waits for one if need be.
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
            match state.queue.reserve(self.id)? {
                Reserved::Job(job) => return Ok(job),
                Reserved::Make => {
                    drop(state);
                    return Job::new(self.id).inspect_err(|_| {
                        self.channel.state.lock().queue.recycle(self.id, None);
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
                    if self.waiters.wait_interruptible(&mut state) {
                        return Err(ERESTARTSYS);
                    }
                }
            }
        }
    }

    /// Has whoever gives back a job from here on wake the sleepers. The caller holds the channel's lock,
    /// if it sleeps until it does, and looks once more at what was given back before.
    fn want_job(&self) {
        self.wants_job.xchg(true, ordering::Full);
    }

    /// Gives back a job that was reserved, and is neither in the queue nor on its way to whoever takes
    /// records.
    fn recycle(&self, mut job: KBox<Job>) {
        job.memory.reset();
        let more = self.spare.put(job);
        if more.is_some() || self.wants_job.load(ordering::Relaxed) {
            self.return_job(more);
        }
    }

    /// Gives a job to the queue, and wakes those who have found none.
    fn return_job(&self, job: Option<KBox<Job>>) {
        let mut state = self.channel.state.lock();
        if job.is_some() {
            state.queue.recycle(self.id, job);
        }
        // With the lock, so that they are asleep by now.
        let wanted = self.wants_job.xchg(false, ordering::Full);
        drop(state);
        if wanted {
            self.waiters.notify_all();
        }
    }

    /// Returns the record of a job that has ended, for the program that calls.
    fn record_for_caller(job: &mut Job) -> Record {
        let record = job.take_record();
        let offset = clock::caller_offset();
        Record {
            submit_ns: record.submit_ns.wrapping_add_signed(offset),
            complete_ns: record.complete_ns.wrapping_add_signed(offset),
            ..record
        }
    }

    /// Waits for the record of a job that was submitted as `waited`. If a signal comes first, the job
    /// becomes an ordinary one, whose record [`Client::wait`] and [`Client::next_record`] take, and
    /// `announce` is to tell the program the job's cookie. A signal that ends the program cancels the
    /// job.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS: a signal has come, and the program was told. EINTR: the program is being killed. That
    /// of `announce`: the job is cancelled, and leaves no record.
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
                // Whatever this says, the job has ended when it returns.
                let _ = self.channel.cancel(self.id, submitted.cookie);
                self.take_submitted(submitted)?;
                return Err(EINTR);
            }
            Wait::Signal => {}
        }
        // Before the program is told, which takes as long as user space likes. From here on the
        // completer unmaps the job, so that unbind does not wait for this call.
        if let Some(job) = self.channel.make_async(self.id, submitted.cookie) {
            return self.take_submitted(Submitted {
                state: SubmitState::Done(job),
                ..submitted
            });
        }
        announce().inspect_err(|_| self.discard(submitted.cookie))?;
        Err(ERESTARTSYS)
    }

    /// Ends a job that the program does not know of, and drops its record, unless another call of the
    /// program has that already.
    pub(crate) fn discard(&self, cookie: u64) {
        // Whatever this says, the job has ended when it returns.
        let _ = self.channel.cancel(self.id, cookie);
        let mut state = self.channel.state.lock();
        // The completer may still be at it.
        while state.queue.has_record_to_come(self.id, cookie) {
            self.waiters.wait(&mut state);
        }
        let Some(mut job) = state.queue.take_cookie(self.id, cookie) else {
            return;
        };
        drop(state);
        job.memory.reset();
        self.channel.state.lock().queue.recycle(self.id, Some(job));
        self.waiters.notify_all();
    }

    /// Takes a job that has ended, and gives back its memory.
    fn take_job(&self, submitted: Submitted) -> Result<KBox<Job>> {
        let mut job = match submitted.state {
            SubmitState::Done(job) => job,
            SubmitState::Queued(_) => {
                let mut state = self.channel.state.lock();
                state
                    .queue
                    .take_sync(self.id, submitted.cookie)
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

    /// Waits for the record of one job, until `end` by [`clock::now`] if that is given, and passes it
    /// to `give`; it stays where `give` fails.
    ///
    /// # Errors
    ///
    /// EPERM: the client is another address space's. ENOENT: no such job, or its record was taken.
    /// EAGAIN: not complete, and `nonblocking` is set. ETIMEDOUT: not complete at `end`. ERESTARTSYS: a
    /// signal is pending. ENODEV: as ENOENT, and the device is unbound. ENOMEM: no memory to wait until
    /// `end`. That of `give`.
    pub(crate) fn wait(
        &self,
        cookie: u64,
        end: Option<i64>,
        nonblocking: bool,
        give: impl FnOnce(&Record) -> Result,
    ) -> Result {
        // Dropped behind the lock, in whatever way this ends.
        let mut alarm = None;
        let mut state = self.channel.state.lock();
        let job = loop {
            self.owner.check()?;
            if let Some(job) = state.queue.take_cookie(self.id, cookie) {
                break job;
            }
            if !state.queue.expects(self.id, cookie) {
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
                    let (channel, waiters) = (self.channel.clone(), self.waiters.clone());
                    alarm = Some(Alarm::start(left, move || {
                        // A sleeper that has looked at the clock is asleep by the time this gets the
                        // lock.
                        drop(channel.state.lock());
                        waiters.notify_all();
                    })?);
                    state = self.channel.state.lock();
                    continue;
                }
            }
            if self.waiters.wait_interruptible(&mut state) {
                return Err(ERESTARTSYS);
            }
        };
        drop(state);
        self.give(job, give)
    }

    /// Passes the record of a job that was taken to `give`; it stays where `give` fails.
    fn give(&self, mut job: KBox<Job>, give: impl FnOnce(&Record) -> Result) -> Result {
        let given = give(&Self::record_for_caller(&mut job));
        let mut state = self.channel.state.lock();
        match given {
            Ok(()) => state.queue.recycle(self.id, Some(job)),
            Err(_) => state.queue.put_back(job),
        }
        drop(state);
        // There is room now, or a record again; or others need not wait for this one any more.
        self.waiters.notify_all();
        given
    }

    /// Waits until a record is there, and passes it to `give`; it stays where `give` fails.
    ///
    /// # Errors
    ///
    /// EPERM: the client is another address space's. EAGAIN: there is none, and `nonblocking` is set.
    /// ERESTARTSYS: a signal is pending. ENODEV, EIO: none is left, and the device is unbound or the
    /// channel dead. That of `give`.
    pub(crate) fn next_record(
        &self,
        nonblocking: bool,
        give: impl FnOnce(&Record) -> Result,
    ) -> Result {
        let mut state = self.channel.state.lock();
        let job = loop {
            self.owner.check()?;
            if let Some(job) = state.queue.take(self.id) {
                break job;
            }
            // Where the channel has ended, no record comes after those of the jobs it had.
            if !state.queue.is_active(self.id) {
                state.queue.phase().accepts()?;
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if self.waiters.wait_interruptible(&mut state) {
                return Err(ERESTARTSYS);
            }
        };
        drop(state);
        self.give(job, give)
    }

    /// What can be done now.
    pub(crate) fn readiness(&self) -> Readiness {
        let wanted = self.wanted_blocks.load(ordering::Relaxed);
        let blocks = self.channel.staging.blocks();
        let has_blocks = blocks.is_none_or(|blocks| blocks.has(wanted));
        let state = self.channel.state.lock();
        let phase = state.queue.phase();
        let has_job = state.queue.has_free_job(self.id) || !self.spare.is_empty() || {
            self.want_job();
            !self.spare.is_empty()
        };
        Readiness {
            record: state.queue.has_record(self.id),
            can_submit: phase == Phase::Live && has_blocks && has_job,
            dead: phase == Phase::Dead,
            unbound: phase == Phase::Unbound && !state.queue.is_active(self.id),
        }
    }

    /// Cancels one job; see [`Channel::cancel`].
    ///
    /// # Errors
    ///
    /// EPERM: the client is another address space's. Those of [`Channel::cancel`].
    pub(crate) fn cancel(&self, cookie: u64) -> Result {
        self.owner.check()?;
        self.channel.cancel(self.id, cookie)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.channel.remove_client(self.id, &self.waiters);
    }
}
