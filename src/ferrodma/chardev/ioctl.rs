// SPDX-License-Identifier: GPL-2.0

//! The ioctls of a channel's character device.
//!
//! `src/uapi/ferrodma.h` documents the calls and their errors.

use kernel::{
    prelude::*,
    time::Delta,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

use crate::{
    client::{
        Client,
        Options, //
    },
    clock,
    queue::Phase,
    sync::completion,
    uapi::{
        self,
        Cancel,
        Info,
        Record,
        Seg,
        Sized32,
        Submit,
        Wait, //
    }, //
};

/// Largest structure that is accepted, as all unknown bytes must be checked.
const MAX_SIZE: usize = kernel::page::PAGE_SIZE;

/// The arguments of one ioctl call.
pub(crate) struct Call<'a> {
    pub(crate) client: &'a Client,
    /// Whether the file has `O_NONBLOCK`.
    pub(crate) nonblocking: bool,
    /// Whether the file is open for writing.
    pub(crate) writable: bool,
    /// The user pointer to the structure.
    pub(crate) arg: UserPtr,
}

impl Call<'_> {
    /// Runs the ioctl `cmd`.
    pub(crate) fn run(&self, cmd: u32) -> Result {
        match cmd {
            uapi::IOC_INFO => self.info(),
            uapi::IOC_SUBMIT => self.submit(),
            uapi::IOC_WAIT => self.wait(),
            uapi::IOC_CANCEL => self.cancel(),
            _ => Err(ENOTTY),
        }
    }

    /// Reads a structure whose first member is its size. A caller with a newer, longer version is
    /// accepted if the bytes beyond ours are zero.
    fn read<T: Sized32>(&self) -> Result<T> {
        let mut value = T::default();
        let whole = UserSlice::new(self.arg, size_of::<T>())
            .reader()
            .read_slice(value.as_mut_bytes());
        let mut size = value.size();
        if whole.is_err() {
            // The structure may be shorter, as its own size may say.
            UserSlice::new(self.arg, size_of::<u32>())
                .reader()
                .read_slice(size.as_mut_bytes())?;
        }
        // CAST: `usize` is wider.
        let size = size as usize;
        if size < size_of::<T>() {
            return Err(EINVAL);
        }
        if size > MAX_SIZE {
            return Err(E2BIG);
        }
        whole?;
        if size > size_of::<T>() {
            let mut reader = UserSlice::new(self.arg, size).reader();
            reader.skip(size_of::<T>())?;
            check_zeroed(reader)?;
        }
        Ok(value)
    }

    /// Writes a structure back. The bytes of a longer version are zero and stay so.
    fn write<T: Sized32>(&self, value: &T) -> Result {
        UserSlice::new(self.arg, size_of::<T>())
            .writer()
            .write_slice(value.as_bytes())
    }

    fn info(&self) -> Result {
        let asked: Info = self.read()?;
        let channel = self.client.channel();
        let mut info = channel.info;
        info.size = asked.size;
        match channel.state.lock().queue.phase() {
            Phase::Live => {}
            Phase::Dead => info.flags |= uapi::INFO_DEAD,
            Phase::Unbound => return Err(ENODEV),
        }
        self.write(&info)
    }

    fn submit(&self) -> Result {
        if !self.writable {
            return Err(EBADF);
        }
        self.client.check_owner()?;
        let mut submit: Submit = self.read()?;
        if submit.flags & !uapi::SUBMIT_FLAGS != 0 {
            return Err(EINVAL);
        }
        if submit.flags & uapi::SUBMIT_SUBMITTED != 0 {
            return self.resume_submit(submit);
        }
        let channel = self.client.channel();
        if submit.timeout_ns > channel.info.max_timeout_ns
            || submit.src_region != 0
            || submit.dst_region != 0
        {
            return Err(EINVAL);
        }
        let fill = if submit.flags & uapi::SUBMIT_FILL == 0 {
            None
        } else if submit.nr_src != 0 {
            return Err(EINVAL);
        } else {
            Some(u8::try_from(submit.src).map_err(|_| EINVAL)?)
        };
        let (nr_src, nr_dst) = (submit.nr_src as usize, submit.nr_dst as usize);
        if nr_dst == 0 || (fill.is_none() && nr_src == 0) {
            return Err(EINVAL);
        }
        let limits = &channel.limits;
        if nr_src > limits.max_segments || nr_dst > limits.max_segments {
            return Err(E2BIG);
        }

        // Writes the structure back first, so that a program that cannot get the result submits no
        // job.
        self.write(&submit)?;
        self.client.claim()?;

        let options = Options {
            sync: submit.flags & uapi::SUBMIT_WAIT != 0,
            // CAST: At most the channel's maximum, which is no more than an hour.
            timeout: Delta::from_nanos(submit.timeout_ns as i64),
            user_data: submit.user_data,
        };
        let submitted = self.client.submit(&options, self.nonblocking, |request| {
            request.clear(fill);
            if fill.is_none() {
                request.read_src(nr_src, |segs| read_segs(submit.src, segs))?;
            }
            request.read_dst(nr_dst, |segs| read_segs(submit.dst, segs))
        })?;
        submit.cookie = submitted.cookie;
        if options.sync {
            let announced = Submit {
                flags: submit.flags | uapi::SUBMIT_SUBMITTED,
                completion: Record {
                    status: EINPROGRESS.to_errno(),
                    ..Record::default()
                },
                ..submit
            };
            submit.completion = self
                .client
                .wait_submitted(submitted, || self.write(&announced))?;
            return self.write(&submit);
        }
        let cookie = submit.cookie;
        self.write(&submit)
            .inspect_err(|_| self.client.discard(cookie))
    }

    /// Waits for the job of a SUBMIT that a signal has interrupted.
    fn resume_submit(&self, mut submit: Submit) -> Result {
        submit.flags &= !uapi::SUBMIT_SUBMITTED;
        let waited = self.client.wait(submit.cookie, None, false, |record| {
            submit.completion = *record;
            self.write(&submit)
        });
        if waited == Err(ERESTARTSYS) && completion::is_being_killed() {
            // The result does not matter: the job has ended when this returns.
            let _ = self.client.cancel(submit.cookie);
        }
        waited
    }

    fn wait(&self) -> Result {
        let mut wait: Wait = self.read()?;
        if wait.flags != 0 {
            return Err(EINVAL);
        }
        let end = match wait.timeout_ns {
            0 => None,
            ns => Some(clock::now().saturating_add_unsigned(ns)),
        };
        let waited = self
            .client
            .wait(wait.cookie, end, self.nonblocking, |record| {
                wait.completion = *record;
                self.write(&wait)
            });
        if let (Err(ERESTARTSYS), Some(end)) = (waited, end) {
            // When the call is restarted, it waits for the remaining time. Zero would mean no
            // limit.
            // CAST: Not negative.
            wait.timeout_ns = end.saturating_sub(clock::now()).max(1) as u64;
            self.write(&wait)?;
        }
        waited
    }

    fn cancel(&self) -> Result {
        if !self.writable {
            return Err(EBADF);
        }
        let cancel: Cancel = self.read()?;
        if cancel.flags != 0 {
            return Err(EINVAL);
        }
        self.client.cancel(cancel.cookie)
    }
}

/// Checks that the rest of `reader` is zero.
fn check_zeroed(mut reader: UserSliceReader) -> Result {
    let mut bytes = [0u8; 64];
    while !reader.is_empty() {
        let part = reader.len().min(bytes.len());
        let Some(bytes) = bytes.get_mut(..part) else {
            return Err(EINVAL);
        };
        reader.read_slice(bytes)?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Err(E2BIG);
        }
    }
    Ok(())
}

/// Reads `segs` from the user address `addr`.
fn read_segs(addr: u64, segs: &mut [Seg]) -> Result {
    let addr = usize::try_from(addr).map_err(|_| EFAULT)?;
    let bytes = segs.as_mut_bytes();
    UserSlice::new(UserPtr::from_addr(addr), bytes.len())
        .reader()
        .read_slice(bytes)
}
