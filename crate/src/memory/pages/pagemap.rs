//! What `/proc/self/pagemap` tells of the pages of this process. By an ioctl since Linux 6.7, which walks only what there is;
//! before that one number for each page is read.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use crate::memory::pages::ranges::Ranges;
use crate::memory::tracking::host_page_size;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Pages with data: in memory or swapped out, but not the page of zeros that reads are answered from.
    Data,
    /// Those of them that are in memory.
    Resident,
    /// Pages that belong to no file: of a private mapping of a file, those that were written.
    Written,
}

// Categories of pages, for `PAGEMAP_SCAN`.
const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
const IS_ZERO: u64 = 1 << 5;

/// `struct pm_scan_arg` of the kernel.
#[repr(C)]
#[derive(Default)]
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

/// `struct page_region` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Found {
    start: u64,
    end: u64,
    categories: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: libc::Ioctl = 0xc060_6610_u32 as libc::Ioctl;

/// How many ranges are asked for at a time.
const ROUND: usize = 4096;

/// Returns the addresses of the pages within `span` that are as asked.
pub fn find(span: Range<usize>, asked: Asked) -> io::Result<Ranges> {
    let pagemap = File::open("/proc/self/pagemap")?;
    match scan(&pagemap, &span, asked) {
        // Before Linux 6.7.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
            read(&pagemap, span, asked)
        }
        found => found,
    }
}

fn scan(pagemap: &File, span: &Range<usize>, asked: Asked) -> io::Result<Ranges> {
    let (without, any) = match asked {
        Asked::Data => (IS_ZERO, IS_PRESENT | IS_SWAPPED),
        Asked::Resident => (IS_ZERO, IS_PRESENT),
        Asked::Written => (IS_FILE, IS_PRESENT | IS_SWAPPED),
    };
    let mut found = vec![Found::default(); ROUND];
    let mut ranges = Ranges::default();
    let mut at = span.start as u64;
    while at < span.end as u64 {
        let mut argument = Scan {
            size: size_of::<Scan>() as u64,
            start: at,
            end: span.end as u64,
            vec: found.as_mut_ptr().expose_provenance() as u64,
            vec_len: found.len() as u64,
            category_inverted: without,
            category_mask: without,
            category_anyof_mask: any,
            return_mask: IS_PRESENT,
            ..Scan::default()
        };
        // SAFETY: the argument is what the call takes, and `found` has room for what it writes.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut argument) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for range in &found[..count.min(ROUND)] {
            ranges.push(address(range.start)..address(range.end));
        }
        // Where it ended is right only if it ran out of room.
        if count < ROUND {
            break;
        }
        at = argument.walk_end.max(found[ROUND - 1].end);
    }
    Ok(ranges)
}

/// Turns an address of the kernel's into one. (None is cut: the platforms have 64 bits.)
fn address(address: u64) -> usize {
    usize::try_from(address).unwrap_or(usize::MAX)
}

/// How many numbers are read at a time.
const ENTRIES: usize = 8192;

fn read(pagemap: &File, span: Range<usize>, asked: Asked) -> io::Result<Ranges> {
    let page = host_page_size().get();
    let mut bytes = vec![0; ENTRIES * 8];
    let mut ranges = Ranges::default();
    let mut at = span.start;
    while at < span.end {
        let count = ((span.end - at) / page).min(ENTRIES);
        let entries = &mut bytes[..count * 8];
        pagemap.read_exact_at(entries, (at / page * 8) as u64)?;
        for entry in entries.as_chunks::<8>().0 {
            if is_asked(u64::from_ne_bytes(*entry), asked) {
                ranges.push(at..at + page);
            }
            at += page;
        }
    }
    Ok(ranges)
}

/// Tells whether a page is as asked. The page of zeros cannot be told from others here.
fn is_asked(entry: u64, asked: Asked) -> bool {
    let is = |bit: u32| entry >> bit & 1 == 1;
    let (is_present, is_swapped, is_file) = (is(63), is(62), is(61));
    match asked {
        Asked::Data => is_present || is_swapped,
        Asked::Resident => is_present,
        Asked::Written => (is_present || is_swapped) && !is_file,
    }
}
