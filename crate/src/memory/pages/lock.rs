//! Keeps pages in the host's memory: mlock2(2), munlock(2).

use std::io;

use crate::memory::pages::extent::Extent;
use crate::node::error::Result;

/// Locks the pages of an extent: all of them, which are made now, or each when it is touched.
pub fn lock(extent: &Extent, on_fault: bool) -> Result<()> {
    if extent.count == 0 {
        return Ok(());
    }
    if on_fault {
        return on_touch::lock(extent);
    }
    let start = std::ptr::with_exposed_provenance(extent.start());
    // SAFETY: these are pages of a mapping that the extent keeps mapped; no byte of them changes.
    Ok(done(unsafe { libc::mlock(start, extent.count) })?)
}

/// Lets the host take the pages of an extent again.
pub fn unlock(extent: &Extent) -> io::Result<()> {
    if extent.count == 0 {
        return Ok(());
    }
    let start = std::ptr::with_exposed_provenance(extent.start());
    // SAFETY: as in `lock`.
    done(unsafe { libc::munlock(start, extent.count) })
}

fn done(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_os = "linux")]
pub use on_touch::lock_when_touched;

#[cfg(target_os = "linux")]
mod on_touch {
    use std::io;

    use super::done;
    use crate::memory::pages::extent::Extent;
    use crate::node::error::Result;

    /// `MLOCK_ONFAULT`
    const ON_FAULT: libc::c_uint = 1;

    pub fn lock(extent: &Extent) -> Result<()> {
        Ok(lock_when_touched(extent)?)
    }

    /// Locks each page of an extent when it is touched.
    pub fn lock_when_touched(extent: &Extent) -> io::Result<()> {
        let start: *const libc::c_void = std::ptr::with_exposed_provenance(extent.start());
        // By number: old C libraries have no function for it.
        // SAFETY: these are pages of a mapping that the extent keeps mapped; no byte of them changes.
        let result = unsafe { libc::syscall(libc::SYS_mlock2, start, extent.count, ON_FAULT) };
        done(i32::from(result != 0))
    }
}

#[cfg(not(target_os = "linux"))]
mod on_touch {
    use crate::memory::pages::extent::Extent;
    use crate::node::error::{BindingError, Result};

    pub fn lock(_: &Extent) -> Result<()> {
        Err(BindingError::unsupported(
            "This platform cannot lock pages when they are touched",
        ))
    }
}
