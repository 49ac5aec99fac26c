// SPDX-License-Identifier: GPL-2.0

//! The file that owns all mappings of a channel's buffer; `chardev/mmap.rs` says why.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use core::ptr::NonNull;

use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_char,
        c_void, //
    },
    prelude::*,
    str::CString, //
};

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

/// A file with an address_space of its own. Dropping it removes its pages from all areas that map
/// them. The gate must be closed by then, as a page fault would map them again.
///
/// # Invariants
///
/// `file` is a valid file, to which this holds a reference.
pub(crate) struct Window {
    file: NonNull<bindings::file>,
}

// SAFETY: A file may be used from any thread.
unsafe impl Send for Window {}
// SAFETY: As above.
unsafe impl Sync for Window {}

impl Window {
    /// Creates a file that `/proc/<pid>/maps` shows as `[name]`.
    ///
    /// # Errors
    ///
    /// ENOMEM, ENFILE; EACCES if a security module refuses. After an error the caller still owns
    /// the private pointer.
    ///
    /// # Safety
    ///
    /// `operations` accept a file with this private pointer.
    pub(crate) unsafe fn new(
        name: &CStr,
        operations: &'static bindings::file_operations,
        private: *mut c_void,
    ) -> Result<Self> {
        let name = CString::try_from_fmt(fmt!("[{name}]"))?;
        // SAFETY: The name is copied, and the operations are static. The caller promises the rest.
        let file = unsafe { ferrodma_window_file(name.as_char_ptr(), operations, private) };
        let file = from_err_ptr(file)?;
        // INVARIANT: The file is new.
        Ok(Self {
            file: NonNull::new(file).ok_or(ENOMEM)?,
        })
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: The file is valid, and so is its address_space. A length of zero means up to the
        // end.
        unsafe { bindings::unmap_mapping_range((*self.file.as_ptr()).f_mapping, 0, 0, 1) };
        // SAFETY: The reference is ours. Areas that still exist hold their own.
        unsafe { bindings::fput(self.file.as_ptr()) };
    }
}
