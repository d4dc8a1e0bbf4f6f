//! Finds pages of zeros.

use std::ops::Range;

/// Bytes of one kind: whole pages, of which the last one may be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    Zeros(usize),
    Data(usize),
}

/// Splits memory into runs of pages that are zeros and pages that are not.
pub struct Runs {
    at: *const u8,
    left: usize,
    page: usize,
}

impl Runs {
    /// Begins to split the bytes of a range of host addresses.
    ///
    /// # Safety
    ///
    /// The bytes must be readable for as long as this is used, and start at a multiple of 8. Others may write them meanwhile.
    pub unsafe fn new(bytes: Range<*const u8>, page: usize) -> Self {
        Self {
            at: bytes.start,
            left: bytes.end.addr() - bytes.start.addr(),
            page,
        }
    }

    /// Tells whether the next page is zeros.
    fn is_zero(&self) -> bool {
        // SAFETY: these bytes are left of those that the caller of `new` has promised.
        unsafe { is_zero(self.at, self.page.min(self.left)) }
    }

    fn skip_page(&mut self) -> usize {
        let count = self.page.min(self.left);
        self.at = self.at.wrapping_add(count);
        self.left -= count;
        count
    }
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        let is_zero = self.is_zero();
        let mut count = self.skip_page();
        while self.left > 0 && self.is_zero() == is_zero {
            count += self.skip_page();
        }
        Some(if is_zero {
            Run::Zeros(count)
        } else {
            Run::Data(count)
        })
    }
}

/// Tells whether all bytes are zeros. They are read as what others may write meanwhile, in words, as the compiler could not do by
/// itself: 50 ms for 512 MiB that are.
///
/// # Safety
///
/// The bytes must be readable, and start at a multiple of 8.
unsafe fn is_zero(start: *const u8, count: usize) -> bool {
    const WORD: usize = size_of::<u64>();
    /// Words that are read before one looks.
    const BATCH: usize = 8;
    let words = count / WORD;
    #[expect(clippy::cast_ptr_alignment, reason = "the caller's promise")]
    let word = start.cast::<u64>();
    let mut at = 0;
    while at + BATCH <= words {
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
