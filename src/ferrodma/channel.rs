// SPDX-License-Identifier: GPL-2.0

//! A DMA channel: one engine, which works on one job at a time, and the queue of its jobs.
//!
//! # Locks
//!
//! In the order in which they are taken:
//!
//! 1. `Channel::users`, a mutex: protects the list of users while clients come and go; and
//!    `Channel::stopper`, a mutex: held while hardware is being stopped, which may sleep. No
//!    context holds both.
//! 2. `Channel::state`, a spin lock that the interrupt handler takes: protects the queue, and
//!    hardware while it is started or an interrupt is acknowledged.
//! 3. The locks inside of wait queues, workqueues and the DMA pool of descriptors.
//!
//! An unused job and unused chains are exchanged without a lock ([`AtomicBox`]). The lock of a
//! [`BlockPool`](crate::memory::blocks::BlockPool) is not for interrupt context, so it is never
//! taken with `state` held.
//!
//! # Polling
//!
//! For a small job the interrupt costs more than the copy. So the context that starts it polls for
//! up to [`POLL_SPIN`](start::POLL_SPIN) before it falls back to the interrupt, and continues with
//! further small jobs for up to [`POLL_BUDGET`](start::POLL_BUDGET). A small job whose submitter
//! waits bypasses an empty queue: the submitter holds the lock from its start to its end, so no
//! other context sees it. Interrupts are disabled meanwhile, so both times are short.
//!
//! # The end of a job
//!
//! A job ends in the context that finds that hardware is done with it. If its memory is mapped,
//! process context unmaps it before its record can be taken: the submitter that waits for the job,
//! or deferred work. `State::still_mapped` counts these jobs, and unbind waits for them, so that no
//! mapping outlives its device.
//!
//! # Stopping
//!
//! Cancel, close, a time-out, a fault and unbind all end a running job in the same way, in
//! [`Channel::stop_running`]: it forbids new starts, quiesces the engine, completes the job and
//! allows starts again. If the engine does not stop, the channel is dead: the memory of the job is
//! leaked, as hardware may still access it, and no more jobs are started.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::ordering,
        lock::{
            spinlock::SpinLockIrqBackend,
            Guard, //
        },
        new_condvar,
        new_spinlock_irq,
        Arc,
        CondVar,
        Mutex,
        SpinLockIrq, //
    },
    time::Delta, //
};

use self::{
    gate::Gate,
    ratelimit::RateLimit,
    stats::Stats,
    users::{
        UserId,
        Users, //
    }, //
};
use crate::{
    dma::chain::Chains,
    hardware::Hardware,
    job::{
        ClientJobs,
        Job,
        Waiters, //
    },
    memory::Staging,
    queue::{
        ClientQueue,
        Phase,
        Queue, //
    },
    request::{
        Limits,
        USER_ADDRESS_MASK, //
    },
    sync::{
        atomic_box::AtomicBox,
        deferred::{
            impl_has_deferred,
            Deferred, //
        }, //
    },
    uapi, //
};

mod complete;
pub(crate) mod gate;
mod power;
pub(crate) mod ratelimit;
mod start;
pub(crate) mod stats;
mod stop;
mod users;

pub(crate) use self::start::{
    SubmitState,
    Submitted, //
};

/// Jobs that one client may have, including those whose records were not taken.
pub(crate) const QUEUE_DEPTH: usize = 64;

/// Most segments in each list of a job.
pub(crate) const MAX_SEGMENTS: usize = 256;

/// Unused chains that are kept for later jobs: as many as one client can have jobs.
const SPARE_CHAINS: usize = QUEUE_DEPTH;

/// Descriptors in each of the chains that are kept. Jobs on fragmented memory may need any number.
const SPARE_DESCRIPTORS: usize = 2 * MAX_SEGMENTS;

/// TIMEOUT: Added to the default time limit of a job for each MiB. No engine on an idle bus is as
/// slow as 10 MiB/s.
const SLOWEST_NS_PER_MIB: u64 = 100_000_000;

type StateGuard<'a> = Guard<'a, State, SpinLockIrqBackend>;

/// A client that was added to a channel. [`Channel::remove_client`] removes it.
pub(crate) struct Member {
    pub(crate) client: Arc<ClientJobs>,
    user: UserId,
}

/// A channel. It outlives its device as long as a file is open.
#[pin_data]
pub(crate) struct Channel {
    // These two come first, so that they are dropped first: their functions use all other fields.
    // The watchdog's queues the completer, and not the other way round.
    #[pin]
    pub(crate) watchdog: Deferred<Self, 0>,
    #[pin]
    pub(crate) completer: Deferred<Self, 1>,
    #[pin]
    pub(crate) gate: Gate,
    #[pin]
    users: Mutex<Users>,
    #[pin]
    stopper: Mutex<()>,
    #[pin]
    pub(crate) state: SpinLockIrq<State>,
    /// Unused chains for the next job.
    spare: AtomicBox<Chains>,
    /// Notified when no ended job is mapped any more.
    #[pin]
    all_unmapped: CondVar,
    /// How to stage the memory of a job.
    pub(crate) staging: Staging,
    /// The constant part of the answer to `FERRODMA_IOC_INFO`.
    pub(crate) info: uapi::Info,
    /// Default time limit of a job in nanoseconds, without the part that grows with its bytes.
    timeout_ns: u64,
    /// Limits of a job.
    pub(crate) limits: Limits,
}

impl_has_deferred! {
    impl HasDeferred<0> for Channel { self.watchdog, Channel::expired }
}
impl_has_deferred! {
    impl HasDeferred<1> for Channel { self.completer, Channel::complete_all_deferred }
}

