//! Which pages are in the host's memory: mincore(2).

use std::io;
use std::ops::Range;

use crate::memory::pages::ranges::Ranges;
use crate::memory::tracking::host_page_size;

/// How many pages are asked for at a time.
const ROUND: usize = 1 << 16;

/// The type of the answers of mincore(2).
#[cfg(target_os = "linux")]
type Answer = u8;
#[cfg(not(target_os = "linux"))]
type Answer = libc::c_char;

/// Returns the addresses within `span` whose pages are in memory: of a file, those of its pages that are, whoever has made them.
pub fn in_core(span: Range<usize>) -> io::Result<Ranges> {
    let page = host_page_size().get();
    let mut answers = vec![0; ROUND.min(span.len() / page)];
    let mut ranges = Ranges::default();
    let mut at = span.start;
    while at < span.end {
        let count = ((span.end - at) / page).min(answers.len());
        let answer: *mut Answer = answers.as_mut_ptr();
        let start = std::ptr::with_exposed_provenance_mut(at);
        // SAFETY: there is room for an answer for each page; nothing is read or written at the address.
        if unsafe { libc::mincore(start, count * page, answer) } != 0 {
            return Err(io::Error::last_os_error());
        }
        for answer in &answers[..count] {
            if answer & 1 == 1 {
                ranges.push(at..at + page);
            }
            at += page;
        }
    }
    Ok(ranges)
}
