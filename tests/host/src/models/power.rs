// SPDX-License-Identifier: GPL-2.0

//! Suspend and resume of the system.

use kernel::{
    io::poll,
    prelude::*,
    time::{
        self,
        Delta, //
    }, //
};

use crate::{
    hardware::Ills,
    uapi::Record,
    world::*, //
};

/// Checks the record of a job that was done, or was stopped with one of `errors`.
fn check_one_of(record: &Record, cookie: u64, errors: &[Error]) {
    let stopped = errors
        .iter()
        .find(|error| error.to_errno() == record.status);
    let status = stopped.map_or(Ok(()), |&error| Err(error));
    check(record, cookie, cookie, status);
}

#[test]
fn a_job_submitted_during_suspend_is_not_lost() {
    for is_mapped in [false, true] {
        explore(Some(3), move || {
            let world = World::new(Setup {
                is_mapped,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            if is_mapped {
                world.completes_deferred();
            }
            let thread = world.run(|world| world.suspend_and_resume());
            submit(&client, 1);
            let record = read(&client, false).expect("it comes");
            check_one_of(&record, 1, &[ECANCELED]);
            thread.join().expect("it ends");
            world.end([client]);
        });
    }
}

#[test]
fn a_job_that_is_waited_for_ends_though_the_system_is_suspended() {
    for polls in [false, true] {
        explore(Some(3), move || {
            let world = World::new(Setup {
                polls,
                ..Setup::default()
            });
            let client = world.client();
            world.interrupts();
            let thread = world.run(|world| world.suspend_and_resume());
            let record = submit_wait(&client, 1).expect("it is done");
            check_one_of(&record, 1, &[ECANCELED]);
            thread.join().expect("it ends");
            world.end([client]);
        });
    }
}

#[test]
fn suspend_stops_the_running_job_only() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        // The interrupts are lost, so the first job does not end by itself.
        let thread = world.run(|world| world.suspend());
        let record = read(&client, false).expect("it comes");
        check(&record, 1, 1, Err(ECANCELED));
        thread.join().expect("it ends");
        assert_eq!(read(&client, true), Err(EAGAIN));
        world.interrupts();
        world.resume();
        check(&read(&client, false).expect("it comes"), 2, 2, Ok(()));
        world.end([client]);
    });
}

#[test]
fn the_time_that_a_job_may_go_on_begins_when_all_devices_are_prepared() {
    for (passed, left) in [(0, 500), (300, 200), (8000, 0)] {
        explore(None, move || {
            let world = World::new(Setup::default());
            let client = world.client();
            let other = client.clone();
            let thread = world.run(move |_| submit(&other, 1));
            world.prepare_suspend();
            // This is the time that other channels take.
            time::set(Delta::from_millis(passed).as_nanos());
            world.suspend();
            assert_eq!(poll::last_limit(), Delta::from_millis(left));
            thread.join().expect("it ends");
            world.interrupts();
            world.resume();
            world.complete_suspend();
            let record = read(&client, false).expect("it comes");
            check_one_of(&record, 1, &[ECANCELED]);
            world.end([client]);
        });
    }
}

#[test]
fn a_suspend_that_is_given_up_stops_no_job_and_starts_the_next() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let thread = world.run(|world| {
            world.prepare_suspend();
            world.complete_suspend();
        });
        for cookie in 1..3 {
            let record = read(&client, false).expect("it comes");
            check(&record, cookie, cookie, Ok(()));
        }
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_channel_that_is_prepared_for_suspend_starts_nothing() {
    explore(None, || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.prepare_suspend();
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| submit(&other, 1));
        thread.join().expect("it ends");
        assert_eq!(read(&client, true), Err(EAGAIN));
        world.complete_suspend();
        check(&read(&client, false).expect("it comes"), 1, 1, Ok(()));
        world.end([client]);
    });
}

#[test]
fn suspend_stops_one_job_at_most() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.interrupts();
        let thread = world.run(|world| world.suspend_and_resume());
        let mut done = 0;
        for cookie in 1..3 {
            let record = read(&client, false).expect("it comes");
            check_one_of(&record, cookie, &[ECANCELED]);
            done += u32::from(record.status == 0);
        }
        assert!(done > 0, "both were stopped");
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_cancel_during_suspend_starts_nothing_on_hardware_without_power() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        let other = client.clone();
        let cancel = world.run(move |_| other.cancel(1));
        world.suspend();
        let cancelled = cancel.join().expect("it ends");
        assert!(matches!(cancelled, Ok(()) | Err(EALREADY)), "{cancelled:?}");
        check(
            &read(&client, false).expect("it comes"),
            1,
            1,
            Err(ECANCELED),
        );
        world.interrupts();
        world.resume();
        // The second job may have been started before the suspend.
        let second = read(&client, false).expect("it comes");
        check_one_of(&second, 2, &[ECANCELED]);
        world.end([client]);
    });
}

