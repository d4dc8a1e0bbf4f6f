//! Huge pages of Linux, which it takes from a pool (hugetlb).

#[cfg(target_os = "linux")]
pub use linux::page_size;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::AsRawFd;

    use crate::memory::memfd;

    /// Returns the size of the huge pages that `mmap` maps for these arguments; None if they are no huge pages.
    pub fn page_size(flags: i32, file: Option<&File>) -> io::Result<Option<usize>> {
        if flags & libc::MAP_ANONYMOUS == 0 {
            return file.map_or(Ok(None), page_size_of_file);
        }
        if flags & libc::MAP_HUGETLB == 0 {
            return Ok(None);
        }
        // The flags tell the exponent of the size, 0 for the host's default.
        match flags.cast_unsigned() >> libc::MAP_HUGE_SHIFT & libc::MAP_HUGE_MASK.cast_unsigned() {
            0 => default_page_size(),
            exponent => Ok(1_usize.checked_shl(exponent)),
        }
    }

    /// Returns the size of a huge page where none was named. The kernel tells it of files alone, so an empty file is made.
    fn default_page_size() -> io::Result<Option<usize>> {
        let file = memfd::create(c"page size", libc::MFD_HUGETLB)?;
        page_size_of_file(&File::from(file))
    }

    /// Returns the size of the huge pages of a file; None if it has none.
    fn page_size_of_file(file: &File) -> io::Result<Option<usize>> {
        let mut facts = MaybeUninit::<libc::statfs>::uninit();
        // SAFETY: there is room for the answer.
        if unsafe { libc::fstatfs(file.as_raw_fd(), facts.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has succeeded.
        let facts = unsafe { facts.assume_init() };
        // Signed with one C library, unsigned with another.
        let is_huge = i128::from(facts.f_type) == i128::from(libc::HUGETLBFS_MAGIC);
        Ok(is_huge.then(|| usize::try_from(facts.f_bsize).unwrap_or(usize::MAX)))
    }
}

/// Returns None: there are no such pages.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as where there are some")]
pub fn page_size(_: i32, _: Option<&std::fs::File>) -> std::io::Result<Option<usize>> {
    Ok(None)
}
