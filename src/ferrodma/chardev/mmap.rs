// SPDX-License-Identifier: GPL-2.0

//! Mapping a channel's coherent buffer into user space, and removing the mappings.
//!
//! The buffer is freed when the device is unbound, even if programs have it mapped. So unbind has
//! to find all mappings, and no page may be mapped unnoticed. The `mmap` callback runs before the
//! new area can be found through its file, so pages that it mapped could be missed. So it maps
//! none: only page faults map pages, and they pass the channel's gate. The first fault in an area
//! maps all of its pages, so that a program takes no further faults. Unbind closes the gate and
//! then unmaps the pages; later faults raise SIGBUS.
//!
//! The areas belong to a file of the channel, its [`Window`], rather than to the file that the
//! program has opened. So all of them can be unmapped through one file, and a mapping does not keep
//! the program's file open: its jobs end when the program closes it.
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

/// Creates the window for the buffer of `channel`, which `/proc/<pid>/maps` shows as `[name]`.
///
/// # Errors
///
/// ENOMEM, ENFILE; EACCES if a security module refuses.
pub(crate) fn window(channel: &Arc<Channel>, name: &CStr) -> Result<Window> {
    let private = Arc::into_raw(channel.clone());
    // SAFETY: The operations expect the private pointer to be a reference to a channel.
    unsafe { Window::new(name, Operations::files(), private.cast_mut().cast()) }.inspect_err(|_| {
        // SAFETY: No file was created that would own this reference.
        drop(unsafe { Arc::from_raw(private) });
    })
}

/// Sets up `vma` to map the buffer of `channel`.
///
/// # Errors
///
/// ENODEV: the device is unbound, or the channel has no buffer. EINVAL: the mapping is not shared.
/// EPERM: the program asks for PROT_EXEC. ENXIO: the area reaches beyond the end of the buffer.
/// EOPNOTSUPP: see
/// [`CoherentBuffer::prepare_vma`](crate::dma::coherent::CoherentBuffer::prepare_vma).
pub(crate) fn map(channel: &Channel, vma: &VmaNew) -> Result {
    let pass = channel.gate.enter().ok_or(ENODEV)?;
    let hw = pass.hw();
    let buffer = hw.buffer.as_ref().ok_or(ENODEV)?;
    // A shared mapping of a file that is open for reading only has VM_MAYSHARE without VM_SHARED.
    if vma.flags() & flags::MAYSHARE == 0 {
        return Err(EINVAL);
    }
    forbid_execution(vma)?;
    buffer.prepare_vma(vma)?;
    // SAFETY: `vma` is being set up. Its reference to the opened file is replaced by one to the
    // window's file. The operations are static, in the helper's module, to which the window's file
    // holds a reference.
    unsafe {
        bindings::vma_set_file(vma.as_ptr(), hw.window.file());
        (*vma.as_ptr()).vm_ops = Operations::areas();
    }
    Ok(())
}

/// Forbids execution in `vma`, which is being set up.
///
/// If the personality of a program has READ_IMPLIES_EXEC, the kernel adds PROT_EXEC to all of its
/// readable mappings, although the program has not asked for it. Such a program gets the mapping
/// without PROT_EXEC.
///
/// # Errors
///
/// EPERM: the program has asked for PROT_EXEC.
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

/// Returns whether the kernel treats PROT_READ of the calling program as PROT_READ | PROT_EXEC.
fn reads_imply_execution() -> bool {
    // SAFETY: A task may read its own personality, which no other task changes.
    let personality = unsafe { (*current!().as_ptr()).personality };
    personality & bindings::READ_IMPLIES_EXEC != 0
}

struct Operations;

impl Operations {
    const AREAS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(fault),
        ..pin_init::zeroed()
    };

    // The helper's module is the owner, as areas may outlive the driver's module.
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

/// Maps the pages of an area, or returns VM_FAULT_SIGBUS if the device is unbound.
///
/// # Safety
///
/// To be called by the memory manager only, as `vm_operations_struct::fault`.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: `fault` is valid during this call, and `map` has set up its area. So its file is that
    // of a `Hardware::window`, which holds a reference to a channel.
    let (vma, address, channel) = unsafe {
        let fault = &(*fault).__bindgen_anon_1;
        let file = (*fault.vma).vm_file;
        let channel = &*(*file).private_data.cast::<Channel>();
        (fault.vma, fault.address, channel)
    };
    let done = channel.gate.enter().and_then(|pass| {
        let buffer = pass.hw().buffer.as_ref()?;
        // SAFETY: `map` has prepared the area. Unbind waits for the pass, and unmaps the pages from
        // all areas before it frees the buffer.
        Some(unsafe { buffer.fault_in(vma, address) })
    });
    // CAST: Both are bits of a `vm_fault_t`.
    done.unwrap_or(bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t)
}

/// Drops the reference to the channel in a window's file.
///
/// # Safety
///
/// To be called by the VFS only, as `file_operations::release` of a window's file.
unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `window()` has stored the reference, which is dropped once.
    drop(unsafe { Arc::from_raw((*file).private_data.cast::<Channel>()) });
    0
}
