// SPDX-License-Identifier: GPL-2.0

//! The queue, compared with a list of all jobs and their places.

use kernel::{
    alloc,
    prelude::*,
    sync::Arc, //
};

use crate::queue::{
    ClientQueue,
    Entry,
    JobState,
    Phase,
    Queue,
    Reserved,
    UserQueue, //
};

use super::Choices;

/// Jobs that a client may have.
const DEPTH: usize = 2;

/// What a turn is worth.
const QUANTUM: u64 = 64 << 10;

/// A job.
struct Job {
    client: Arc<ClientQueue<Job>>,
    cookie: u64,
    sync: bool,
    ended: u64,
}

impl Job {
    fn new(client: &Arc<ClientQueue<Job>>) -> Self {
        Self {
            client: client.clone(),
            cookie: 0,
            sync: false,
            ended: 0,
        }
    }

    /// Returns the number of the client, and that of the job.
    fn name(&self) -> (usize, u64) {
        (self.client.waiters, self.cookie)
    }
}

impl Entry for Job {
    /// The number of the client.
    type Waiters = usize;

    fn client(&self) -> &Arc<ClientQueue<Job>> {
        &self.client
    }

    fn bytes(&self) -> u64 {
        QUANTUM
    }

    fn cookie(&self) -> u64 {
        self.cookie
    }

    fn set_cookie(&mut self, cookie: u64) {
        self.cookie = cookie;
    }

    fn is_sync(&self) -> bool {
        self.sync
    }

    fn make_async(&mut self) {
        self.sync = false;
    }

    fn ended_at(&self) -> u64 {
        self.ended
    }
}

/// The place of a job, in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Pending,
    Running,
    /// Taken from hardware, and neither deferred nor delivered yet.
    Between,
    Deferred,
    Done,
    /// Done, and kept for its submitter.
    Kept,
    /// Taken by a call that is about to return its record.
    Given,
    /// Gone, as its record was returned.
    Taken,
}

/// A job in the model.
#[derive(Clone, Copy)]
struct Known {
    client: usize,
    cookie: u64,
    sync: bool,
    /// Number of the job in the order of delivery.
    ended: u64,
    at: At,
}

/// A queue with two clients, and the model of it.
struct Both {
    queue: Box<Queue<Job>>,
    clients: [Arc<ClientQueue<Job>>; 2],
    /// All submitted jobs, in the order in which they came to their places.
    jobs: Vec<Known>,
    /// Jobs that are outside of the queue.
    held: Vec<Job>,
    made: [usize; 2],
    /// Jobs that were reserved and not submitted.
    reserved: [Vec<Job>; 2],
    is_held: bool,
    phase: Phase,
    delivered: u64,
    /// How many jobs of the other client were taken while a job of this one was pending.
    passed_over: [usize; 2],
}

/// Adds a client with this number, of a user of its own.
fn add(queue: &mut Queue<Job>, number: usize) -> Result<Arc<ClientQueue<Job>>> {
    let user = UserQueue::new(queue.id())?;
    let client = ClientQueue::new(queue.id(), user, DEPTH, number)?;
    assert!(queue.add_client(&client));
    Ok(client)
}

impl Both {
    fn new() -> Self {
        let mut queue = Box::new(Queue::new(DEPTH, QUANTUM));
        let clients = [0, 1].map(|number| add(&mut queue, number).expect("there is memory"));
        Self {
            queue,
            clients,
            jobs: Vec::new(),
            held: Vec::new(),
            made: [0; 2],
            reserved: [Vec::new(), Vec::new()],
            is_held: false,
            phase: Phase::Live,
            delivered: 0,
            passed_over: [0; 2],
        }
    }

    /// Returns the oldest job that matches `of`.
    fn first(&self, of: impl Fn(&Known) -> bool) -> Option<Known> {
        self.jobs.iter().copied().find(of)
    }

    /// Moves a job to a place, behind the jobs that are there.
    fn moves(&mut self, known: Known, at: At) {
        let is_it = |job: &Known| (job.client, job.cookie) == (known.client, known.cookie);
        self.jobs.retain(|job| !is_it(job));
        self.jobs.push(Known { at, ..known });
    }

    /// Returns the pending job whose turn it is: that of the client in `taken`, if there is one. No
    /// client is passed over twice in a row.
    fn next_turn(&mut self, taken: Option<usize>) -> Option<Known> {
        let oldest =
            [0, 1].map(|client| self.first(|job| job.at == At::Pending && job.client == client));
        for client in 0..2 {
            let is_passed_over = oldest[client].is_some() && taken != Some(client);
            self.passed_over[client] = if is_passed_over {
                self.passed_over[client] + 1
            } else {
                0
            };
            assert!(self.passed_over[client] < 2);
        }
        match taken {
            Some(client) => oldest[client],
            None => oldest[0].or(oldest[1]),
        }
    }

