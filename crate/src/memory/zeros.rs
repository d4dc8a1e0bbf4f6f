//! Zeros in the place of pages.

use std::io;
use std::ptr;

/// Puts new anonymous memory in the place of whole pages that this package has mapped, in one step for all who look at them.
/// Signal-safe.
///
/// # Safety
///
/// The pages are mapped by this package, and stay so until this returns. They are unmapped as a whole later, whatever lies there.
pub unsafe fn put(start: usize, length: usize, prot: i32) -> io::Result<()> {
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: the caller's promise.
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(start),
            length,
            prot,
            flags,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
