// SPDX-License-Identifier: GPL-2.0

//! Jobs that are stopped: by a cancel, a signal, a time limit, an error or a close.

use kernel::{
    prelude::*,
    task::{
        self,
        Signal, //
    }, //
};

use crate::{
    client::Client,
    hardware::Ills,
    uapi::Record,
    world::*, //
};

const ILL: fn(Ills) -> Setup = |ills| Setup {
    ills,
    ..Setup::default()
};

/// Checks that the result of a cancel agrees with the record.
fn agrees(cancelled: Result, record: &Record) {
    let status = match cancelled {
        Ok(()) => Err(ECANCELED),
        Err(error) => {
            assert!(error == EALREADY || error == ENOENT, "{error:?}");
            Ok(())
        }
    };
    check(record, record.cookie, record.user_data, status);
}

/// Reads records, and returns them in the order of their cookies.
fn read_all<const N: usize>(client: &Client) -> [Record; N] {
    let mut records = [(); N].map(|()| read(client, false).expect("it comes"));
    records.sort_by_key(|record| record.cookie);
    for (record, cookie) in records.iter().zip(1..) {
        assert_eq!(record.cookie, cookie, "not the right records");
    }
    records
}

#[test]
fn a_cancelled_job_ends_as_the_cancel_says() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        let [record] = read_all(&client);
        agrees(thread.join().expect("it ends"), &record);
        world.end([client]);
    });
}

#[test]
fn a_cancel_of_the_running_job_leaves_the_next_alone() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        let [first, second] = read_all(&client);
        agrees(thread.join().expect("it ends"), &first);
        check(&second, 2, 2, Ok(()));
        world.end([client]);
    });
}

#[test]
fn a_cancel_of_a_job_that_waits_leaves_the_running_one_alone() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(2));
        let [first, second] = read_all(&client);
        check(&first, 1, 1, Ok(()));
        agrees(thread.join().expect("it ends"), &second);
        world.end([client]);
    });
}

#[test]
fn a_job_submitted_during_a_cancel_is_not_stopped() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        submit(&client, 2);
        let cancelled = thread.join().expect("it ends");
        let [first, second] = read_all(&client);
        agrees(cancelled, &first);
        check(&second, 2, 2, Ok(()));
        world.end([client]);
    });
}

#[test]
fn one_of_two_cancels_succeeds() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        let mine = client.cancel(1);
        let others = thread.join().expect("it ends");
        let [record] = read_all(&client);
        assert!(mine.is_err() || others.is_err(), "both have cancelled it");
        agrees(mine.or(others), &record);
        world.end([client]);
    });
}

/// Submits a job, interrupts the wait for it by a signal, and returns its record, from this call or
/// a later one.
fn submit_interrupted(client: &Client, user_data: u64) -> Record {
    let submitted = try_submit(client, true, user_data).expect("the channel is live");
    let cookie = submitted.cookie;
    task::send_signal(Signal::Handled);
    let mut announced = false;
    let record = client.wait_submitted(submitted, || {
        announced = true;
        Ok(())
    });
    task::send_signal(Signal::None);
    record.unwrap_or_else(|error| {
        assert_eq!(error, ERESTARTSYS);
        assert!(announced, "the program does not know of its job");
        wait(client, cookie).expect("the job goes on")
    })
}

#[test]
fn a_signal_does_not_stop_the_job() {
    for is_mapped in [false, true] {
        explore(None, move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            world.completes_deferred();
            let record = submit_interrupted(&client, 1);
            check(&record, 1, 1, Ok(()));
            world.end([client]);
        });
    }
}

#[test]
fn a_cancel_ends_a_job_whose_submitter_gets_a_signal_once() {
    for is_mapped in [false, true] {
        explore(Some(3), move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            world.completes_deferred();
            let other = client.clone();
            let thread = world.run(move |_| other.cancel(1));
            let record = submit_interrupted(&client, 1);
            agrees(thread.join().expect("it ends"), &record);
            world.end([client]);
        });
    }
}

#[test]
fn a_time_limit_ends_a_job_whose_submitter_gets_a_signal_once() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.time_passes();
        let record = submit_interrupted(&client, 1);
        check(&record, 1, 1, Err(ETIMEDOUT));
        world.end([client]);
    });
}

#[test]
fn a_fatal_signal_takes_the_job_back() {
    for is_mapped in [false, true] {
        explore(None, move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            task::send_signal(Signal::Fatal);
            match submit_wait(&client, 1) {
                Ok(record) => check(&record, 1, 1, Ok(())),
                Err(error) => assert_eq!(error, EINTR),
            }
            // In no case is there a record for another call as well.
            task::send_signal(Signal::None);
            assert_eq!(read(&client, true), Err(EAGAIN));
            world.end([client]);
        });
    }
}

#[test]
fn a_job_that_the_program_cannot_be_told_of_is_taken_back() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.interrupts();
        let submitted = try_submit(&client, true, 1).expect("the channel is live");
        task::send_signal(Signal::Handled);
        match client.wait_submitted(submitted, || Err(EFAULT)) {
            Ok(record) => check(&record, 1, 1, Ok(())),
            Err(error) => assert_eq!(error, EFAULT),
        }
        assert_eq!(read(&client, true), Err(EAGAIN));
        world.end([client]);
    });
}

#[test]
fn a_record_that_is_discarded_is_for_nobody() {
    for is_mapped in [false, true] {
        explore(Some(3), move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            world.completes_deferred();
            submit(&client, 1);
            client.discard(1);
            assert_eq!(read(&client, true), Err(EAGAIN));
            world.end([client]);
        });
    }
}

