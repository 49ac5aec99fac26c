// SPDX-License-Identifier: GPL-2.0

//! How a queue shares hardware between users and their clients.

use kernel::sync::Arc;

use crate::queue::{
    ClientQueue,
    Entry,
    Queue,
    Reserved,
    UserQueue, //
};

use super::Choices;

/// Jobs that a client may have.
const DEPTH: usize = 8;

/// What a turn is worth, and the longest job.
const QUANTUM: u64 = 1 << 20;

type Client = Arc<ClientQueue<Job>>;

/// A job, which is never used again.
struct Job {
    client: Client,
    bytes: u64,
    cookie: u64,
}

impl Entry for Job {
    /// The number of the client.
    type Waiters = usize;

    fn client(&self) -> &Client {
        &self.client
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn cookie(&self) -> u64 {
        self.cookie
    }

    fn set_cookie(&mut self, cookie: u64) {
        self.cookie = cookie;
    }

    fn is_sync(&self) -> bool {
        false
    }

    fn make_async(&mut self) {}

    fn ended_at(&self) -> u64 {
        self.cookie
    }
}

/// A queue with clients, and the bytes that hardware has moved for each.
struct Shared {
    queue: Box<Queue<Job>>,
    clients: Vec<Client>,
    moved: Vec<u64>,
}

impl Shared {
    /// Returns a queue with as many users as there are numbers, each with so many clients.
    fn new(clients_of_users: &[usize]) -> Self {
        let mut queue = Box::new(Queue::new(DEPTH, QUANTUM));
        let mut clients = Vec::new();
        for &count in clients_of_users {
            let user = UserQueue::new(queue.id()).expect("there is memory");
            for _ in 0..count {
                let (id, number) = (queue.id(), clients.len());
                let client = ClientQueue::new(id, user.clone(), DEPTH, number);
                let client = client.expect("there is memory");
                assert!(queue.add_client(&client));
                clients.push(client);
            }
        }
        Self {
            queue,
            moved: vec![0; clients.len()],
            clients,
        }
    }

    /// Submits a job, if the client may have another one.
    fn submit(&mut self, client: usize, bytes: u64) -> bool {
        let client = &self.clients[client];
        if matches!(self.queue.reserve(client), Ok(Reserved::Full)) {
            return false;
        }
        let job = Job {
            client: client.clone(),
            bytes,
            cookie: 0,
        };
        assert!(self.queue.submit(job).is_ok());
        true
    }

    /// Fills the queue of a client with jobs of a size.
    fn fill(&mut self, client: usize, bytes: u64) {
        while self.submit(client, bytes) {}
    }

    /// Runs the next job to its end; returns the number of its client.
    fn run(&mut self) -> usize {
        self.queue.start_next().expect("a job is pending");
        let job = self.queue.finish().expect("it runs");
        let (client, bytes) = (job.client.clone(), job.bytes);
        assert!(self.queue.deliver(job).is_ok());
        let job = self.queue.take(&client).expect("it is done");
        self.queue.recycle(&client, Some(job));
        // The job is dropped with those that are not in use, and another one is made.
        let unused = self.queue.reserve(&client);
        assert!(matches!(unused, Ok(Reserved::Job(_))));
        drop(unused);
        self.queue.recycle(&client, None);
        self.moved[client.waiters] += bytes;
        client.waiters
    }

    /// Returns the bytes that were moved for some clients.
    fn moved(&self, clients: core::ops::Range<usize>) -> u64 {
        self.moved[clients].iter().sum()
    }
}

#[test]
fn a_job_waits_for_one_job_of_a_user_with_many_files() {
    let mut shared = Shared::new(&[100, 1]);
    for client in 0..100 {
        shared.fill(client, QUANTUM);
    }
    for _ in 0..20 {
        assert!(shared.run() < 100);
        assert!(shared.submit(100, 64));
        let until = (0..3).position(|_| shared.run() == 100);
        assert!(until.is_some_and(|jobs| jobs <= 1), "after {until:?} jobs");
    }
}

#[test]
fn opening_more_files_gets_a_user_no_more() {
    let mut shared = Shared::new(&[10, 1]);
    for _ in 0..400 {
        for client in 0..11 {
            shared.fill(client, QUANTUM / 2);
        }
        shared.run();
    }
    let (many, one) = (shared.moved(0..10), shared.moved(10..11));
    assert!(many.abs_diff(one) <= QUANTUM, "{many} and {one} bytes");
    for client in 0..10 {
        let mine = shared.moved[client];
        assert!(
            mine.abs_diff(many / 10) <= QUANTUM,
            "{mine} of {many} bytes"
        );
    }
}

#[test]
fn short_jobs_get_as_many_bytes_as_long_ones() {
    let mut shared = Shared::new(&[1, 1]);
    for _ in 0..4000 {
        shared.fill(0, QUANTUM);
        shared.fill(1, QUANTUM / 16);
        shared.run();
    }
    // Each job costs a little more than its bytes.
    let (long, short) = (shared.moved[0], shared.moved[1]);
    assert!(
        short <= long && long - short <= long / 10,
        "{long} and {short} bytes"
    );
}

#[test]
fn a_client_that_was_idle_saves_nothing() {
    let mut shared = Shared::new(&[1, 1]);
    for _ in 0..50 {
        shared.fill(0, QUANTUM);
        assert_eq!(shared.run(), 0);
    }
    let mut seen = [0; 2];
    for _ in 0..8 {
        shared.fill(0, QUANTUM);
        shared.fill(1, QUANTUM);
        seen[shared.run()] += 1;
    }
    assert_eq!(seen, [4, 4]);
}

#[test]
fn in_random_runs_each_user_gets_its_share() {
    for seed in 0..300 {
        let mut choices = Choices::random(seed);
        let mut shared = Shared::new(&[3, 1, 2]);
        let sizes: Vec<u64> = (0..6).map(|_| 1 << (6 + choices.choose(15))).collect();
        let mut cost = [0u64; 3];
        for _ in 0..2000 {
            for client in 0..6 {
                shared.fill(client, sizes[client]);
            }
            let client = shared.run();
            let user = [0, 0, 0, 1, 2, 2][client];
            cost[user] += (sizes[client] + 4096).min(QUANTUM);
            let (least, most) = (cost.iter().min(), cost.iter().max());
            let apart = most.zip(least).map(|(most, least)| most - least);
            assert!(apart <= Some(2 * QUANTUM), "{cost:?}, seed {seed}");
        }
    }
}
