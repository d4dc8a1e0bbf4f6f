//! Maps or reads a snapshot.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use vm_memory::FileOffset;

use crate::memory::construction::Plan;
use crate::memory::mapping::Mapping;
use crate::memory::opened::{self, flags, length_of};
#[cfg(target_os = "linux")]
use crate::memory::pages::file_data;
use crate::memory::pages::ranges::Ranges;
use crate::memory::snapshot::table::{Entry, Table};
use crate::node::error::{BindingError, Result};

/// A snapshot whose regions are within its file.
pub struct Snapshot {
    file: Arc<File>,
    /// Where the cursor of the user's descriptor is, if that is the one that is used.
    cursor: Option<u64>,
}

impl Snapshot {
    /// Takes a file that is open for reading, and checks that it has all regions. Opens it again, if that is possible: upstream
    /// moves the cursor of what it maps.
    pub fn new(file: File, table: &Table) -> Result<Self> {
        if flags(&file)? & libc::O_ACCMODE == libc::O_WRONLY {
            return Err(io::Error::from_raw_os_error(libc::EBADF).into());
        }
        table.check_file(length_of(&file)?)?;
        if let Ok(again) = opened::again(&file, File::options().read(true)) {
            let file = Arc::new(again);
            return Ok(Self { file, cursor: None });
        }
        let cursor = Some((&file).stream_position()?);
        let file = Arc::new(file);
        Ok(Self { file, cursor })
    }

    /// Returns the settings of a mapping that shows a region until it is written.
    pub fn plan(&self, entry: &Entry) -> Plan {
        Plan {
            flags: libc::MAP_NORESERVE | libc::MAP_PRIVATE,
            ..Plan::of_file(
                FileOffset::from_arc(Arc::clone(&self.file), entry.offset),
                entry.size,
            )
        }
    }

    /// Reads a region into new memory, of which holes take nothing.
    pub fn read(&self, entry: &Entry, mapping: &Mapping) -> Result<()> {
        for mut part in data(&self.file, entry)? {
            while !part.is_empty() {
                let start = mapping.as_ptr().wrapping_add(part.start);
                let offset = entry.offset + part.start as u64;
                // SAFETY: the part is within the region, of which the mapping has all bytes.
                match unsafe { read(&self.file, start, part.len(), offset) } {
                    Ok(0) => {
                        return Err(BindingError::snapshot(format!(
                            "The file has ended before the region at 0x{:x}",
                            entry.start.0
                        )));
                    }
                    Ok(count) => part.start += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor {
            // It was there before.
            drop((&*self.file).seek(SeekFrom::Start(cursor)));
        }
    }
}

/// Reads bytes at an offset, and returns how many there were.
///
/// # Safety
///
/// There must be room for `count` bytes at `start`.
unsafe fn read(file: &File, start: *mut u8, count: usize, offset: u64) -> io::Result<usize> {
    let Ok(offset) = libc::off_t::try_from(offset) else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    // SAFETY: the caller's promise.
    let read = unsafe { libc::pread(file.as_raw_fd(), start.cast(), count, offset) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Returns where a region has data in the file, as offsets in the region.
#[cfg(target_os = "linux")]
fn data(file: &File, entry: &Entry) -> io::Result<Ranges> {
    file_data::find(file, entry.offset..entry.offset + entry.size as u64)
}

/// Returns all of a region: nobody tells where it has data.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as where somebody tells")]
fn data(_: &File, entry: &Entry) -> io::Result<Ranges> {
    let mut all = Ranges::default();
    all.push(0..entry.size);
    Ok(all)
}
