// SPDX-License-Identifier: GPL-2.0

//! Unbind, which ends all jobs and calls.

use kernel::{
    prelude::*,
    task::{
        self,
        Signal, //
    }, //
};

use loom::sync::mpsc;

use crate::{
    uapi::Record,
    world::*, //
};

const BOUND: Setup = Setup {
    is_mapped: false,
    ills: crate::hardware::Ills::None,
    closes: true,
    polls: false,
    has_long_jobs: false,
};

const BOUND_LONG: Setup = Setup {
    has_long_jobs: true,
    ..BOUND
};

const BOUND_SG: Setup = Setup {
    is_mapped: true,
    ..BOUND
};

/// Checks the record of a job that was done, or was ended by unbind.
fn check_ended(record: &Record, cookie: u64) {
    let status = if record.status == 0 {
        Ok(())
    } else {
        Err(ENODEV)
    };
    check(record, cookie, cookie, status);
}

#[test]
fn unbind_ends_all_jobs_and_then_readers() {
    explore(Some(3), || {
        let world = World::new(BOUND);
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let thread = world.run(|world| world.unbind());
        for cookie in 1..3 {
            check_ended(&read(&client, false).expect("it comes"), cookie);
        }
        assert_eq!(read(&client, false), Err(ENODEV));
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn poll_says_hangup_when_no_further_record_can_come() {
    for setup in [BOUND, BOUND_SG] {
        explore(Some(2), move || {
            let world = World::new(setup);
            let client = world.client();
            submit(&client, 1);
            world.interrupts();
            world.completes_deferred();
            let thread = world.run(|world| world.unbind());
            let ready = client.readiness();
            // What is there with a hangup is all that there will be.
            assert!(ready.record || !ready.unbound, "the record is lost");
            check_ended(&read(&client, false).expect("it comes"), 1);
            thread.join().expect("it ends");
            let ready = client.readiness();
            assert!(ready.unbound && !ready.record);
            world.end([client]);
        });
    }
}

#[test]
fn unbind_waits_for_jobs_to_be_unmapped() {
    for setup in [BOUND_SG, BOUND_LONG] {
        explore(Some(2), move || {
            let world = World::new(setup);
            let client = world.client();
            submit(&client, 1);
            submit(&client, 2);
            world.interrupts();
            world.completes_deferred();
            let thread = world.run(|world| world.unbind());
            for cookie in 1..3 {
                check_ended(&read(&client, false).expect("it comes"), cookie);
            }
            assert_eq!(read(&client, false), Err(ENODEV));
            thread.join().expect("it ends");
            world.end([client]);
        });
    }
}

#[test]
fn unbind_ends_a_job_that_is_waited_for() {
    for setup in [BOUND, BOUND_SG, BOUND_LONG] {
        explore(Some(3), move || {
            let world = World::new(setup);
            let client = world.client();
            world.interrupts();
            let thread = world.run(|world| world.unbind());
            match submit_wait(&client, 1) {
                Ok(record) => check_ended(&record, 1),
                Err(error) => assert_eq!(error, ENODEV),
            }
            thread.join().expect("it ends");
            world.end([client]);
        });
    }
}

#[test]
fn unbind_ends_a_job_whose_submitter_gets_a_signal() {
    explore(Some(2), || {
        let world = World::new(BOUND_SG);
        let client = world.client();
        world.interrupts();
        let thread = world.run(|world| world.unbind());
        world.completes_deferred();
        task::send_signal(Signal::Handled);
        match submit_wait(&client, 1) {
            Ok(record) => check_ended(&record, 1),
            Err(ERESTARTSYS) => {
                task::send_signal(Signal::None);
                check_ended(&wait(&client, 1).expect("it comes"), 1);
            }
            Err(error) => assert_eq!(error, ENODEV),
        }
        thread.join().expect("it ends");
        world.end([client]);
    });
}

/// Tests a program that supplies the memory for its cookie as late as it likes.
#[test]
fn unbind_does_not_wait_for_a_program_that_is_being_told() {
    explore(Some(2), || {
        let world = World::new(BOUND_SG);
        let client = world.client();
        world.interrupts();
        world.completes_deferred();
        let (sender, unbound) = mpsc::channel();
        let thread = world.run(move |world| {
            world.unbind();
            let _ = sender.send(());
        });
        if let Ok(submitted) = try_submit(&client, true, 1) {
            task::send_signal(Signal::Handled);
            let waited = client.wait_submitted(submitted, || unbound.recv().map_err(|_| EFAULT));
            match waited {
                Ok(record) => check_ended(&record, 1),
                Err(error) => {
                    assert_eq!(error, ERESTARTSYS);
                    task::send_signal(Signal::None);
                    check_ended(&wait(&client, 1).expect("it comes"), 1);
                }
            }
        }
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn unbind_and_a_cancel_end_a_job_once() {
    explore(Some(3), || {
        let world = World::new(BOUND);
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let thread = world.run(|world| world.unbind());
        let cancelled = client.cancel(1);
        let record = read(&client, false).expect("it comes");
        match cancelled {
            Ok(()) => check(&record, 1, 1, Err(ECANCELED)),
            Err(error) => {
                assert!(error == EALREADY || error == ENODEV, "{error:?}");
                check_ended(&record, 1);
            }
        }
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn unbind_and_a_close_end_a_job_once() {
    for setup in [BOUND, BOUND_LONG, BOUND_SG] {
        explore(Some(2), move || {
            let world = World::new(setup);
            let client = world.client();
            submit(&client, 1);
            submit(&client, 2);
            world.interrupts();
            if setup != BOUND {
                world.completes_deferred();
            }
            let thread = world.run(|world| world.unbind());
            drop(client);
            thread.join().expect("it ends");
            world.end_with([], 2);
        });
    }
}

#[test]
fn unbind_and_a_time_limit_end_a_job_once() {
    explore(Some(3), || {
        let world = World::new(BOUND);
        let client = world.client();
        submit(&client, 1);
        world.time_passes();
        let thread = world.run(|world| world.unbind());
        let record = read(&client, false).expect("it comes");
        let timed_out = record.status == ETIMEDOUT.to_errno();
        check(
            &record,
            1,
            1,
            Err(if timed_out { ETIMEDOUT } else { ENODEV }),
        );
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn who_waits_for_a_cookie_is_told_of_unbind() {
    explore(Some(3), || {
        let world = World::new(BOUND);
        let client = world.client();
        submit(&client, 1);
        let other = client.clone();
        let reader = world.run(move |_| read(&other, false));
        let thread = world.run(|world| world.unbind());
        let waited = wait(&client, 1);
        let record = match (waited, reader.join().expect("it ends")) {
            (Ok(record), Err(ENODEV)) | (Err(ENODEV), Ok(record)) => record,
            (Err(ENOENT), Ok(record)) => record,
            other => panic!("{other:?}"),
        };
        check(&record, 1, 1, Err(ENODEV));
        thread.join().expect("it ends");
        world.end([client]);
    });
}
