//! What is really mapped, by `/proc/self/maps`: pages of a mapping may have been replaced.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

/// A part of the address space that the kernel keeps as one, cut off at the ends of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vma {
    pub range: Range<usize>,
    /// The addresses of all of it.
    pub whole: Range<usize>,
    /// Where `range` starts in the file; None of anonymous memory.
    pub file_offset: Option<u64>,
}

/// Returns what is mapped within `span`, ascending.
pub fn within(span: &Range<usize>) -> io::Result<Vec<Vma>> {
    let mut found = Vec::new();
    for line in BufReader::new(File::open("/proc/self/maps")?).split(b'\n') {
        let line = line?;
        // The name at the end may be of any bytes.
        let line = String::from_utf8_lossy(&line);
        let Some((whole, offset, inode)) = parse(&line) else {
            continue;
        };
        let range = whole.start.max(span.start)..whole.end.min(span.end);
        if !range.is_empty() {
            let offset = offset + (range.start - whole.start) as u64;
            let file_offset = (inode != 0).then_some(offset);
            found.push(Vma {
                range,
                whole,
                file_offset,
            });
        }
    }
    Ok(found)
}

/// Takes `start-end rights offset device inode name` apart.
fn parse(line: &str) -> Option<(Range<usize>, u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let offset = u64::from_str_radix(words.nth(1)?, 16).ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some((start..end, offset, inode))
}
