//! Where the regions of a snapshot lie in its file.

use std::ops::Range;

use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryRegion};

use crate::memory::mapping::Memory;
use crate::memory::tracking::host_page_size;
use crate::node::error::{BindingError, Error, Result};

/// A region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub start: GuestAddress,
    pub size: usize,
    /// Where its first byte is in the file.
    pub offset: u64,
}

impl Entry {
    fn end(self) -> Option<u64> {
        self.offset.checked_add(self.size as u64)
    }
}

/// The regions of a snapshot, ascending by address, without overlap in memory or in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Vec<Entry>);

impl Table {
    /// Lays the regions of a memory out, one after the other from an offset on, each from a page on. None if a file cannot be so
    /// long.
    pub fn of_memory(memory: &Memory, offset: u64) -> Option<Self> {
        let page = host_page_size().get() as u64;
        let mut entries = Vec::new();
        let mut end = offset;
        for region in memory.iter() {
            let entry = Entry {
                start: region.start_addr(),
                size: region.size(),
                offset: end.checked_next_multiple_of(page)?,
            };
            end = entry.end().filter(|end| i64::try_from(*end).is_ok())?;
            entries.push(entry);
        }
        Some(Self(entries))
    }

    /// Takes the regions of a table that somebody has kept.
    pub fn new(entries: Vec<Entry>) -> Result<Self> {
        let page = host_page_size().get() as u64;
        for entry in &entries {
            let Entry {
                start,
                size,
                offset,
            } = *entry;
            if size == 0 {
                return Err(refuse(entry, "has no size"));
            }
            if start.checked_add(size as u64).is_none() {
                return Err(refuse(entry, "ends beyond the last address"));
            }
            if !offset.is_multiple_of(page) {
                return Err(refuse(entry, "starts at no page of the file"));
            }
            if entry.end().is_none() {
                return Err(refuse(entry, "ends beyond the end of the file"));
            }
        }
        for pair in entries.windows(2) {
            if let [entry, next] = pair
                && next.start.0.saturating_sub(entry.start.0) < entry.size as u64
            {
                return Err(refuse(next, "does not start behind the one before"));
            }
        }
        let mut by_offset: Vec<&Entry> = entries.iter().collect();
        by_offset.sort_unstable_by_key(|entry| entry.offset);
        for pair in by_offset.windows(2) {
            if let [entry, next] = pair
                && next.offset - entry.offset < entry.size as u64
            {
                return Err(refuse(next, "overlaps another one in the file"));
            }
        }
        Ok(Self(entries))
    }

    /// Checks that a file of this length has all of the regions.
    pub fn check_file(&self, length: u64) -> Result<()> {
        let beyond = self
            .0
            .iter()
            .find(|entry| entry.end().is_none_or(|end| end > length));
        beyond.map_or(Ok(()), |entry| {
            Err(refuse(
                entry,
                &format!("ends beyond the end of the file, which has {length} bytes"),
            ))
        })
    }

    /// Checks that the regions are those of a memory.
    pub fn check_memory(&self, memory: &Memory) -> Result<()> {
        let mut entries = self.0.iter();
        for region in memory.iter() {
            let (start, size) = (region.start_addr(), region.size());
            let entry = entries.next();
            if entry.is_none_or(|entry| (entry.start, entry.size) != (start, size)) {
                return Err(BindingError::snapshot(format!(
                    "The memory has a region of {size} bytes at 0x{:x}, which the snapshot has not",
                    start.0
                )));
            }
        }
        entries.next().map_or(Ok(()), |entry| {
            Err(refuse(entry, "is no region of the memory"))
        })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Returns the part of the file from the first byte of a region to the last one.
    pub fn span(&self) -> Range<u64> {
        let start = self.0.iter().map(|entry| entry.offset).min();
        let end = self.0.iter().filter_map(|entry| entry.end()).max();
        start.unwrap_or(0)..end.unwrap_or(0)
    }
}

fn refuse(entry: &Entry, what: &str) -> Error {
    BindingError::snapshot(format!(
        "The region of {} bytes at 0x{:x} of the snapshot {what}",
        entry.size, entry.start.0
    ))
}
