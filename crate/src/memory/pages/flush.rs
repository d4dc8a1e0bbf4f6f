//! Has on the disk what was written to a shared file: msync(2).

use std::io;

use crate::memory::pages::extent::Extent;
use crate::node::error::Result;

/// Writes the pages of an extent to their file, and waits until they are there.
pub fn flush(extent: &Extent) -> Result<()> {
    if extent.count == 0 {
        return Ok(());
    }
    // What was lost does not come into the file.
    let watch = extent.watch()?;
    let start = std::ptr::with_exposed_provenance_mut(extent.start());
    // SAFETY: these are pages of a mapping that the extent keeps mapped; no byte of them changes.
    let result = unsafe { libc::msync(start, extent.count, libc::MS_SYNC) };
    let error = io::Error::last_os_error();
    watch.end()?;
    extent.pages.check()?;
    match result {
        0 => Ok(()),
        _ => Err(error.into()),
    }
}
