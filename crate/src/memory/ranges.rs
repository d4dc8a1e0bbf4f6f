//! Parts of memory that something is true of: in whole pages, ascending, and joined where they touch.

use std::io;

use crate::memory::mapping::{Mapping, Region};
use crate::memory::tracking::host_page_size;
use crate::node::error::Result;

/// A part of a mapping, from an offset up to another, which is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub start: usize,
    pub end: usize,
}

/// Returns the number of bytes in a page of a mapping: the host's, or that of its huge pages.
pub fn page_of(mapping: &Mapping) -> usize {
    let lease = mapping.bitmap().lease();
    let huge = lease.huge_page(mapping.flags()).ok().flatten();
    huge.unwrap_or_else(|| host_page_size().get())
}

/// Adds a part. There may be no memory for it.
pub fn push(parts: &mut Vec<Part>, part: Part) -> Result<()> {
    if parts.len() == parts.capacity() && parts.try_reserve(parts.len().max(64)).is_err() {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM).into());
    }
    parts.push(part);
    Ok(())
}

/// Widens parts of a region to whole pages, puts them in order, and joins those that touch. What is beyond the region is
/// left out.
pub fn join(parts: &mut Vec<Part>, region: &Region) {
    let (page, size) = (page_of(region), region.size());
    parts.retain_mut(|part| {
        part.start -= part.start % page;
        part.end = part.end.checked_next_multiple_of(page).unwrap_or(size);
        part.end = part.end.min(size);
        part.start < part.end
    });
    parts.sort_unstable();
    parts.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
}
