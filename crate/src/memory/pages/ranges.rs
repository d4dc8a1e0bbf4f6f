//! Ranges of bytes, ascending, joined where they touch.

use std::ops::Range;

/// Ranges of bytes, ascending, joined where they touch, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range<usize>>);

impl Ranges {
    /// Adds a range that starts at the start of the last one, or behind it.
    pub fn push(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    /// Returns what is in either.
    pub fn union(self, other: Self) -> Self {
        if other.0.is_empty() {
            return self;
        }
        let mut all = self.0;
        all.extend(other.0);
        Self::from_unsorted(all)
    }

    pub fn from_unsorted(mut ranges: Vec<Range<usize>>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut sorted = Self::default();
        for range in ranges {
            sorted.push(range);
        }
        sorted
    }

    /// Widens the ranges to whole pages, of which the last one ends at `size`.
    pub fn in_pages(self, page: usize, size: usize) -> Self {
        let mut widened = Self::default();
        for range in self.0 {
            let end = range.end.div_ceil(page).saturating_mul(page).min(size);
            widened.push(range.start / page * page..end);
        }
        widened
    }

    /// Returns what is within a part.
    pub fn within(&self, part: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (part.start, part.end);
        let first = self.0.partition_point(|range| range.end <= start);
        self.0[first..]
            .iter()
            .take_while(move |range| range.start < end)
            .map(move |range| range.start.max(start)..range.end.min(end))
    }

    /// Returns the number of bytes in all of the ranges.
    pub fn total(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Range<usize>> {
        self.0.iter()
    }
}

impl IntoIterator for Ranges {
    type Item = Range<usize>;
    type IntoIter = std::vec::IntoIter<Range<usize>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
