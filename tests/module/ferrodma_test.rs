// SPDX-License-Identifier: GPL-2.0

//! In-kernel tests of the helper, on channels whose hardware really fails.
//!
//! There is one driver for each kind of backing. When a device is bound, the tests run in place of
//! the self-test, unless `selftest=0` is set, and the device is created only if all pass. The
//! kselftests then use it from user space; [`faulty`] describes its faults. A fourth driver,
//! [`narrow`], is for a device that cannot be bound.

use kernel::{
    driver::Registration,
    prelude::*,
    sync::atomic::ordering, //
};

use ferrodma::driver::pm::Adapter;

mod coherent;
mod cutting;
mod faulty;
mod narrow;
mod pool;
mod pool_example;
mod sg;
mod streaming_example;

/// A test with its name. It returns whether it has passed, or EOPNOTSUPP if the engine lacks the
/// tested feature.
type Test<'a> = (&'static CStr, &'a dyn Fn() -> Result<bool>);

/// Runs tests, and reports them in the log: a plan, then a line for each. `kernel_api.sh` adds the
/// numbers.
fn run_tests(tests: &[Test<'_>]) -> Result {
    pr_info!("1..{}\n", tests.len());
    let mut failed = false;
    for (name, test) in tests {
        let result = test();
        if result == Ok(true) {
            pr_info!("ok {name}\n");
        } else if result == Err(EOPNOTSUPP) {
            pr_info!("ok {name} # SKIP the engine cannot do this\n");
        } else {
            failed = true;
            pr_info!("not ok {name} # {result:?}\n");
        }
    }
    if failed {
        Err(EIO)
    } else {
        Ok(())
    }
}

#[pin_data]
struct Tests {
    #[pin]
    _coherent: Registration<Adapter<coherent::Driver>>,
    #[pin]
    _sg: Registration<Adapter<sg::Driver>>,
    #[pin]
    _pool: Registration<Adapter<pool::Driver>>,
    #[pin]
    _narrow: Registration<Adapter<narrow::Driver>>,
}

impl kernel::InPlaceModule for Tests {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // Jobs of the test drivers are not polled, so that each raises an interrupt.
        PARAMETERS.poll_bytes().store(0, ordering::Relaxed);
        try_pin_init!(Self {
            _coherent <- Registration::new(c"ferrodma_test", module),
            _sg <- Registration::new(c"ferrodma_test_sg", module),
            _pool <- Registration::new(c"ferrodma_test_pool", module),
            _narrow <- Registration::new(c"ferrodma_test_narrow", module),
        })
    }
}

module! {
    type: Tests,
    name: "ferrodma_test",
    authors: ["The ferrodma founders"],
    description: "In-kernel tests of ferrodma, and channels that go wrong",
    license: "GPL",
}

ferrodma::parameters!();
