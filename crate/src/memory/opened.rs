//! What a file is open for, and the same file once more, with a cursor of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;

/// Returns what a descriptor may be used for: `O_…` flags.
pub fn flags(file: &File) -> io::Result<i32> {
    // SAFETY: the call takes numbers.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags),
    }
}

/// Opens the file of a descriptor again. It may be that this process may not.
#[cfg(target_os = "linux")]
pub fn again(file: &File, options: &OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Refuses: here, that would be the same descriptor.
#[cfg(not(target_os = "linux"))]
pub fn again(_: &File, _: &OpenOptions) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns how many bytes there are in a file.
pub fn length_of(file: &File) -> io::Result<u64> {
    let facts = file.metadata()?;
    if facts.file_type().is_block_device() {
        return again(file, File::options().read(true))?.seek(SeekFrom::End(0));
    }
    Ok(facts.len())
}
