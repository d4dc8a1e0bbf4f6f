//! What `/proc/self/pagemap` tells of the pages of this process. By an ioctl since Linux 6.7, which walks only what there is;
//! before that one number for each page is read.

use std::cell::LazyCell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::memory::mapping::Access;
use crate::memory::pagemap::{self, Found, Question, address};
use crate::memory::pages::file_data::is_swapping;
use crate::memory::pages::in_core::in_core;
use crate::memory::pages::populate::populate;
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
    /// Those of them that are in memory.
    WrittenHere,
}

// Categories of pages, for `PAGEMAP_SCAN`.
const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
const IS_ZERO: u64 = 1 << 5;

/// How many ranges are asked for at a time.
const ROUND: usize = 4096;

/// Returns the addresses of the pages within `span` that are as asked.
pub fn find(span: Range<usize>, asked: Asked) -> io::Result<Ranges> {
    let pagemap = pagemap::open()?;
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
        Asked::WrittenHere => (IS_FILE, IS_PRESENT),
    };
    let mut found = vec![Found::default(); ROUND];
    let mut ranges = Ranges::default();
    let mut unsure = Ranges::default();
    let is_swapping = LazyCell::new(is_swapping);
    let mut at = span.start;
    while at < span.end {
        let question = Question {
            start: at,
            end: span.end,
            category_inverted: without,
            category_mask: without,
            category_anyof_mask: any,
            return_mask: IS_PRESENT,
            ..Question::default()
        };
        let (count, walked) = question.ask(pagemap, &mut found)?;
        for range in &found[..count] {
            let pages = address(range.start)..address(range.end);
            if range.categories & IS_PRESENT != 0 || *is_swapping {
                ranges.push(pages);
            } else {
                // Nothing is swapped out. These are pages on their way from one place of memory to another; or none, where the
                // kernel has left a note that it tracks writes. The other question is answered for the former, and for what a
                // file has in memory.
                for range in in_core(pages)? {
                    unsure.push(range);
                }
            }
        }
        if count < ROUND {
            break;
        }
        at = walked.max(address(found[ROUND - 1].end));
    }
    for range in unsure {
        let mut settled = Ranges::default();
        // What is in memory is mapped for reading, which takes none, and waits for those that move.
        // SAFETY: whoever asks keeps the span mapped.
        if asked == Asked::Written && unsafe { populate(&range, Access::Read) }.is_ok() {
            settled = scan(pagemap, &range, Asked::WrittenHere)?;
        } else {
            settled.push(range);
        }
        ranges = ranges.union(settled);
    }
    Ok(ranges)
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
        Asked::WrittenHere => is_present && !is_file,
    }
}
