//! Where a file has data. No descriptor of the user is moved by the question.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::memory::pages::ranges::Ranges;

/// Returns where the bytes `part` of a file have data, relative to the start of `part`.
pub fn find(file: &File, part: Range<u64>) -> io::Result<Ranges> {
    let facts = file.metadata()?;
    if !facts.is_file() {
        // A device: nobody tells.
        let mut whole = Ranges::default();
        whole.push(0..length(part.end - part.start));
        return Ok(whole);
    }
    let end = part.end.min(facts.len());
    Ok(seek(&Cursor::of(file)?, part.start..end))
}

fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A descriptor whose cursor may be moved: another one of the same file, or that of the user, whose cursor is put back.
struct Cursor<'file> {
    file: &'file File,
    reopened: Option<File>,
    before: i64,
}

impl<'file> Cursor<'file> {
    fn of(file: &'file File) -> io::Result<Self> {
        if let Ok(reopened) = reopen(file) {
            return Ok(Self {
                file,
                reopened: Some(reopened),
                before: 0,
            });
        }
        Ok(Self {
            file,
            reopened: None,
            before: lseek(file, 0, libc::SEEK_CUR)?,
        })
    }

    fn seek(&self, offset: u64, whence: i32) -> io::Result<i64> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        lseek(self.reopened.as_ref().unwrap_or(self.file), offset, whence)
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        if self.reopened.is_none() {
            // It was there before.
            drop(lseek(self.file, self.before, libc::SEEK_SET));
        }
    }
}

/// Opens the file of a descriptor again, for reading, with a cursor of its own.
pub fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn lseek(file: &File, offset: i64, whence: i32) -> io::Result<i64> {
    // SAFETY: the call takes numbers.
    match unsafe { libc::lseek(file.as_raw_fd(), offset, whence) } {
        -1 => Err(io::Error::last_os_error()),
        place => Ok(place),
    }
}

fn seek(file: &Cursor, part: Range<u64>) -> Ranges {
    let mut ranges = Ranges::default();
    let mut at = part.start;
    while at < part.end {
        let data = match file.seek(at, libc::SEEK_DATA) {
            Ok(data) => data.cast_unsigned(),
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => break,
            // The file system does not tell.
            Err(_) => at,
        };
        let hole = file.seek(data, libc::SEEK_HOLE);
        let hole = hole.map_or(part.end, i64::cast_unsigned).min(part.end);
        if data >= hole {
            break;
        }
        ranges.push(length(data - part.start)..length(hole - part.start));
        at = hole;
    }
    ranges
}

/// Returns where the bytes `part` of a file of huge pages have data, relative to the start of `part`: the system calls that tell
/// it of other files do not know holes there. `known` are pages that are known to be there.
pub fn find_huge(file: &File, part: Range<u64>, page: usize, known: &Ranges) -> io::Result<Ranges> {
    let facts = file.metadata()?;
    let end = part.end.min(facts.len());
    let mut found = Ranges::default();
    if known.total() as u64 >= facts.blocks() * 512 {
        return Ok(known.clone());
    }
    let mut buffer = vec![0; 1 << 16];
    let mut at = part.start;
    while at < end {
        let offset = length(at - part.start);
        let is_known = known.iter().any(|range| range.contains(&offset));
        if is_known || has_data(file, at..end.min(at + page as u64), &mut buffer)? {
            found.push(offset..offset + page);
        }
        at += page as u64;
    }
    Ok(found)
}

/// Tells whether not all bytes of a part are zeros. Reading a hole takes no memory.
fn has_data(file: &File, part: Range<u64>, buffer: &mut [u8]) -> io::Result<bool> {
    let mut at = part.start;
    while at < part.end {
        let count = buffer.len().min(length(part.end - at));
        let count = file.read_at(&mut buffer[..count], at)?;
        if count == 0 {
            break;
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        at += count as u64;
    }
    Ok(false)
}

/// Tells whether a file is nowhere but in memory: of a tmpfs, as memfds are.
pub fn is_of_memory(file: &File) -> io::Result<bool> {
    let mut facts = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: there is room for the answer.
    if unsafe { libc::fstatfs(file.as_raw_fd(), facts.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded.
    let facts = unsafe { facts.assume_init() };
    // Signed with one C library, unsigned with another.
    Ok(i128::from(facts.f_type) == i128::from(libc::TMPFS_MAGIC))
}

/// Tells whether the host may have swapped anything out.
pub fn is_swapping() -> bool {
    let mut facts = MaybeUninit::<libc::sysinfo>::uninit();
    // SAFETY: there is room for the answer.
    if unsafe { libc::sysinfo(facts.as_mut_ptr()) } != 0 {
        return true;
    }
    // SAFETY: the call has succeeded.
    unsafe { facts.assume_init() }.totalswap > 0
}
