// SPDX-License-Identifier: GPL-2.0

//! The parts of a channel that exist only while its device is bound.

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

/// A channel's engine, mappings, buffer and descriptors, dropped in this order. They are dropped at
/// unbind. Code reaches them through the channel's gate, except for the interrupt handler, unbind
/// and the power callbacks, which hold a reference while the device is bound.
pub(crate) struct Hardware<'bound> {
    pub(crate) dev: &'bound Device<Bound>,
    /// Name of the channel for users, `ferrodma-<function><number>`.
    pub(crate) name: CString,
    pub(crate) engine: KBox<dyn Engine + 'bound>,
    /// Capabilities of the engine, which do not change.
    pub(crate) caps: Caps,
    /// Most bytes of a job whose end is polled for.
    pub(crate) poll_bytes: &'static Atomic<u32>,
    /// File of the mappings, made by `chardev::mmap::window()`: its private data is a reference to
    /// the channel.
    pub(crate) window: Window,
    /// The coherent buffer, if the jobs work on one.
    pub(crate) buffer: Option<Arc<CoherentBuffer<'bound>>>,
    pub(crate) descriptors: Arc<DmaPool<'bound>>,
    /// Pool of pattern blocks. The engine copies from one for a fill that it cannot do itself: any
    /// fill of several spans, and a fill of one span without [`Caps::fill`].
    pub(crate) patterns: Arc<DmaPool<'bound>>,
}

impl Hardware<'_> {
    /// Maps the memory of `job`, and encodes its transfer for the engine. May sleep, but not for
    /// user space.
    ///
    /// `max_bytes` is the channel's limit, which does not hold for jobs on blocks of kernel code.
    /// `spare` returns descriptor chains of an earlier job, if there are any.
    ///
    /// # Errors
    ///
    /// Those of [`JobMemory::map`]; EMSGSIZE: more bytes than the engine can count; ENOMEM. Part of
    /// the memory may be mapped after an error.
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
            // The channel's limit is for the blocks of its own pool, not for these.
            JobMemory::Blocks(_) => u64::MAX,
            _ => max_bytes,
        };
        if transfer.total() > self.caps.max_transfer.min(most) {
            return Err(EMSGSIZE);
        }

        let is_native = self.caps.fill && transfer.dst().len() == 1;
        if let (Some(value), false) = (transfer.fill(), is_native) {
            let chains = self.chains(&spare, &mut transfer.chains)?;
            // SAFETY: The job owns these chains until it ends, and it ends before the device is
            // unbound. The channel then takes them over, and drops them before unbind too. A job
            // that does not end is leaked with its chains.
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

    /// Returns the chains of a job, and gives it chains first if it has none.
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
