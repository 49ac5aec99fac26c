// SPDX-License-Identifier: GPL-2.0

//! Jobs that end by themselves, and their records.

use kernel::{
    alloc,
    prelude::*,
    sync::Arc, //
};

use crate::{
    channel::QUEUE_DEPTH,
    job::ClientJobs,
    queue::Reserved,
    world::*, //
};

const SG: Setup = Setup {
    is_mapped: true,
    ills: crate::hardware::Ills::None,
    closes: false,
    polls: false,
    has_long_jobs: false,
};

#[test]
fn a_submitter_that_waits_gets_its_record() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        for cookie in 1..3 {
            let record = submit_wait(&client, 7).expect("it is done");
            check(&record, cookie, 7, Ok(()));
        }
        world.end([client]);
    });
}

#[test]
fn two_submitters_that_wait_get_their_own_records() {
    explore(Some(3), || {
        let world = World::new(SG);
        world.interrupts();
        let client = world.client();
        let other = client.clone();
        let thread = world.run(move |_| submit_wait(&other, 8).expect("it is done"));
        let mine = submit_wait(&client, 7).expect("it is done");
        let other = thread.join().expect("it ends");
        assert_eq!((mine.user_data, other.user_data), (7, 8));
        assert_eq!(mine.cookie + other.cookie, 3);
        world.end([client]);
    });
}

#[test]
fn a_reader_gets_all_records_in_order() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        let other = client.clone();
        let thread = world.run(move |_| {
            submit(&other, 1);
            submit(&other, 2);
        });
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        check(&read(&client, false).expect("it comes"), 2, 2, Ok(()));
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_reader_does_not_get_what_a_submitter_waits_for() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        let other = client.clone();
        submit(&client, 1);
        let thread = world.run(move |_| submit_wait(&other, 2).expect("it is done"));
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        check(&thread.join().expect("it ends"), 2, 2, Ok(()));
        world.end([client]);
    });
}

#[test]
fn a_record_is_for_a_reader_or_for_who_waits_for_its_cookie() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        let other = client.clone();
        let thread = world.run(move |_| wait(&other, 1));
        let first = read(&client, false).expect("one comes");
        match thread.join().expect("it ends") {
            Ok(record) => {
                check(&record, 1, 1, Ok(()));
                check(&first, 2, 2, Ok(()));
            }
            Err(error) => {
                assert_eq!(error, ENOENT);
                check(&first, 1, 1, Ok(()));
                check(&read(&client, false).expect("it comes"), 2, 2, Ok(()));
            }
        }
        world.end([client]);
    });
}

#[test]
fn a_record_that_cannot_be_given_is_for_others() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        let other = client.clone();
        let thread = world.run(move |_| other.next_record(false, |_| Err(EFAULT)));
        let records = [(); 2].map(|()| read(&client, false).expect("it comes"));
        // The next record may overtake one that a call is about to return.
        assert_eq!(records.iter().map(|record| record.cookie).sum::<u64>(), 3);
        // If both were read already, the third one wakes the other thread.
        submit(&client, 3);
        assert_eq!(thread.join().expect("it ends"), Err(EFAULT));
        check(&read(&client, false).expect("it comes"), 3, 3, Ok(()));
        world.end([client]);
    });
}

#[test]
fn records_that_cannot_be_given_come_back_in_their_order() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.next_record(false, |_| Err(EFAULT)));
        assert_eq!(client.next_record(false, |_| Err(EFAULT)), Err(EFAULT));
        assert_eq!(thread.join().expect("it ends"), Err(EFAULT));
        for cookie in 1..3 {
            check(
                &read(&client, false).expect("it comes"),
                cookie,
                cookie,
                Ok(()),
            );
        }
        world.end([client]);
    });
}

#[test]
fn who_waits_for_a_cookie_sees_its_record_come_back() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let client = world.client();
        submit(&client, 1);
        let other = client.clone();
        let thread = world.run(move |_| other.next_record(true, |_| Err(EFAULT)));
        check(&wait(&client, 1).expect("it comes"), 1, 1, Ok(()));
        let error = thread
            .join()
            .expect("it ends")
            .expect_err("it does not take it");
        assert!(error == EFAULT || error == EAGAIN, "{error:?}");
        world.end([client]);
    });
}