#[test]
fn a_cancel_of_a_queued_job_works_while_suspended() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        world.suspend();
        submit(&client, 1);
        submit(&client, 2);
        let other = client.clone();
        let cancel = world.run(move |_| other.cancel(1));
        world.interrupts();
        world.resume();
        let cancelled = cancel.join().expect("it ends");
        let [first, second] = {
            let mut records = [(); 2].map(|()| read(&client, false).expect("it comes"));
            records.sort_by_key(|record| record.cookie);
            records
        };
        let status = cancelled.map_err(|error| assert_eq!(error, EALREADY));
        let status = if status.is_ok() {
            Err(ECANCELED)
        } else {
            Ok(())
        };
        check(&first, 1, 1, status);
        check(&second, 2, 2, Ok(()));
        world.end([client]);
    });
}

#[test]
fn a_time_limit_during_suspend_starts_nothing_on_hardware_without_power() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        submit(&client, 2);
        world.time_passes();
        let thread = world.run(|world| world.suspend_and_resume());
        check_one_of(
            &read(&client, false).expect("it comes"),
            1,
            &[ECANCELED, ETIMEDOUT],
        );
        // The second job may have run before, or its own limit ends it, before or after the
        // suspend.
        check_one_of(
            &read(&client, false).expect("it comes"),
            2,
            &[ECANCELED, ETIMEDOUT],
        );
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_job_that_fails_during_suspend_ends_once() {
    explore(Some(3), || {
        let world = World::new(Setup {
            ills: Ills::Faults,
            ..Setup::default()
        });
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        world.time_passes();
        let thread = world.run(|world| world.suspend_and_resume());
        let record = read(&client, false).expect("it comes");
        assert_ne!(record.status, 0);
        check_one_of(&record, 1, &[ECANCELED, EIO, ETIMEDOUT]);
        thread.join().expect("it ends");
        world.end([client]);
    });
}

#[test]
fn a_close_during_suspend_ends_its_jobs_and_starts_nothing() {
    explore_close(|world, client| {
        world.suspend_and_resume();
        let record = read(client, false).expect("it comes");
        check_one_of(&record, 1, &[ECANCELED]);
    });
}

#[test]
fn hardware_that_does_not_stop_does_not_keep_the_system_from_suspend() {
    explore(Some(3), || {
        let world = World::new(Setup {
            ills: Ills::NeverStops,
            ..Setup::default()
        });
        let client = world.client();
        submit(&client, 1);
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        world.suspend_and_resume();
        let cancelled = thread.join().expect("it ends");
        assert!(matches!(cancelled, Err(EIO | EALREADY)), "{cancelled:?}");
        check(&read(&client, false).expect("it comes"), 1, 1, Err(EIO));
        assert_eq!(submit_wait(&client, 2), Err(EIO));
        world.suspend_and_resume();
        assert_eq!(submit_wait(&client, 3), Err(EIO));
        world.end([client]);
    });
}

#[test]
fn shutdown_stops_the_running_job_and_starts_nothing_more() {
    explore(Some(3), || {
        let world = World::new(Setup::default());
        let client = world.client();
        submit(&client, 1);
        world.interrupts();
        let other = client.clone();
        let thread = world.run(move |_| submit(&other, 2));
        world.shut_down();
        thread.join().expect("it ends");
        let record = read(&client, false).expect("it comes");
        check_one_of(&record, 1, &[ECANCELED]);
        world.hw.engine.shut_down();
        // Ends the pending jobs, for `end()`.
        world.resume();
        check_one_of(&read(&client, false).expect("it comes"), 2, &[ECANCELED]);
        world.end([client]);
    });
}

#[test]
fn shutdown_stops_a_dead_channel_that_stops_by_now() {
    explore(Some(3), || {
        let world = World::new(Setup {
            ills: Ills::StopsLate,
            ..Setup::default()
        });
        let client = world.client();
        submit(&client, 1);
        let other = client.clone();
        let thread = world.run(move |_| other.cancel(1));
        world.shut_down();
        let cancelled = thread.join().expect("it ends");
        assert!(matches!(cancelled, Err(EIO | EALREADY)), "{cancelled:?}");
        check(&read(&client, false).expect("it comes"), 1, 1, Err(EIO));
        assert_eq!(submit_wait(&client, 2), Err(EIO));
        world.end([client]);
    });
}

#[test]
fn unbind_ends_what_was_queued_while_suspended() {
    for is_mapped in [false, true] {
        explore(Some(2), move || {
            let world = World::new(Setup {
                is_mapped,
                closes: true,
                ..Setup::default()
            });
            let client = world.client();
            submit(&client, 1);
            world.interrupts();
            if is_mapped {
                world.completes_deferred();
            }
            let thread = world.run(|world| {
                world.suspend();
                world.unbind();
            });
            let second = try_submit(&client, false, 2);
            let first = read(&client, false).expect("it comes");
            check_one_of(&first, 1, &[ECANCELED, ENODEV]);
            match second {
                Ok(_) => {
                    let second = read(&client, false).expect("it comes");
                    check_one_of(&second, 2, &[ECANCELED, ENODEV]);
                }
                Err(error) => assert_eq!(error, ENODEV),
            }
            thread.join().expect("it ends");
            assert_eq!(read(&client, false), Err(ENODEV));
            world.end([client]);
        });
    }
}
