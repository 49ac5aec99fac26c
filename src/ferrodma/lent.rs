// SPDX-License-Identifier: GPL-2.0

//! Memory that is lent to a job.
//!
//! A [`Span`](crate::transfer::Span) is an address that hardware will use, and it must not outlive
//! the memory behind it. So spans are made here only, together with what keeps the memory alive,
//! and both belong to the job until hardware is done with it.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    buffer::CoherentBuffer,
    request::Request,
    transfer::Transfer, //
};

/// What keeps the memory of a job alive.
///
/// Dropped when the job has ended and hardware is idle, possibly in interrupt context; leaked when
/// hardware does not stop.
pub(crate) enum Lent {
    /// A coherent buffer, which syncs and unmaps nothing.
    Coherent(#[expect(dead_code, reason = "held for its reference")] Arc<CoherentBuffer>),
}

/// A job on the way to its bus addresses: what [`Function::map`] gets.
///
/// [`Function::map`]: crate::driver::Function::map
pub struct Mapping<'a> {
    pub(crate) request: &'a Request,
    pub(crate) transfer: &'a mut Transfer,
    pub(crate) lent: &'a mut Option<Lent>,
    pub(crate) buffer: Option<&'a Arc<CoherentBuffer>>,
    pub(crate) max_span: u64,
}

impl Mapping<'_> {
    /// Takes the job's addresses as byte offsets into the buffer of the function.
    ///
    /// # Errors
    ///
    /// ERANGE: a segment is not within the buffer. ENODEV: the function has none. EINVAL: the job
    /// has its addresses already. ENOMEM.
    pub fn offsets_into_buffer(&mut self) -> Result {
        let buffer = self.buffer.ok_or(ENODEV)?;
        if self.lent.is_some() {
            return Err(EINVAL);
        }
        // First of all, so that no span is ever without the memory behind it.
        *self.lent = Some(Lent::Coherent(buffer.clone()));
        for seg in self.request.src() {
            self.transfer
                .push_src(buffer.span(seg.addr, seg.len)?, self.max_span)?;
        }
        for seg in self.request.dst() {
            self.transfer
                .push_dst(buffer.span(seg.addr, seg.len)?, self.max_span)?;
        }
        Ok(())
    }
}
