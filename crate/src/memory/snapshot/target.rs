//! The file that a snapshot is written to.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::memory::hole;
use crate::memory::mapping::Memory;
use crate::memory::opened::{self, flags, length_of};
use crate::memory::pages::kind::Pages;
use crate::node::error::{BindingError, Result};
use crate::node::job::Progress;

/// How many zeros are written at a time where there can be no hole.
const ZEROS: usize = 1 << 20;

/// A file that is written.
pub struct Target {
    file: File,
    /// Whether holes can be made in it, as far as is known.
    has_holes: AtomicBool,
}

impl Target {
    /// Takes a file that is open for writing.
    pub fn new(file: OwnedFd) -> Result<Self> {
        let mut file = File::from(file);
        if flags(&file)? & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(io::Error::from_raw_os_error(libc::EBADF).into());
        }
        if flags(&file)? & libc::O_APPEND != 0 {
            // Whatever place a write names, it would be at the end.
            file = reopen_for_writing(&file).ok_or_else(|| {
                BindingError::snapshot(
                    "The file is open for appending: a snapshot is written to places of its own",
                )
            })?;
        }
        let kind = file.metadata()?.file_type();
        if kind.is_fifo() || kind.is_socket() {
            return Err(io::Error::from_raw_os_error(libc::ESPIPE).into());
        }
        Ok(Self {
            file,
            has_holes: AtomicBool::new(true),
        })
    }

    /// Refuses a file that a region of the memory is mapped from: it would change under the memory that is being read, or under one
    /// that was restored from it.
    pub fn check_apart(&self, memory: &Memory) -> Result<()> {
        use vm_memory::{GuestMemory, GuestMemoryRegion};
        let identity = |file: &File| file.metadata().map(|facts| (facts.dev(), facts.ino()));
        let own = identity(&self.file)?;
        for region in memory.iter() {
            let Some((file, _)) = Pages::of(region)?.file else {
                continue;
            };
            if identity(&file)? == own {
                return Err(BindingError::snapshot(format!(
                    "The region at 0x{:x} is mapped from the file that it would be saved to",
                    region.start_addr().0
                )));
            }
        }
        Ok(())
    }

    pub fn length(&self) -> io::Result<u64> {
        length_of(&self.file)
    }

    /// Has room for a part of the file, and makes zeros of what is there.
    pub fn make_room(&self, part: &Range<u64>, progress: &Progress) -> io::Result<()> {
        let length = self.length()?;
        if length < part.end && self.file.metadata()?.is_file() {
            self.file.set_len(part.end)?;
        }
        self.clear(&(part.start..part.end.min(length)), progress)
    }

    /// Makes a part zeros: a hole, if there can be one.
    pub fn clear(&self, part: &Range<u64>, progress: &Progress) -> io::Result<()> {
        if part.is_empty() || (self.has_holes.load(Ordering::Relaxed) && self.punch(part)?) {
            return Ok(());
        }
        let zeros = vec![0; ZEROS];
        let mut at = part.start;
        while at < part.end && !progress.is_stopped() {
            let left = usize::try_from(part.end - at).unwrap_or(usize::MAX);
            let zeros = &zeros[..left.min(ZEROS)];
            self.file.write_all_at(zeros, at)?;
            at += zeros.len() as u64;
        }
        Ok(())
    }

    /// Makes a hole, whose bytes are zeros afterwards. Returns whether the file can have one.
    fn punch(&self, part: &Range<u64>) -> io::Result<bool> {
        match hole::punch(&self.file, part) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ENODEV)
                ) =>
            {
                self.has_holes.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes bytes at an offset, and returns how many were written: at least one.
    ///
    /// # Safety
    ///
    /// There must be a mapping of `count` bytes at `start`. What the host cannot give of it is EFAULT.
    pub unsafe fn write(&self, start: *const u8, count: usize, offset: u64) -> io::Result<usize> {
        let Ok(offset) = libc::off_t::try_from(offset) else {
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        };
        loop {
            // SAFETY: the caller's promise; the kernel reads the bytes, whoever writes them meanwhile.
            let written =
                unsafe { libc::pwrite(self.file.as_raw_fd(), start.cast(), count, offset) };
            match usize::try_from(written) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Opens the file of a descriptor again, for writing at any place. None where that is not possible.
fn reopen_for_writing(file: &File) -> Option<File> {
    let file = opened::again(file, File::options().write(true)).ok()?;
    let is_appending = flags(&file).ok()? & libc::O_APPEND != 0;
    (!is_appending).then_some(file)
}
