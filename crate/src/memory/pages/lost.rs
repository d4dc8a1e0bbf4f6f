//! Pages that the host cannot give: beyond the end of a file, or for want of space. The access would be SIGBUS, a system call that
//! meets them answers EFAULT.

use std::ops::Range;

use sync::marks::Reason;

use crate::memory::faults::watch::name_of;
use crate::memory::pages::kind::Pages;
use crate::node::error::{Error, Fault};

/// Returns the first of some bytes of a mapping that is beyond the last page of its file. None if the file has them all, or is
/// none of those that end.
pub fn beyond_file(pages: &Pages, part: &Range<usize>) -> Option<usize> {
    let (file, start) = pages.file.as_ref()?;
    let facts = file.metadata().ok()?;
    if !facts.is_file() {
        return None;
    }
    let there = usize::try_from(facts.len().saturating_sub(*start)).unwrap_or(usize::MAX);
    let there = there.checked_next_multiple_of(pages.page)?;
    (there < part.end && !part.is_empty()).then(|| there.max(part.start))
}

/// Makes the error for some bytes of a mapping, of which the host cannot give the first, unless the file tells better.
/// `guest` is the guest address of the mapping's first byte, where the bytes were asked for by that.
pub fn fault(pages: &Pages, part: &Range<usize>, guest: Option<u64>) -> Error {
    let (offset, reason) = match beyond_file(pages, part) {
        Some(offset) => (offset, Reason::Truncated),
        None => (part.start, Reason::NoSpace),
    };
    Error::Fault(Fault {
        offset,
        reason: name_of(reason),
        addr: guest.map(|guest| guest.wrapping_add(offset as u64)),
    })
}