    /// Checks that the job from the queue is that of the model, and holds it.
    fn comes(&mut self, job: Option<Job>, known: Option<Known>, at: At) {
        let came = job.as_ref().map(|job| (job.name(), job.sync));
        let expected = known.map(|k| ((k.client, k.cookie), k.sync));
        assert_eq!(came, expected);
        self.held.extend(job);
        if let Some(known) = known {
            self.moves(known, at);
        }
    }

    /// Returns the held job.
    fn let_go(&mut self, known: Known) -> Job {
        let is_it = |job: &Job| job.name() == (known.client, known.cookie);
        let at = self.held.iter().position(is_it).expect("it is held");
        self.held.swap_remove(at)
    }

    fn in_use(&self, client: usize) -> usize {
        let is_used = |job: &&Known| job.client == client && job.at != At::Taken;
        self.jobs.iter().filter(is_used).count() + self.reserved[client].len()
    }

    fn reserve(&mut self, client: usize) {
        let id = &self.clients[client].clone();
        let used = self.in_use(client);
        match self.queue.reserve(id) {
            Ok(Reserved::Job(job)) => {
                assert!(used < self.made[client]);
                self.reserved[client].push(job);
            }
            Ok(Reserved::Make) => {
                assert!(used == self.made[client] && used < DEPTH);
                self.made[client] += 1;
                self.reserved[client].push(Job::new(id));
            }
            Ok(Reserved::Full) => assert_eq!(used, DEPTH),
            Err(error) => assert_eq!(Err(error), self.phase.accepts()),
        }
    }

    fn submit(&mut self, client: usize, sync: bool) {
        let Some(mut job) = self.reserved[client].pop() else {
            return;
        };
        job.sync = sync;
        let last = self.jobs.iter().filter(|job| job.client == client).count();
        match self.queue.submit(job) {
            Ok(cookie) => {
                assert_eq!(self.phase, Phase::Live);
                // CAST: A small number.
                assert_eq!(cookie, last as u64 + 1);
                self.jobs.push(Known {
                    client,
                    cookie,
                    sync,
                    ended: 0,
                    at: At::Pending,
                });
            }
            Err((error, job)) => {
                assert_eq!(Err(error), self.phase.accepts());
                self.reserved[client].push(job);
            }
        }
    }

    /// Delivers a held job.
    fn deliver(&mut self, known: Known) {
        let mut job = self.let_go(known);
        self.delivered += 1;
        job.ended = self.delivered;
        let known = Known {
            ended: job.ended,
            ..known
        };
        assert!(self.queue.deliver(job).is_ok());
        self.moves(known, if known.sync { At::Kept } else { At::Done });
    }

