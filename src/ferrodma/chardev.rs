// SPDX-License-Identifier: GPL-2.0

//! The character device of a channel.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)
//!
//! The kernel crate's `MiscDevice` supports neither poll, nor a mode, a parent or a name made at
//! run time. This module only connects C's callbacks to [`Client`]. The calls are implemented in
//! [`crate::chardev::ioctl`], [`crate::client`] and [`crate::chardev::mmap`].

use kernel::{
    bindings,
    container_of,
    device::{
        Bound,
        Device, //
    },
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    fs::File,
    iov::IovIterDest,
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        poll::PollTable,
        Arc, //
    },
    types::Opaque,
    uaccess::UserPtr,
    ThisModule, //
};

use self::number::Number;
use crate::{
    channel::Channel,
    client::Client,
    raw,
    uapi::Record, //
};

mod ioctl;
pub(crate) mod mmap;
pub(crate) mod number;

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `helpers.c`.
    fn ferrodma_set_file_nowait(file: *mut bindings::file);
    /// See `helpers.c`.
    fn ferrodma_kiocb_nowait(kiocb: *const bindings::kiocb) -> bool;
}

/// Mode of the nodes: the owner and the group may read and write.
const MODE: u16 = 0o660;

/// The character device of a channel.
#[pin_data]
struct Node {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    channel: Arc<Channel>,
}

// SAFETY: `misc` is changed by the misc core only, under its mutex.
unsafe impl Send for Node {}
// SAFETY: As above.
unsafe impl Sync for Node {}

/// A registered [`Node`], which programs can open.
///
/// # Invariants
///
/// `node.misc` is registered.
pub(crate) struct Registration {
    node: Pin<KBox<Node>>,
    /// The number in the node's name, which is dropped after the node is deregistered.
    number: Number,
}

impl Registration {
    /// Creates `/dev/ferrodma-<function><number>` with `parent` as its device in sysfs.
    ///
    /// # Errors
    ///
    /// ENOMEM; those of `misc_register()`.
    pub(crate) fn new(
        parent: &Device<Bound>,
        channel: &Arc<Channel>,
        number: Number,
        operations: &'static Operations,
    ) -> Result<Self> {
        let node = KBox::pin_init(
            try_pin_init!(Node {
                misc: Opaque::zeroed(),
                channel: channel.clone(),
            }),
            GFP_KERNEL,
        )?;
        let misc = node.misc.get();
        // SAFETY: No other code has seen `misc` yet. The name lives as long as `number`, which
        // outlives the registration, and the operations are static.
        unsafe {
            // CAST: A small number.
            (*misc).minor = bindings::MISC_DYNAMIC_MINOR as c_int;
            (*misc).name = number.name().as_char_ptr();
            (*misc).fops = &operations.0;
            (*misc).parent = raw::device(parent);
            (*misc).mode = MODE;
        }
        // SAFETY: `misc` is filled in, pinned, and deregistered before it is dropped.
        to_result(unsafe { bindings::misc_register(misc) })?;
        // INVARIANT: It is registered.
        Ok(Self { node, number })
    }

    /// Returns the name of the node below `/dev`.
    pub(crate) fn name(&self) -> &CStr {
        self.number.name()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is registered. When this returns, no `open` is under way
        // and none will come.
        unsafe { bindings::misc_deregister(self.node.misc.get()) };
    }
}

/// File operations of a driver's nodes.
#[repr(transparent)]
pub(crate) struct Operations(bindings::file_operations);

impl Operations {
    /// Returns the operations for the nodes of a driver.
    ///
    /// The driver's module owns them, not the helper: an open file uses code and data of both, and
    /// the driver's module holds a reference to the helper.
    pub(crate) const fn new(module: &'static ThisModule) -> Self {
        Self(bindings::file_operations {
            owner: module.as_ptr(),
            open: Some(open),
            release: Some(release),
            read_iter: Some(read_iter),
            poll: Some(poll),
            unlocked_ioctl: Some(unlocked_ioctl),
            compat_ioctl: bindings::compat_ptr_ioctl,
            mmap: Some(mmap),
            llseek: Some(bindings::noop_llseek),
            ..pin_init::zeroed()
        })
    }
}

/// Returns the client of an open file.
///
/// # Safety
///
/// `file` must be a file that [`open`] has opened and for which [`release`] was not called.
unsafe fn client<'a>(file: *mut bindings::file) -> &'a Client {
    // SAFETY: `open` has stored a pointer to a `Client` in the file, which `release` frees.
    unsafe { &*(*file).private_data.cast::<Client>() }
}

/// Opens a node.
///
/// # Safety
///
/// To be called by the misc core only, as `file_operations::open`.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    from_result(|| {
        // SAFETY: The misc core has stored a pointer to the `miscdevice` of a registered node, and
        // keeps it registered during this call.
        let node = unsafe {
            let misc = Opaque::cast_from((*file).private_data.cast::<bindings::miscdevice>());
            &*container_of!(misc, Node, misc)
        };
        let client = KBox::new(Client::new(&node.channel)?, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: The file is being opened, and its private data is ours. Completion records have
        // no position, and `read_iter` obeys IOCB_NOWAIT where it would wait for a record.
        unsafe {
            (*file).private_data = KBox::into_raw(client).cast();
            ferrodma_set_file_nowait(file);
            Ok(bindings::stream_open(inode, file))
        }
    })
}

