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
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use kernel::{
    bindings,
    ffi::c_int,
    mm::virt::{
        flags,
        VmaNew, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    channel::Channel,
    hardware::window::Window, //
};

/// Makes the window to the buffer of `channel`, which `/proc/<pid>/maps` shows as `[name]`.
///
/// # Errors
///
/// ENOMEM, ENFILE; EACCES where a security module says so.
pub(crate) fn window(channel: &Arc<Channel>, name: &CStr) -> Result<Window> {
    let private = Arc::into_raw(channel.clone());
    // SAFETY: The operations take the private pointer for a reference to a channel.
    unsafe { Window::new(name, Operations::files(), private.cast_mut().cast()) }.inspect_err(|_| {
        // SAFETY: There is no file that would hold this reference.
        drop(unsafe { Arc::from_raw(private) });
    })
}

/// Sets up `vma` to show the buffer of `channel`.
///
/// # Errors
///
/// ENODEV: the device is unbound, or the channel has no buffer. EINVAL: the mapping is not shared.
/// EPERM: the program asks for PROT_EXEC. ENXIO: it reaches beyond the end of the buffer.
/// EOPNOTSUPP: see [`CoherentBuffer::prepare_vma`](crate::dma::coherent::CoherentBuffer::prepare_vma).
pub(crate) fn map(channel: &Channel, vma: &VmaNew) -> Result {
    let pass = channel.gate.enter().ok_or(ENODEV)?;
    let hw = pass.hw();
    let buffer = hw.buffer.as_ref().ok_or(ENODEV)?;
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
        bindings::vma_set_file(vma.as_ptr(), hw.window.file());
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
        let buffer = pass.hw().buffer.as_ref()?;
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
    // SAFETY: `window()` has put the reference there.
    drop(unsafe { Arc::from_raw((*file).private_data.cast::<Channel>()) });
    0
}
