//! Has pages mapped without touching them: madvise(`MADV_POPULATE_READ`), madvise(`MADV_POPULATE_WRITE`).

use std::io;
use std::ops::Range;

use crate::memory::mapping::Access;

/// Has the pages within `span` there for an access. No byte of them changes.
///
/// # Safety
///
/// The pages stay mapped until this returns.
pub unsafe fn populate(span: &Range<usize>, access: Access) -> io::Result<()> {
    let advice = match access {
        Access::Read => libc::MADV_POPULATE_READ,
        Access::Write | Access::View => libc::MADV_POPULATE_WRITE,
    };
    loop {
        let start = std::ptr::with_exposed_provenance_mut(span.start);
        // SAFETY: the caller's promise.
        if unsafe { libc::madvise(start, span.len(), advice) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN)) {
            return Err(error);
        }
    }
}
