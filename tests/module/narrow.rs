// SPDX-License-Identifier: GPL-2.0

//! A channel whose engine does not reach the memory, and so is never bound.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    prelude::*,
    sync::atomic::Atomic,
    ThisModule, //
};

use ferrodma::{
    driver::{
        Addresses,
        ChannelDriver,
        Compatible,
        Function,
        Shape, //
    },
    engine::Caps, //
};

use crate::{
    coherent,
    faulty, //
};

pub(crate) struct Driver;

kernel::of_device_table!(
    OF_TABLE,
    Compatible,
    [
        (
            of::DeviceId::new(c"ferrodma,zynqmp-narrow-test"),
            Compatible {
                attach: faulty::zdma_narrow
            }
        ),
        (
            of::DeviceId::new(c"ferrodma,bcm2835-narrow-test"),
            Compatible {
                attach: faulty::bcm2835_narrow
            }
        ),
    ]
);

/// As the channel that goes wrong otherwise.
impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-narrowtest";
    const ADDRESSES: Addresses = coherent::Driver::ADDRESSES;
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn function<'bound>(
        dev: &'bound Device<Bound>,
        caps: &Caps,
    ) -> Result<(KBox<dyn Function + 'bound>, Shape<'bound>)> {
        coherent::Driver::function(dev, caps)
    }

    fn selftest() -> bool {
        coherent::Driver::selftest()
    }

    fn poll_bytes() -> &'static Atomic<u32> {
        coherent::Driver::poll_bytes()
    }
}
