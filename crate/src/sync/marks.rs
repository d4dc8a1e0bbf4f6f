//! Which pages of a mapping are lost, and why.
//!
//! Two bits for each page. A signal handler sets them, so everything here is loads and stores of atomics: no lock, no
//! allocation. Who sets or clears marks holds the lock of the slot that they belong to; anyone may read them at any time.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::primitives::AtomicU64;

/// Why a page was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The file has become shorter.
    Truncated = 1,
    /// The host has no room for the page: no space in the file system, or no huge page.
    NoSpace = 2,
    /// The memory of the host is broken there.
    Poisoned = 3,
}

impl Reason {
    fn from_bits(bits: u64) -> Option<Self> {
        match bits & MASK {
            1 => Some(Self::Truncated),
            2 => Some(Self::NoSpace),
            3 => Some(Self::Poisoned),
            _ => None,
        }
    }

    /// Returns the number that stands for this reason; none is 0.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the reason that a number stands for.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::from_bits(number.into())
    }
}

const BITS: usize = 2;
const MASK: u64 = (1 << BITS) - 1;
const PAGES_IN_WORD: usize = 64 / BITS;
/// A word in which each page has the mark 1.
const ONES: u64 = u64::MAX / MASK;

/// The marks of a number of pages.
#[derive(Debug)]
pub struct Marks {
    words: Vec<AtomicU64>,
    pages: usize,
}

impl Marks {
    /// Makes marks of pages of which none is lost. Returns None if there is no memory for them.
    pub fn new(pages: usize) -> Option<Self> {
        let count = pages.div_ceil(PAGES_IN_WORD);
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok()?;
        words.resize_with(count, || AtomicU64::new(0));
        Some(Self { words, pages })
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Returns why a page was lost; None if it is there.
    pub fn get(&self, page: usize) -> Option<Reason> {
        let word = self.words.get(page / PAGES_IN_WORD)?;
        Reason::from_bits(word.load(Ordering::Acquire) >> (page % PAGES_IN_WORD * BITS))
    }

    /// Marks pages as lost.
    pub fn set(&self, pages: Range<usize>, reason: Reason) {
        self.put(pages, u64::from(reason.number()) * ONES);
    }

    /// Takes the marks of pages away.
    pub fn clear(&self, pages: Range<usize>) {
        self.put(pages, 0);
    }

    fn put(&self, pages: Range<usize>, pattern: u64) {
        let end = pages.end.min(self.pages);
        let mut page = pages.start;
        while page < end {
            let index = page / PAGES_IN_WORD;
            let next = end.min((index + 1) * PAGES_IN_WORD);
            if let Some(word) = self.words.get(index) {
                let mask = mask(page % PAGES_IN_WORD, next - page);
                // Nobody else writes: see above.
                let rest = word.load(Ordering::Relaxed) & !mask;
                word.store(rest | pattern & mask, Ordering::Release);
            }
            page = next;
        }
    }

    /// Returns the first lost page of these, and why it was lost.
    pub fn first_lost(&self, pages: Range<usize>) -> Option<(usize, Reason)> {
        let end = pages.end.min(self.pages);
        let mut page = pages.start;
        while page < end {
            let index = page / PAGES_IN_WORD;
            let next = end.min((index + 1) * PAGES_IN_WORD);
            let word = self.words.get(index)?.load(Ordering::Acquire);
            let word = word & mask(page % PAGES_IN_WORD, next - page);
            if word != 0 {
                let first = word.trailing_zeros() as usize / BITS;
                let reason = Reason::from_bits(word >> (first * BITS))?;
                return Some((index * PAGES_IN_WORD + first, reason));
            }
            page = next;
        }
        None
    }

    /// Returns the last lost page before one.
    pub fn last_lost_before(&self, page: usize) -> Option<usize> {
        let mut index = page.min(self.pages);
        while index > 0 {
            index -= 1;
            if self.get(index).is_some() {
                return Some(index);
            }
        }
        None
    }

    /// Returns where the pages around one end that are there, as it is: the run of pages between lost ones.
    pub fn run_of_good(&self, page: usize) -> Range<usize> {
        let end = self
            .first_lost(page..self.pages)
            .map_or(self.pages, |(lost, _)| lost);
        let start = self.last_lost_before(page).map_or(0, |lost| lost + 1);
        start..end
    }

    /// Returns the lost pages from one on that lie together and were lost for the same reason.
    pub fn next_run(&self, from: usize) -> Option<(Range<usize>, Reason)> {
        let (start, reason) = self.first_lost(from..self.pages)?;
        let mut end = start + 1;
        while end < self.pages && self.get(end) == Some(reason) {
            end += 1;
        }
        Some((start..end, reason))
    }
}

/// Returns the bits of `count` pages of a word, which are not 0.
fn mask(first: usize, count: usize) -> u64 {
    let bits = (count * BITS).min(64);
    (u64::MAX >> (64 - bits)) << (first * BITS)
}