    fn step(&mut self, choices: &mut Choices) {
        let client = choices.choose(2);
        let id = &self.clients[client].clone();
        let of = |at: At| move |job: &Known| job.at == at;
        let mine = |at: At| move |job: &Known| job.at == at && job.client == client;
        match choices.choose(14) {
            0 => self.reserve(client),
            1 => self.submit(client, false),
            2 => self.submit(client, true),
            3 => {
                let is_free = self.first(of(At::Running)).is_none() && !self.is_held;
                let can = is_free && self.phase == Phase::Live;
                let started = self.queue.start_next().map(|job| job.name());
                let next = if can {
                    self.next_turn(started.map(|(client, _)| client))
                } else {
                    None
                };
                assert_eq!(started, next.map(|next| (next.client, next.cookie)));
                if let Some(next) = next {
                    self.moves(next, At::Running);
                }
            }
            4 => {
                let job = self.queue.finish();
                let known = self.first(of(At::Running));
                self.comes(job, known, At::Between);
            }
            5 => {
                if let Some(known) = self.first(of(At::Between)) {
                    self.deliver(known);
                }
            }
            6 => {
                if let Some(known) = self.first(of(At::Between)) {
                    let job = self.let_go(known);
                    assert!(self.queue.defer(job).is_ok());
                    self.moves(known, At::Deferred);
                }
            }
            7 => {
                let job = self.queue.take_deferred();
                let known = match &job {
                    Some(job) => {
                        let client = job.client.waiters;
                        self.first(|job| job.at == At::Deferred && job.client == client)
                    }
                    None => self.first(of(At::Deferred)),
                };
                self.comes(job, known, At::Deferred);
                if let Some(known) = known {
                    self.deliver(known);
                }
            }
            8 => {
                // Withdraws the newest job of the client.
                let newest = self.jobs.iter().rev().copied().find(mine(At::Pending));
                let cookie = newest.map_or(99, |known| known.cookie);
                let job = self.queue.withdraw(id, cookie);
                self.comes(job, newest, At::Between);
            }
            9 => {
                let (job, known) = if choices.choose(2) == 0 {
                    let job = self.queue.withdraw_any();
                    let client = job.as_ref().map(|job| job.client.waiters);
                    (job, self.next_turn(client))
                } else {
                    (self.queue.withdraw_of(id), self.first(mine(At::Pending)))
                };
                self.comes(job, known, At::Between);
            }
            10 => {
                let known = self.first(mine(At::Done));
                let job = if choices.choose(2) == 0 {
                    self.queue.take(id)
                } else {
                    self.queue
                        .take_cookie(id, known.map_or(99, |known| known.cookie))
                };
                self.comes(job, known, At::Given);
            }
            11 => {
                let known = self.first(mine(At::Kept));
                let cookie = known.map_or(99, |known| known.cookie);
                let job = self.queue.take_sync(id, cookie);
                self.comes(job, known, At::Given);
                if let Some(known) = known {
                    let job = self.let_go(known);
                    self.queue.recycle(id, Some(job));
                    self.moves(known, At::Taken);
                }
            }
            12 => {
                if let Some(known) = self.first(mine(At::Given)) {
                    let job = self.let_go(known);
                    if choices.choose(2) == 0 {
                        self.queue.recycle(id, Some(job));
                        self.moves(known, At::Taken);
                    } else {
                        self.queue.put_back(job);
                        self.moves(known, At::Done);
                        let moved = self.jobs.pop().expect("it was moved");
                        let is_later = |job: &Known| mine(At::Done)(job) && job.ended > moved.ended;
                        let to = self.jobs.iter().position(is_later);
                        self.jobs.insert(to.unwrap_or(self.jobs.len()), moved);
                    }
                }
            }
            _ => match choices.choose(5) {
                4 => {
                    let is_sync = |job: &&Known| job.client == client && job.sync;
                    let may_change = |at| matches!(at, At::Pending | At::Running | At::Kept);
                    let known = self.jobs.iter().filter(is_sync).copied();
                    let known = known.rev().find(|job| may_change(job.at));
                    let cookie = known.map_or(99, |known| known.cookie);
                    let job = self.queue.make_async(id, cookie);
                    let kept = known.filter(|known| known.at == At::Kept);
                    self.comes(job, kept, At::Given);
                    if let Some(known) = kept {
                        let job = self.let_go(known);
                        self.queue.recycle(id, Some(job));
                        self.moves(known, At::Taken);
                    } else if let Some(known) = known {
                        let is_it = |job: &&mut Known| {
                            (job.client, job.cookie) == (known.client, known.cookie)
                        };
                        let job = self.jobs.iter_mut().find(is_it);
                        job.expect("it is known").sync = false;
                    }
                }
                0 => {
                    self.is_held = !self.is_held;
                    self.queue.hold(self.is_held);
                }
                1 => {
                    if let Some(job) = self.reserved[client].pop() {
                        self.queue.recycle(id, Some(job));
                    }
                }
                2 => {
                    if self.phase == Phase::Live {
                        self.phase = Phase::Dead;
                    }
                    self.queue.end(Phase::Dead);
                }
                _ => {
                    self.phase = Phase::Unbound;
                    self.queue.end(Phase::Unbound);
                }
            },
        }
        self.compare();
    }

