// SPDX-License-Identifier: GPL-2.0

//! What of a channel is bound to the device.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    chain::Chains,
    channel::Channel,
    driver::Function,
    engine::Engine,
    job::Job,
    lent::Mapping,
    mmap::Window,
    pool::Pool, //
};

/// A channel's engine, mappings, function and descriptors, dropped in this order. Gone after unbind; reached through the channel's
/// [`Gate`](crate::gate::Gate) by all but the interrupt handler.
pub(crate) struct Hardware<'bound> {
    pub(crate) dev: &'bound Device<Bound>,
    pub(crate) engine: KBox<dyn Engine + 'bound>,
    pub(crate) window: Window,
    pub(crate) function: KBox<dyn Function>,
    pub(crate) pool: Arc<Pool>,
}

impl Hardware<'_> {
    /// Turns the request of `job` into what the engine takes. May sleep, but not for user space.
    ///
    /// # Errors
    ///
    /// Those of the function's mapping; EMSGSIZE, ENOMEM. The job is unmapped again.
    pub(crate) fn prepare(&self, channel: &Channel, job: &mut Job) -> Result {
        self.try_prepare(channel, job)
            .inspect_err(|_| channel.unprepare(job))
    }

    fn try_prepare(&self, channel: &Channel, job: &mut Job) -> Result {
        let caps = self.engine.caps();
        job.transfer.clear(job.request.fill());
        self.function.map(&mut Mapping {
            request: &job.request,
            transfer: &mut job.transfer,
            lent: &mut job.lent,
            max_span: caps.max_span,
        })?;

        let need = self.engine.descriptors(&job.transfer);
        if need.src != 0 || need.dst != 0 {
            let chains = job.transfer.chains.insert(
                channel
                    .spare_chains()
                    .unwrap_or_else(|| Chains::new(caps.layout)),
            );
            chains.src.reserve(&self.pool, need.src)?;
            chains.dst.reserve(&self.pool, need.dst)?;
            self.engine.encode(&mut job.transfer);
        }
        job.step = 0;
        job.steps = self.engine.steps(&job.transfer);
        Ok(())
    }
}
