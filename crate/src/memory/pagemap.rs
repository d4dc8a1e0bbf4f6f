//! `PAGEMAP_SCAN` of Linux 6.7: finds pages of this process by what they are, and walks only what there is.
//!
//! Numbers and layouts are those of `linux/fs.h`, alike on all platforms of 64 bits.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `struct pm_scan_arg`
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// What is asked, by the names of the kernel.
#[derive(Default)]
pub struct Question {
    pub flags: u64,
    pub start: usize,
    pub end: usize,
    pub category_inverted: u64,
    pub category_mask: u64,
    pub category_anyof_mask: u64,
    pub return_mask: u64,
}

/// `struct page_region`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Found {
    pub start: u64,
    pub end: u64,
    /// Of those that were asked for.
    pub categories: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: libc::Ioctl = 0xc060_6610_u32 as libc::Ioctl;

/// Opens what tells of the pages of this process.
pub fn open() -> io::Result<File> {
    File::open("/proc/self/pagemap")
}

impl Question {
    /// Scans. Returns how many ranges were found, and where it has ended, which is right only if there was no room for more.
    pub fn ask(&self, pagemap: &File, found: &mut [Found]) -> io::Result<(usize, usize)> {
        let vec = if found.is_empty() {
            0
        } else {
            found.as_mut_ptr().expose_provenance() as u64
        };
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            flags: self.flags,
            start: self.start as u64,
            end: self.end as u64,
            walk_end: 0,
            vec,
            vec_len: found.len() as u64,
            max_pages: 0,
            category_inverted: self.category_inverted,
            category_mask: self.category_mask,
            category_anyof_mask: self.category_anyof_mask,
            return_mask: self.return_mask,
        };
        // SAFETY: the argument is what the call takes, and `found` has room for what it writes.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok((count.min(found.len()), address(scan.walk_end)))
    }
}

/// Turns an address of the kernel's into one. (None is cut: the platforms have 64 bits.)
pub fn address(address: u64) -> usize {
    usize::try_from(address).unwrap_or(usize::MAX)
}