    /// Compares all answers of the queue with the model.
    fn compare(&mut self) {
        assert_eq!(self.queue.phase(), self.phase);
        let is_out = |job: &&Known| job.at != At::Taken;
        assert_eq!(
            self.queue.jobs_out(),
            self.jobs.iter().filter(is_out).count()
        );
        for client in 0..2 {
            let id = &self.clients[client];
            let any = |of: &dyn Fn(&Known) -> bool| {
                self.jobs.iter().any(|job| job.client == client && of(job))
            };
            let is_active = |at: At| !matches!(at, At::Done | At::Kept | At::Taken);
            assert_eq!(self.queue.is_active(id), any(&|job| is_active(job.at)));
            assert_eq!(self.queue.runs_for(id), any(&|job| job.at == At::Running));
            assert_eq!(self.queue.has_record(id), any(&|job| job.at == At::Done));
            assert_eq!(self.queue.has_free_job(id), self.in_use(client) < DEPTH);
        }
        for job in &self.jobs {
            let id = &self.clients[job.client];
            let place = match job.at {
                At::Pending | At::Between => JobState::Pending,
                At::Running => JobState::Running,
                At::Deferred | At::Done | At::Given => JobState::Done,
                At::Kept | At::Taken => JobState::Unknown,
            };
            assert_eq!(self.queue.job_state(id, job.cookie), place);
            let is_active = !matches!(job.at, At::Done | At::Kept | At::Taken);
            assert_eq!(self.queue.expects(id, job.cookie), is_active && !job.sync);
            let is_to_come = is_active && job.at != At::Given;
            assert_eq!(self.queue.has_record_to_come(id, job.cookie), is_to_come);
        }
    }
}

#[test]
fn every_short_sequence_leaves_each_job_in_one_place() {
    let mut choices = Choices::all();
    loop {
        let mut both = Both::new();
        // An empty queue would leave few steps to try.
        for client in 0..2 {
            both.reserve(client);
            both.submit(client, client == 1);
        }
        for _ in 0..4 {
            both.step(&mut choices);
        }
        if !choices.next() {
            break;
        }
    }
}

#[test]
fn long_random_sequences_leave_each_job_in_one_place() {
    for seed in 0..4000 {
        let mut choices = Choices::random(seed);
        let mut both = Both::new();
        for _ in 0..150 {
            both.step(&mut choices);
        }
    }
}

#[test]
fn a_queue_without_memory_for_a_client_is_as_before() {
    let mut queue = Box::new(Queue::<Job>::new(DEPTH, QUANTUM));
    let mut failed = 0;
    loop {
        alloc::limit(Some(failed));
        let client = add(&mut queue, 0);
        alloc::limit(None);
        match client {
            Err(error) => assert_eq!(error, ENOMEM),
            Ok(_) => break,
        }
        assert_eq!(queue.nr_clients(), 0);
        failed += 1;
    }
    // One for each: the user, the client, and its six lists.
    assert_eq!(failed, 8);
}

#[test]
fn a_client_works_with_its_own_queue_only() {
    let mut queue = Box::new(Queue::<Job>::new(DEPTH, QUANTUM));
    let mut other = Box::new(Queue::<Job>::new(DEPTH, QUANTUM));
    let client = add(&mut queue, 0).expect("there is memory");
    assert!(!other.add_client(&client));
    assert!(!queue.add_client(&client), "it was added before");
    assert!(matches!(other.reserve(&client), Err(error) if error == ENODEV));
    let submitted = other.submit(Job::new(&client)).map_err(|(error, _)| error);
    assert_eq!(submitted, Err(ENODEV));
    assert!(other.deliver(Job::new(&client)).is_err());
    assert!(other.defer(Job::new(&client)).is_err());
    assert!(other.take(&client).is_none());
    assert!(other.remove_client(&client).is_none());
    assert!(queue.remove_client(&client).is_some());
    assert!(queue.remove_client(&client).is_none());
}

#[test]
fn what_a_client_had_is_freed_when_it_is_removed() {
    let mut queue = Box::new(Queue::<Job>::new(DEPTH, QUANTUM));
    let client = add(&mut queue, 0).expect("there is memory");
    let weak = client.downgrade();
    for _ in 0..DEPTH {
        assert!(matches!(queue.reserve(&client), Ok(Reserved::Make)));
    }
    for _ in 0..DEPTH {
        queue.recycle(&client, Some(Job::new(&client)));
    }
    drop(queue.remove_client(&client).expect("it was added"));
    drop(client);
    assert!(weak.upgrade().is_none());
}

#[test]
fn each_of_all_clients_is_next_once() {
    let mut queue = Box::new(Queue::<Job>::new(DEPTH, QUANTUM));
    let clients: Vec<_> = (0..5)
        .map(|n| add(&mut queue, n).expect("there is memory"))
        .collect();
    assert_eq!(queue.nr_clients(), 5);
    let mut seen: Vec<_> = (0..2).filter_map(|_| queue.next_client()).collect();
    // One is removed and one is added meanwhile.
    assert!(queue.remove_client(&clients[3]).is_some());
    let _late = add(&mut queue, 9).expect("there is memory");
    seen.extend((2..5).filter_map(|_| queue.next_client()));
    let seen: Vec<_> = seen.iter().map(|client| client.waiters).collect();
    assert_eq!(seen, [0, 1, 2, 4, 0]);
}