/// Leaves `left` jobs to the client of the running job; the others are reserved.
fn take_all_but(world: &World, left: usize) -> Arc<ClientJobs> {
    let mut state = world.channel.state.lock();
    let client = state.queue.running().expect("it runs").client.clone();
    for _ in left..QUEUE_DEPTH {
        assert!(matches!(state.queue.reserve(&client), Ok(Reserved::Make)));
    }
    client
}

/// Undoes [`take_all_but`].
fn give_back_all_but(world: &World, client: &ClientJobs, left: usize) {
    for _ in left..QUEUE_DEPTH {
        world.channel.state.lock().queue.recycle(client, None);
    }
}

#[test]
fn a_submitter_finds_room_when_a_record_was_taken() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        let jobs = take_all_but(&world, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| submit(&other, 2));
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        assert_eq!(thread.join().expect("it ends"), 2);
        check(&read(&client, false).expect("it comes"), 2, 2, Ok(()));
        give_back_all_but(&world, &jobs, 1);
        world.end([client]);
    });
}

#[test]
fn a_submitter_finds_room_when_another_has_no_memory_for_its_job() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        let jobs = take_all_but(&world, 2);
        alloc::limit(Some(0));
        let other = client.clone();
        let thread = world.run(move |_| submit_wait(&other, 2));
        assert_eq!(submit_wait(&client, 3), Err(ENOMEM));
        assert_eq!(thread.join().expect("it ends"), Err(ENOMEM));
        alloc::limit(None);
        give_back_all_but(&world, &jobs, 2);
        world.interrupts();
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        world.end([client]);
    });
}

/// Tests that giving back a job without the queue still wakes the threads that wait for a job.
#[test]
fn three_submitters_that_wait_share_the_last_job() {
    explore(Some(2), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        let jobs = take_all_but(&world, 1);
        world.interrupts();
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        let threads = [2, 3].map(|number| {
            let other = client.clone();
            world.run(move |_| submit_wait(&other, number).expect("it is done"))
        });
        assert_eq!(submit_wait(&client, 4).expect("it is done").user_data, 4);
        let others = threads.map(|thread| thread.join().expect("it ends").user_data);
        assert_eq!(others, [2, 3]);
        give_back_all_but(&world, &jobs, 1);
        world.end([client]);
    });
}

#[test]
fn jobs_are_unmapped_before_their_records_are_read() {
    explore(None, || {
        let world = World::new(SG);
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        world.completes_deferred();
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        check(&read(&client, false).expect("it comes"), 2, 2, Ok(()));
        world.end([client]);
    });
}

/// Tests jobs of which only some are unmapped, while others end.
#[test]
fn records_stay_in_order_beside_jobs_that_are_unmapped() {
    explore(Some(3), || {
        let world = World::new(Setup {
            has_long_jobs: true,
            ..Setup::default()
        });
        let client = world.client();
        world.interrupts();
        world.completes_deferred();
        for cookie in 1..4 {
            submit(&client, cookie);
        }
        for cookie in 1..4 {
            check(
                &read(&client, false).expect("it comes"),
                cookie,
                cookie,
                Ok(()),
            );
        }
        world.end([client]);
    });
}

#[test]
fn clients_do_not_get_each_others_records() {
    explore(None, || {
        let world = World::new(Setup::default());
        world.interrupts();
        let clients = [world.client(), world.client()];
        let other = clients[1].clone();
        let thread = world.run(move |_| {
            submit(&other, 8);
            read(&other, false).expect("it comes")
        });
        submit(&clients[0], 7);
        check(&read(&clients[0], false).expect("it comes"), 1, 7, Ok(()));
        check(&thread.join().expect("it ends"), 1, 8, Ok(()));
        world.end(clients);
    });
}

/// Tests both cases: the polling submitter finds the end of a job first, or its interrupt comes
/// first.
#[test]
fn polled_jobs_leave_one_record_each() {
    for is_mapped in [false, true] {
        explore(Some(3), move || {
            let world = World::new(Setup {
                is_mapped,
                polls: true,
                ..Setup::default()
            });
            world.interrupts();
            world.completes_deferred();
            let client = world.client();
            let other = client.clone();
            let thread = world.run(move |_| submit_wait(&other, 8).expect("it is done"));
            submit(&client, 7);
            let mine = read(&client, false).expect("it comes");
            let other = thread.join().expect("it ends");
            assert_eq!((mine.user_data, other.user_data), (7, 8));
            assert_eq!((mine.status, other.status), (0, 0));
            world.end([client]);
        });
    }
}
