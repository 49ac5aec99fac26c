// SPDX-License-Identifier: GPL-2.0

//! Mapping a channel's coherent buffer into user space, and taking that back.
//!
//! The buffer is freed when the device is unbound, whoever has it mapped. So all mappings must be
//! found then, and none may come into being unnoticed. `mmap` runs before the new area can be found
//! through its file; a page that it mapped could be missed. So it maps none: all come by a fault,
//! which passes the channel's gate. The first one in an area maps all of its pages, so that a
//! program meets none later. Unbind closes the gate and then removes the pages; later faults raise
//! SIGBUS.
//!
//! The areas belong to a file of the channel's own, its [`Window`], and not to the file that the
//! program has opened. One look finds them all that way, and a program that closes its file and
//! keeps the mapping has closed the file: its jobs end.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use core::ptr::NonNull;

use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    mm::virt::{
        flags,
        VmaNew, //
    },
    prelude::*,
    str::CString,
    sync::Arc, //
};

use crate::channel::Channel;

#[expect(
    improper_ctypes,
    reason = "as for the bindings: an empty C structure deep inside, never passed by value"
)]
extern "C" {
    /// See `helpers.c`.
    fn ferrodma_window_file(
        name: *const c_char,
        operations: *const bindings::file_operations,
        private: *mut c_void,
    ) -> *mut bindings::file;
}

/// The file that all mappings of a channel's buffer belong to. Nothing is mapped any more when it
/// is dropped, which must not be before the gate is closed.
///
/// # Invariants
///
/// `file` is a valid file, of which this holds a reference. Its private data is an `Arc<Channel>`.
pub(crate) struct Window {
    file: NonNull<bindings::file>,
    channel: Arc<Channel>,
}

// SAFETY: A file may be used from any thread.
unsafe impl Send for Window {}
// SAFETY: As above.
unsafe impl Sync for Window {}

impl Window {
    /// A window to the buffer of `channel`, which `/proc/<pid>/maps` shows as `[name]`.
    ///
    /// # Errors
    ///
    /// ENOMEM, ENFILE; EACCES where a security module says so.
    pub(crate) fn new(channel: &Arc<Channel>, name: &CStr) -> Result<Self> {
        let name = CString::try_from_fmt(fmt!("[{name}]"))?;
        let private = Arc::into_raw(channel.clone());
        // SAFETY: The name is copied. The operations are static, and expect a private pointer of
        // this kind.
        let file = from_err_ptr(unsafe {
            ferrodma_window_file(
                name.as_char_ptr(),
                Operations::files(),
                private.cast_mut().cast(),
            )
        });
        match file.and_then(|file| NonNull::new(file).ok_or(ENOMEM)) {
            // INVARIANT: The file is new, and the reference to the channel is its own.
            Ok(file) => Ok(Self {
                file,
                channel: channel.clone(),
            }),
            Err(error) => {
                // SAFETY: There is no file that would hold this reference.
                drop(unsafe { Arc::from_raw(private) });
                Err(error)
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: The file is valid, and so is its mapping. A length of zero stands for all.
        unsafe { bindings::unmap_mapping_range((*self.file.as_ptr()).f_mapping, 0, 0, 1) };
        // SAFETY: The reference is ours. Areas that are still there hold their own.
        unsafe { bindings::fput(self.file.as_ptr()) };
        // The file keeps the channel for a while, also one that was never offered to anyone.
        self.channel.strip();
    }
}

/// Sets up `vma` to show the buffer of `channel`.
///
/// # Errors
///
/// ENODEV: the device is unbound, or its function has no buffer. EINVAL: the mapping is not shared.
/// EPERM: the program asks for PROT_EXEC. ENXIO: it reaches beyond the end of the buffer.
/// EOPNOTSUPP: see [`CoherentBuffer::prepare_vma`](crate::dma::coherent::CoherentBuffer::prepare_vma).
pub(crate) fn map(channel: &Channel, vma: &VmaNew) -> Result {
    let pass = channel.gate.enter().ok_or(ENODEV)?;
    let hw = pass.hw();
    let buffer = hw.buffer().ok_or(ENODEV)?;
    // A file that is open for reading only is mapped without VM_SHARED, though MAP_SHARED was asked
    // for; VM_MAYSHARE tells that.
    if vma.flags() & flags::MAYSHARE == 0 {
        return Err(EINVAL);
    }
    forbid_execution(vma)?;
    buffer.prepare_vma(vma)?;
    // SAFETY: `vma` is being set up. It gets a reference to the window's file in place of that to
    // the opened one. The operations are static, in the helper's module, which the window's file
    // holds.
    unsafe {
        bindings::vma_set_file(vma.as_ptr(), hw.window.file.as_ptr());
        (*vma.as_ptr()).vm_ops = Operations::areas();
    }
    Ok(())
}

/// Takes the right to execute from `vma`, which is being set up.
///
/// A program whose personality is READ_IMPLIES_EXEC has PROT_EXEC added to all that it maps for
/// reading, and has not asked for it: it gets the mapping without.
///
/// # Errors
///
/// EPERM: the program has asked for it.
fn forbid_execution(vma: &VmaNew) -> Result {
    if vma.executable() {
        if !vma.readable() || !reads_imply_execution() {
            return Err(EPERM);
        }
        // SAFETY: `vma` is not in the tree of areas yet, so its flags may be written.
        unsafe { (*vma.as_ptr()).__bindgen_anon_2.vm_flags &= !flags::EXEC };
    }
    vma.try_clear_mayexec()
}

/// Whether the kernel takes each PROT_READ of the calling program for PROT_READ | PROT_EXEC.
fn reads_imply_execution() -> bool {
    // SAFETY: A task may read its own personality, which no other changes.
    let personality = unsafe { (*current!().as_ptr()).personality };
    personality & bindings::READ_IMPLIES_EXEC != 0
}

struct Operations;

impl Operations {
    const AREAS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(fault),
        ..pin_init::zeroed()
    };

    // The owner is the helper: areas live longer than the driver's module if they have to.
    const FILES: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        release: Some(release),
        ..pin_init::zeroed()
    };

    const fn areas() -> &'static bindings::vm_operations_struct {
        &Self::AREAS
    }

    const fn files() -> &'static bindings::file_operations {
        &Self::FILES
    }
}

/// # Safety
///
/// To be called by the memory manager only, as `vm_operations_struct::fault`.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: `fault` is valid during this call, and its area is one that `map` has set up. So its
    // file is a window's, and holds a channel.
    let (vma, address, channel) = unsafe {
        let fault = &(*fault).__bindgen_anon_1;
        let file = (*fault.vma).vm_file;
        let channel = &*(*file).private_data.cast::<Channel>();
        (fault.vma, fault.address, channel)
    };
    let done = channel.gate.enter().and_then(|pass| {
        let buffer = pass.hw().buffer()?;
        // SAFETY: `map` has had the buffer prepare the area. Unbind waits for the pass, and takes
        // the pages from all areas before it frees the buffer.
        Some(unsafe { buffer.fault_in(vma, address) })
    });
    // CAST: Both are bits of a `vm_fault_t`.
    done.unwrap_or(bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t)
}

/// # Safety
///
/// To be called by the VFS only, as `file_operations::release` of a window's file.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `Window::new` has put the reference there.
    drop(unsafe { Arc::from_raw((*file).private_data.cast::<Channel>()) });
    0
}