#[test]
fn a_wait_that_is_out_of_time_leaves_the_record() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        task::run_out_of_time();
        match client.wait(1, Some(50), false, |record| {
            check(record, 1, 1, Ok(()));
            Ok(())
        }) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, ETIMEDOUT);
                let record = read(&client, false).expect("it comes");
                check(&record, 1, 1, Ok(()));
            }
        }
        world.end([client]);
    });
}

#[test]
fn a_client_works_for_one_address_space_only() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| {
            task::enter_address_space(1);
            // Sleeps until the client has an owner, unless it has one already.
            assert_eq!(read(&other, false), Err(EPERM));
            assert_eq!(wait(&other, 1), Err(EPERM));
            assert_eq!(other.cancel(1), Err(EPERM));
            assert_eq!(other.claim(), Err(EPERM));
        });
        client.claim().expect("it is the first");
        submit(&client, 1);
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_signal_does_not_stop_the_job_of_another() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| {
            task::send_signal(Signal::Fatal);
            submit_wait(&other, 2)
        });
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        match thread.join().expect("it ends") {
            Ok(record) => check(&record, 2, 2, Ok(())),
            Err(error) => assert_eq!(error, EINTR),
        }
        world.end([client]);
    });
}

#[test]
fn the_default_time_limit_grows_with_the_bytes_up_to_the_longest() {
    loom::model(|| {
        let world = World::new(Setup::default());
        let limit = |bytes| world.channel.default_timeout(bytes).as_nanos();
        assert_eq!(limit(0), LIMIT);
        assert_eq!(limit((1 << 20) - 1), LIMIT);
        assert!(limit(0) < limit(1 << 20) && limit(1 << 20) < limit(2 << 20));
        assert_eq!(limit(1 << 40), LONGEST);
        assert_eq!(limit(u64::MAX), LONGEST);
    });
}

#[test]
fn a_time_limit_ends_its_own_job_only() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        world.time_passes();
        for (record, cookie) in read_all::<2>(&client).iter().zip(1..) {
            let timed_out = record.status == ETIMEDOUT.to_errno();
            let status = if timed_out { Err(ETIMEDOUT) } else { Ok(()) };
            check(record, cookie, cookie, status);
        }
        world.end([client]);
    });
}

#[test]
fn lost_interrupts_end_in_time_outs() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.time_passes();
        submit(&client, 1);
        submit(&client, 2);
        for (record, cookie) in read_all::<2>(&client).iter().zip(1..) {
            check(record, cookie, cookie, Err(ETIMEDOUT));
        }
        world.end([client]);
    });
}

#[test]
fn an_error_of_hardware_ends_each_job() {
    explore(Some(3), || {
        let world = World::new(ILL(Ills::Faults));
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        world.time_passes();
        for (record, cookie) in read_all::<2>(&client).iter().zip(1..) {
            let timed_out = record.status == ETIMEDOUT.to_errno();
            let error = if timed_out { ETIMEDOUT } else { EIO };
            check(record, cookie, cookie, Err(error));
        }
        world.end([client]);
    });
}

#[test]
fn an_error_of_hardware_and_a_cancel_end_a_job_once() {
    explore(None, || {
        let world = World::new(ILL(Ills::Faults));
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        world.time_passes();
        let cancelled = client.cancel(1);
        let [record] = read_all(&client);
        let error = match cancelled {
            Ok(()) => ECANCELED,
            Err(error) => {
                assert_eq!(error, EALREADY);
                let timed_out = record.status == ETIMEDOUT.to_errno();
                if timed_out {
                    ETIMEDOUT
                } else {
                    EIO
                }
            }
        };
        check(&record, 1, 1, Err(error));
        world.end([client]);
    });
}

#[test]
fn hardware_that_does_not_stop_ends_all_jobs_and_starts_none() {
    explore(Some(3), || {
        let world = World::new(ILL(Ills::NeverStops));
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        let second = try_submit(&client, false, 2);
        let first = read(&client, false).expect("it comes");
        let cancelled = thread.join().expect("it ends");
        let status = match cancelled {
            Err(EALREADY | ENOENT) => Ok(()),
            other => {
                assert_eq!(other, Err(EIO));
                // Hardware may have done the first job before it was stopped.
                if first.status == 0 {
                    Ok(())
                } else {
                    Err(EIO)
                }
            }
        };
        check(&first, 1, 1, status);
        match second {
            Ok(_) => {
                let second = read(&client, false).expect("it comes");
                let status = if second.status == 0 { Ok(()) } else { Err(EIO) };
                check(&second, 2, 2, status);
            }
            Err(error) => assert_eq!(error, EIO),
        }
        if cancelled == Err(EIO) {
            assert_eq!(read(&client, false), Err(EIO));
            assert_eq!(submit_wait(&client, 3), Err(EIO));
        }
        world.end([client]);
    });
}

#[test]
fn a_reader_is_told_that_the_channel_is_dead() {
    explore(None, || {
        let world = World::new(ILL(Ills::NeverStops));
        let client = world.client();
        submit(&client, 1);
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        check(&read(&client, false).expect("it comes"), 1, 1, Err(EIO));
        assert_eq!(read(&client, false), Err(EIO));
        assert_eq!(thread.join().expect("it ends"), Err(EIO));
        world.end([client]);
    });
}

#[test]
fn a_close_ends_the_jobs_of_its_client_only() {
    explore_close(|_, client| {
        check(&read(client, false).expect("it comes"), 1, 1, Ok(()));
    });
}
