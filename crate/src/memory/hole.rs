//! Holes in files, whose bytes are zeros and take no room.

use std::fs::File;
use std::io;
use std::ops::Range;

/// Makes a hole of a part of a file, which stays as long as it is.
#[cfg(target_os = "linux")]
pub fn punch(file: &File, part: &Range<u64>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let length = part.end - part.start;
    loop {
        // SAFETY: the call takes numbers.
        let result = unsafe {
            libc::fallocate(
                file.as_raw_fd(),
                mode,
                part.start.cast_signed(),
                length.cast_signed(),
            )
        };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Says that there are none: here, holes are of blocks, of whatever size.
#[cfg(not(target_os = "linux"))]
pub fn punch(_: &File, _: &Range<u64>) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}
