// SPDX-License-Identifier: GPL-2.0

//! What of a channel is bound to the device.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    str::CString,
    sync::{
        atomic::Atomic,
        Arc, //
    }, //
};

use crate::{
    channel::Channel,
    chardev::mmap::Window,
    dma::{
        chain::Chains,
        coherent::CoherentBuffer,
        pool::Pool, //
    },
    driver::Function,
    engine::{
        Caps,
        Engine, //
    },
    job::Job,
    memory::{
        Lent,
        Progress, //
    }, //
};

/// A channel's engine, mappings, function and descriptors, dropped in this order. Gone after
/// unbind; reached through the channel's [`Gate`](crate::channel::gate::Gate) by all but the interrupt
/// handler.
pub(crate) struct Hardware<'bound> {
    pub(crate) dev: &'bound Device<Bound>,
    /// The name that users know the channel by, `ferrodma-<function><number>`.
    pub(crate) name: CString,
    pub(crate) engine: KBox<dyn Engine + 'bound>,
    /// The engine's, which do not change.
    pub(crate) caps: Caps,
    /// Up to how many bytes a job may have to be polled.
    pub(crate) poll_bytes: &'static Atomic<u32>,
    pub(crate) window: Window,
    pub(crate) function: KBox<dyn Function + 'bound>,
    pub(crate) descriptors: Arc<Pool<'bound>>,
    /// For fills of several spans.
    pub(crate) patterns: Arc<Pool<'bound>>,
}

impl Hardware<'_> {
    /// The buffer of the function, if it has one. It is memory of this device, whatever the
    /// function says.
    pub(crate) fn buffer(&self) -> Option<&Arc<CoherentBuffer<'_>>> {
        self.function
            .buffer()
            .filter(|buffer| buffer.is_of(self.dev))
    }

    /// Turns the request of `job` into what the engine takes. May sleep, but not for user space.
    ///
    /// # Errors
    ///
    /// Those of [`Lent::map`]; EMSGSIZE: more than the engine counts; ENOMEM. The job is unmapped again.
    ///
    /// [`Lent::map`]: crate::memory::Lent::map
    pub(crate) fn prepare(&self, channel: &Channel, job: &mut Job) -> Result {
        job.progress = Progress::NotStarted;
        self.try_prepare(channel, job).inspect_err(|_| {
            // SAFETY: Whoever has the hardware is inside of the gate. The job was not submitted.
            unsafe { channel.unprepare(job) };
        })
    }

    fn try_prepare(&self, channel: &Channel, job: &mut Job) -> Result {
        let transfer = &mut job.transfer;
        transfer.clear(job.request.fill());
        job.lent.map(self, &job.request, transfer)?;
        let most = match job.lent {
            // What the blocks of the channel hold says nothing of others.
            Lent::Blocks(_) => u64::MAX,
            _ => channel.info.max_job_bytes,
        };
        if transfer.total() > self.caps.max_transfer.min(most) {
            return Err(EMSGSIZE);
        }

        let is_native = self.caps.fill && transfer.dst().len() == 1;
        if let (Some(value), false) = (transfer.fill(), is_native) {
            let chains = self.chains(channel, &mut transfer.chains)?;
            // SAFETY: These are the chains of a job. It has them until it ends, which is before the
            // device is unbound; then the channel has them, which drops them by then; or the job is
            // leaked.
            let pattern = unsafe { chains.pattern(&self.patterns, value)? };
            transfer.copy_pattern(pattern, self.caps.max_span)?;
        }
        let need = self.engine.descriptors(transfer);
        if need.src != 0 || need.dst != 0 {
            let chains = self.chains(channel, &mut transfer.chains)?;
            // SAFETY: As above.
            unsafe {
                chains.src.reserve(&self.descriptors, need.src)?;
                chains.dst.reserve(&self.descriptors, need.dst)?;
            }
            self.engine.encode(transfer);
        }
        Ok(())
    }

    /// The chains of a job, which has none at first.
    fn chains<'a>(
        &self,
        channel: &Channel,
        chains: &'a mut Option<KBox<Chains>>,
    ) -> Result<&'a mut Chains> {
        let found = match chains.take().or_else(|| channel.spare_chains()) {
            Some(found) => found,
            None => KBox::new(Chains::new(self.caps.layout), GFP_KERNEL_ACCOUNT)?,
        };
        Ok(chains.insert(found))
    }
}
