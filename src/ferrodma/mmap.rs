// SPDX-License-Identifier: GPL-2.0

//! Mapping a channel's coherent buffer into user space, and taking that back.
//!
//! The buffer is freed when the device is unbound, whoever has it mapped. So all mappings must be
//! found then, and none may come into being unnoticed. `mmap` runs before the new area can be found
//! through the file's mapping; a page that it mapped could be missed. So it maps none: all come by
//! faults, which pass the channel's gate. Unbind closes the gate, then removes the pages from all
//! areas of all open files; later faults raise SIGBUS.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr::NonNull;

use kernel::{
    bindings,
    mm::virt::{
        flags,
        VmaNew, //
    },
    prelude::*, //
};

use crate::chardev::{
    open_file,
    OpenFile, //
};

/// The address spaces through which open files are mapped.
///
/// # Invariants
///
/// Each is that of an open file, and so valid.
pub(crate) struct Mappings(KVec<NonNull<bindings::address_space>>);

// SAFETY: The address spaces may be used from any thread.
unsafe impl Send for Mappings {}

impl Mappings {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Adds that of a file which is being opened.
    pub(crate) fn add(&mut self, mapping: *mut bindings::address_space) -> Result {
        let mapping = NonNull::new(mapping).ok_or(EINVAL)?;
        // INVARIANT: The file is being opened.
        Ok(self.0.push(mapping, GFP_KERNEL)?)
    }

    /// Removes that of a file which is being closed. Files may share one, which is here as often.
    pub(crate) fn remove(&mut self, mapping: *mut bindings::address_space) {
        if let Some(at) = self.0.iter().position(|other| other.as_ptr() == mapping) {
            let _ = self.0.remove(at);
        }
    }

    /// Removes all pages from all mappings. They do not come back once the gate is closed.
    pub(crate) fn unmap(&mut self) {
        for mapping in &self.0 {
            // SAFETY: By the type invariant the mapping is valid. A length of zero stands for all.
            unsafe { bindings::unmap_mapping_range(mapping.as_ptr(), 0, 0, 1) };
        }
    }
}

/// Sets up `vma` to show the buffer of the channel.
///
/// # Errors
///
/// ENODEV: the device is unbound, or its function has no buffer. EINVAL: the mapping is not shared.
/// EPERM: it is executable. ENXIO: it reaches beyond the end of the buffer.
pub(crate) fn map(file: &OpenFile, vma: &VmaNew) -> Result {
    let pass = file.client.channel().gate.enter().ok_or(ENODEV)?;
    let buffer = pass.hw().function.buffer().ok_or(ENODEV)?;
    if vma.flags() & flags::SHARED == 0 {
        return Err(EINVAL);
    }
    if vma.executable() {
        return Err(EPERM);
    }
    vma.try_clear_mayexec()?;
    buffer.prepare_vma(vma)?;
    // SAFETY: `vma` is being set up, and the operations are static, in the helper's module, which the
    // driver's module holds, which the open file holds, which the area holds.
    unsafe { (*vma.as_ptr()).vm_ops = VmOperations::get() };
    Ok(())
}

struct VmOperations;

impl VmOperations {
    const OPERATIONS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(fault),
        ..pin_init::zeroed()
    };

    const fn get() -> &'static bindings::vm_operations_struct {
        &Self::OPERATIONS
    }
}

/// # Safety
///
/// To be called by the memory manager only, as `vm_operations_struct::fault`.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: `fault` is valid during this call, and its area is one that `map` has set up.
    let (vma, address, index, file) = unsafe {
        let fault = &(*fault).__bindgen_anon_1;
        (fault.vma, fault.address, fault.pgoff, (*fault.vma).vm_file)
    };
    // SAFETY: The area holds the open file.
    let open = unsafe { open_file(file) };
    let frame = open.client.channel().gate.enter().and_then(|pass| {
        let frame = pass.hw().function.buffer()?.page_frame(index)?;
        // SAFETY: `map` has made the area one of page frames, the fault is at `address` in it, and
        // the frame stays ours as long as the pass is held.
        Some(unsafe { bindings::vmf_insert_pfn(vma, address, frame) })
    });
    // CAST: Both are bits of a `vm_fault_t`.
    frame.unwrap_or(bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t)
}

