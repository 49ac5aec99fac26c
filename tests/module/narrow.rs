// SPDX-License-Identifier: GPL-2.0

//! A channel whose engine does not reach all memory, and so is never bound.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    of,
    prelude::*,
    ThisModule, //
};

use ferrodma::{
    client::Client,
    driver::{
        parameters::Parameters,
        ChannelDriver, //
    },
    engine::Compatible,
    memory::Backing, //
};

use crate::{
    coherent,
    faulty, //
};

pub(crate) struct Driver;

ferrodma::compatibles!(OF_TABLE, {
    "ferrodma,zynqmp-narrow-test" => faulty::zdma_narrow,
    "ferrodma,bcm2835-narrow-test" => faulty::bcm2835_narrow,
});

/// Otherwise like the faulty channel with a coherent buffer.
impl ChannelDriver for Driver {
    const STEM: &'static CStr = c"ferrodma-narrowtest";
    const OF_TABLE: of::IdTable<Compatible> = &OF_TABLE;
    const MODULE: &'static ThisModule = kernel::module::this_module::<crate::LocalModule>();

    fn parameters() -> &'static Parameters {
        &crate::PARAMETERS
    }

    fn backing(dev: &Device<Bound>) -> Result<Backing<'_>> {
        coherent::Driver::backing(dev)
    }

    fn self_test<'bound>(
        dev: &'bound Device<Bound>,
        client: &Client,
        backing: &Backing<'bound>,
    ) -> Result {
        coherent::Driver::self_test(dev, client, backing)
    }
}
