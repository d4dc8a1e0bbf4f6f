//! Functions of the engine that not every version of it has.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

/// Finds a function that the engine exports.
pub fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the name ends with a zero.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}