/// The state that the interrupt handler and submitters share.
pub(crate) struct State {
    pub(crate) queue: Queue<KBox<Job>>,
    pub(crate) stats: Stats,
    /// Limits the number of log lines about failed jobs.
    log_limit: RateLimit,
    /// Unused chains for later jobs, in addition to the one in [`Channel::spare`].
    spare: KVec<KBox<Chains>>,
    /// Time at which the running job's time limit passes.
    deadline: i64,
    /// Time for which the watchdog is armed, if it is.
    watch_at: Option<i64>,
    /// Time at which the running job is stopped, if the system is being suspended.
    suspend_by: i64,
    /// Whether the engine has reported an error for the running job.
    fault: bool,
    /// Whether to poll for the end of small jobs; false during the self-test.
    pub(crate) polls: bool,
    /// Whether polling has found the end of a job whose interrupt may still come.
    polled: bool,
    /// Number of ended jobs whose memory is still mapped, or whose long chains are not freed yet.
    still_mapped: usize,
    /// Whether the holder of the lock is submitting a job, and will complete the jobs that are
    /// deferred meanwhile.
    submitting: bool,
    /// Whether a context is completing the deferred jobs.
    completing: bool,
}

impl State {
    /// Returns the number of jobs that have ended and are still mapped.
    pub(crate) fn still_mapped(&self) -> usize {
        self.still_mapped
    }

    /// Returns whether the end of a job of `bytes` is polled for.
    fn is_small(&self, hw: &Hardware<'_>, bytes: u64) -> bool {
        self.polls && bytes <= u64::from(hw.poll_bytes.load(ordering::Relaxed))
    }
}

impl Channel {
    /// Returns a channel without hardware.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(info: uapi::Info, timeout_ns: u64, staging: Staging) -> Result<Arc<Self>> {
        let spare = KVec::with_capacity(SPARE_CHAINS, GFP_KERNEL)?;
        let limits = Limits {
            // CAST: A small number.
            max_segments: info.max_segments as usize,
            max_job_bytes: info.max_job_bytes,
            max_seg: match info.block_size {
                0 => u64::MAX,
                size => u64::from(size),
            },
            length_mask: u64::from(info.alignment) - 1,
            alignment_mask: u64::from(info.address_alignment) - 1,
            address_mask: match staging {
                Staging::Buffer => u64::MAX,
                Staging::Pages { .. } | Staging::Blocks(_) => USER_ADDRESS_MASK,
            },
        };
        Arc::pin_init(
            try_pin_init!(Self {
                // SAFETY: This is the field that `HasDeferred<0>` names, and is dropped first.
                watchdog <- unsafe { Deferred::new(c"ferrodma watchdog") },
                // SAFETY: This is the field that `HasDeferred<1>` names. Only the watchdog is
                // dropped before it, which the work does not use.
                completer <- unsafe { Deferred::new(c"ferrodma completer") },
                gate <- Gate::new(),
                users <- new_mutex!(Users::new(), "ferrodma users"),
                stopper <- new_mutex!((), "ferrodma stopper"),
                state <- new_spinlock_irq!(
                    State {
                        queue: Queue::new(QUEUE_DEPTH, info.max_job_bytes),
                        stats: Stats::default(),
                        log_limit: RateLimit::default(),
                        spare,
                        deadline: 0,
                        watch_at: None,
                        suspend_by: 0,
                        fault: false,
                        polls: false,
                        polled: false,
                        still_mapped: 0,
                        submitting: false,
                        completing: false,
                    },
                    "ferrodma channel"
                ),
                spare: AtomicBox::new(),
                all_unmapped <- new_condvar!("ferrodma all unmapped"),
                staging,
                info,
                timeout_ns,
                limits,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the longest time limit of a job.
    pub(crate) fn max_timeout(&self) -> Delta {
        // CAST: At most an hour.
        Delta::from_nanos(self.info.max_timeout_ns as i64)
    }

    /// Returns the time limit of a job of `bytes` whose submitter sets none.
    pub(crate) fn default_timeout(&self, bytes: u64) -> Delta {
        let mut limit = self.timeout_ns;
        let mib = bytes >> 20;
        if mib != 0 {
            limit = limit
                .saturating_add(mib.saturating_mul(SLOWEST_NS_PER_MIB))
                .min(self.info.max_timeout_ns);
        }
        // CAST: At most an hour.
        Delta::from_nanos(limit as i64)
    }

    /// Adds a client of the calling task's user, whose threads sleep on `waiters`.
    ///
    /// # Errors
    ///
    /// ENODEV: the device is unbound. ENOMEM.
    pub(crate) fn add_client(&self, waiters: Waiters) -> Result<Member> {
        let id = self.state.lock().queue.id();
        let (user, share) = self.users.lock().join(id)?;
        let client = ClientQueue::new(id, share, QUEUE_DEPTH, waiters)
            .inspect_err(|_| self.users.lock().leave(user))?;
        let mut state = self.state.lock();
        // A dead channel still accepts clients, whose calls tell them that it is dead.
        let is_added = state.queue.phase() != Phase::Unbound && state.queue.add_client(&client);
        drop(state);
        if !is_added {
            self.users.lock().leave(user);
            return Err(ENODEV);
        }
        Ok(Member { client, user })
    }

    /// Wakes the threads of all clients.
    pub(super) fn notify_all_clients(&self) {
        // There may be many clients, so the lock is released after each. One that is added
        // meanwhile finds by itself what the others are told.
        let count = self.state.lock().queue.nr_clients();
        for _ in 0..count {
            let Some(client) = self.state.lock().queue.next_client() else {
                return;
            };
            client.waiters.notify_all();
        }
    }
}