/// Closes a file of a node.
///
/// # Safety
///
/// To be called by the VFS only, as `file_operations::release`.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `open` has stored the box, and the file is not used any more.
    let client = unsafe { KBox::from_raw((*file).private_data.cast::<Client>()) };
    // This ends the jobs of the file.
    drop(client);
    0
}

/// Returns whether calls on the file must not wait, and whether the file is open for writing.
fn modes(file: &File) -> (bool, bool) {
    let flags = file.flags();
    (
        flags & kernel::fs::file::flags::O_NONBLOCK != 0,
        flags & kernel::fs::file::flags::O_ACCMODE != kernel::fs::file::flags::O_RDONLY,
    )
}

/// Reads completion records.
///
/// # Safety
///
/// To be called by the VFS only, as `file_operations::read_iter`.
unsafe extern "C" fn read_iter(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: The VFS reads from an open file of ours, with a request that is valid during this
    // call.
    let (client, file, nowait) = unsafe {
        let file = (*kiocb).ki_filp;
        (client(file), file, ferrodma_kiocb_nowait(kiocb))
    };
    // SAFETY: The file is valid during this call, and its position does not change: it has none.
    let (nonblocking, _) = modes(unsafe { File::from_raw_file(file) });
    // SAFETY: The VFS passes the destination of a read, which is valid during this call.
    let iter = unsafe { IovIterDest::from_raw(iter) };
    let result = read_records(client, nonblocking || nowait, iter);
    // CAST: At most what a read may return.
    from_result(|| Ok(result? as isize))
}

/// Copies all available records that fit in `iter` as a whole, and returns their length in bytes.
/// Waits for the first one, unless `nonblocking` is set.
///
/// # Errors
///
/// EINVAL: `iter` is shorter than one record. EFAULT: the first record cannot be copied. Those of
/// [`Client::next_record`]. No record is lost.
fn read_records(client: &Client, nonblocking: bool, iter: &mut IovIterDest<'_>) -> Result<usize> {
    if iter.len() < size_of::<Record>() {
        return Err(EINVAL);
    }
    let mut done = 0;
    while iter.len() >= size_of::<Record>() {
        let given = client.next_record(nonblocking || done != 0, |record| {
            let copied = iter.copy_to_iter(record.as_bytes());
            if copied == size_of::<Record>() {
                return Ok(());
            }
            // SAFETY: The copy has advanced `iter` by `copied` bytes.
            unsafe { iter.revert(copied) };
            Err(EFAULT)
        });
        match given {
            Ok(()) => done += size_of::<Record>(),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Returns the events of a file.
///
/// # Safety
///
/// To be called by the VFS only, as `file_operations::poll`.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: The VFS polls an open file of ours.
    let client = unsafe { client(file) };
    // SAFETY: The table is null or valid during this call.
    let table = unsafe { PollTable::from_raw(table) };
    // SAFETY: The file is valid during this call.
    let file = unsafe { File::from_raw_file(file) };
    table.register_wait(file, client.waiters());

    let ready = client.readiness();
    let mut events = 0;
    if ready.record {
        events |= bindings::POLLIN | bindings::POLLRDNORM;
    }
    if ready.can_submit {
        events |= bindings::POLLOUT | bindings::POLLWRNORM;
    }
    if ready.dead {
        events |= bindings::POLLERR;
    }
    if ready.unbound {
        events |= bindings::POLLHUP;
    }
    events
}

/// Runs an ioctl.
///
/// # Safety
///
/// To be called by the VFS only, as `file_operations::unlocked_ioctl`.
unsafe extern "C" fn unlocked_ioctl(
    file: *mut bindings::file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: The VFS makes calls on an open file of ours.
    let client = unsafe { client(file) };
    // SAFETY: The file is valid during this call.
    let (nonblocking, writable) = modes(unsafe { File::from_raw_file(file) });
    let call = ioctl::Call {
        client,
        nonblocking,
        writable,
        arg: UserPtr::from_addr(arg),
    };
    match call.run(cmd) {
        Ok(()) => 0,
        // CAST: A small negative number.
        Err(error) => error.to_errno() as c_long,
    }
}

/// Maps the buffer of the channel.
///
/// # Safety
///
/// To be called by the memory manager only, as `file_operations::mmap`.
unsafe extern "C" fn mmap(file: *mut bindings::file, vma: *mut bindings::vm_area_struct) -> c_int {
    // SAFETY: The memory manager maps an open file of ours.
    let client = unsafe { client(file) };
    // SAFETY: `vma` is being set up.
    let vma = unsafe { VmaNew::from_raw(vma) };
    match mmap::map(client.channel(), vma) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
