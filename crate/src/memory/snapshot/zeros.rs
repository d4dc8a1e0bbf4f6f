//! Finds pages of zeros.

use std::ops::Range;

/// Bytes of a mapping that are all of pages of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whether none of the pages is zeros; otherwise all of them are.
    pub has_data: bool,
    /// Offsets in the mapping.
    pub part: Range<usize>,
}

/// Splits memory into runs of pages that are zeros and pages that are not.
pub struct Runs {
    mapping: *const u8,
    left: Range<usize>,
    page: usize,
}

impl Runs {
    /// Begins to split a part of a mapping, from a page on. The last page may be cut off.
    ///
    /// # Safety
    ///
    /// The bytes must be readable for as long as this is used, and the mapping start at a page. Others may write the bytes
    /// meanwhile.
    pub unsafe fn new(mapping: *const u8, part: Range<usize>, page: usize) -> Self {
        Self {
            mapping,
            left: part,
            page,
        }
    }

    /// Returns the end of the next page, and whether it has data.
    fn look(&self) -> (usize, bool) {
        let end = self.left.end.min(self.left.start + self.page);
        let start = self.mapping.wrapping_add(self.left.start);
        // SAFETY: these bytes are left of those that the caller of `new` has promised.
        (end, !unsafe { is_zero(start, end - self.left.start) })
    }
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let start = self.left.start;
        let mut kind = None;
        while !self.left.is_empty() {
            let (end, has_data) = self.look();
            if *kind.get_or_insert(has_data) != has_data {
                break;
            }
            self.left.start = end;
        }
        kind.map(|has_data| Run {
            has_data,
            part: start..self.left.start,
        })
    }
}

/// Has memory in the cache before it is read, wherever it is.
#[cfg(target_arch = "x86_64")]
fn prefetch(place: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which does no harm at any address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: *const u8) {}

/// Tells whether all bytes are zeros. They are read as what others may write meanwhile, in words.
///
/// # Safety
///
/// The bytes must be readable, and start at a multiple of 8.
unsafe fn is_zero(start: *const u8, count: usize) -> bool {
    const WORD: usize = size_of::<u64>();
    /// Words that are read before one looks: those of a line of a cache.
    const BATCH: usize = 8;
    /// Processors do not look ahead beyond the end of a page: without help, 1 GiB of zeros takes a third more.
    const AHEAD: usize = 4096;
    let words = count / WORD;
    #[expect(clippy::cast_ptr_alignment, reason = "the caller's promise")]
    let word = start.cast::<u64>();
    let mut at = 0;
    while at + BATCH <= words {
        prefetch(start.wrapping_add(at * WORD + AHEAD));
        let mut any = 0;
        for offset in at..at + BATCH {
            // SAFETY: the caller's promise.
            any |= unsafe { word.add(offset).read_volatile() };
        }
        if any != 0 {
            return false;
        }
        at += BATCH;
    }
    // SAFETY: as above.
    (at * WORD..count).all(|offset| unsafe { start.add(offset).read_volatile() } == 0)
}
