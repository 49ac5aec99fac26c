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

use self::window::Window;
use crate::{
    dma::{
        chain::Chains,
        coherent::CoherentBuffer,
        pool::DmaPool, //
    },
    engine::{
        Caps,
        Engine, //
    },
    job::Job,
    memory::{
        self,
        JobMemory,
        Progress, //
    }, //
};

pub(crate) mod window;

/// A channel's engine, mappings, buffer and descriptors, dropped in this order. Gone after unbind;
/// reached through the channel's gate by all but the interrupt handler.
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
    /// What the jobs work on, if that is a buffer.
    pub(crate) buffer: Option<Arc<CoherentBuffer<'bound>>>,
    pub(crate) descriptors: Arc<DmaPool<'bound>>,
    /// For fills of several spans.
    pub(crate) patterns: Arc<DmaPool<'bound>>,
}

impl Hardware<'_> {
    /// Turns the request of `job` into what the engine takes. May sleep, but not for user space.
    ///
    /// `max_bytes` is the limit of the channel, unless the job has memory of its own; `spare` returns
    /// descriptor chains that another job has left.
    ///
    /// # Errors
    ///
    /// Those of [`JobMemory::map`]; EMSGSIZE: more than the engine counts; ENOMEM. Part of the memory may
    /// be mapped then.
    pub(crate) fn prepare(
        &self,
        job: &mut Job,
        max_bytes: u64,
        spare: impl Fn() -> Option<KBox<Chains>>,
    ) -> Result {
        job.progress = Progress::NotStarted;
        let transfer = &mut job.transfer;
        transfer.clear(job.request.fill());
        let buffer = self.buffer.as_deref();
        job.memory
            .map(self.dev, &self.caps, buffer, &job.request, transfer)?;
        let most = match job.memory {
            // The limit of a channel with blocks is what those hold.
            JobMemory::Blocks(_) => u64::MAX,
            _ => max_bytes,
        };
        if transfer.total() > self.caps.max_transfer.min(most) {
            return Err(EMSGSIZE);
        }

        let is_native = self.caps.fill && transfer.dst().len() == 1;
        if let (Some(value), false) = (transfer.fill(), is_native) {
            let chains = self.chains(&spare, &mut transfer.chains)?;
            // SAFETY: These are the chains of a job. It has them until it ends, which is before the
            // device is unbound; then the channel has them, which drops them by then; or the job is
            // leaked.
            let pattern = unsafe { chains.pattern(&self.patterns, value)? };
            transfer.copy_pattern(pattern, self.caps.max_span)?;
        }
        let need = self.engine.descriptors(transfer);
        if need.src != 0 || need.dst != 0 {
            let chains = self.chains(&spare, &mut transfer.chains)?;
            // SAFETY: As above.
            unsafe {
                chains.src.reserve(&self.descriptors, need.src)?;
                chains.dst.reserve(&self.descriptors, need.dst)?;
            }
            self.engine.encode(transfer);
        }
        Ok(())
    }

    /// Returns the chains of a job, which has none at first.
    fn chains<'a>(
        &self,
        spare: impl Fn() -> Option<KBox<Chains>>,
        chains: &'a mut Option<KBox<Chains>>,
    ) -> Result<&'a mut Chains> {
        let found = match chains.take().or_else(spare) {
            Some(found) => found,
            None => KBox::new(Chains::new(self.caps.layout), GFP_KERNEL_ACCOUNT)?,
        };
        Ok(chains.insert(found))
    }

    /// Leaks the memory of `job`, as the engine does not stop and may still access it.
    pub(crate) fn abandon(&self, job: &mut Job) {
        core::mem::take(&mut job.memory).abandon(self.buffer.as_ref());
        memory::leak(job.transfer.chains.take());
    }
}
