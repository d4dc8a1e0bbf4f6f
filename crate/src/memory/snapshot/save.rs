//! Writes memory to a file, without its zeros.

use std::ops::Range;

use crate::memory::pages::ranges::Ranges;
use crate::memory::snapshot::source::Source;
use crate::memory::snapshot::target::Target;
use crate::memory::snapshot::zeros::{Run, Runs};
use crate::memory::tracking::host_page_size;
use crate::node::error::Result;
use crate::node::job::Progress;

/// How much is looked at and written at a time: what an abort waits for. (Writing a chunk of new pages takes some 2 ms.)
const CHUNK: usize = 4 << 20;

/// Memory that is being saved.
pub struct Saving {
    pub sources: Vec<Source>,
    pub target: Target,
    /// The part of the file that is to be zeros but for what is written. Otherwise zeros are written where they are to be.
    pub cleared: Option<Range<u64>>,
}

impl Saving {
    /// Returns how much memory there is to be saved, in bytes.
    pub fn total(&self) -> usize {
        self.sources.iter().map(|source| source.parts.total()).sum()
    }

    /// Saves the memory. Returns how many bytes were written: those of pages that are not zeros.
    pub fn run(&self, progress: &Progress) -> Result<usize> {
        let mut writing = Writing {
            saving: self,
            progress,
            written: 0,
        };
        let result = writing.all();
        result.map_err(|error| error.after(writing.written))?;
        Ok(writing.written)
    }
}

struct Writing<'saving> {
    saving: &'saving Saving,
    progress: &'saving Progress,
    /// How many bytes were written.
    written: usize,
}

impl Writing<'_> {
    fn all(&mut self) -> Result<()> {
        if let Some(part) = &self.saving.cleared {
            self.saving.target.make_room(part, self.progress)?;
        }
        for source in &self.saving.sources {
            self.source(source)?;
        }
        Ok(())
    }

    fn source(&mut self, source: &Source) -> Result<()> {
        let data = source.data();
        for part in source.parts.iter() {
            for (is_data, piece) in split(part, &data) {
                if self.progress.is_stopped() {
                    return Ok(());
                }
                if !is_data {
                    self.zeros(source, piece)?;
                    continue;
                }
                for start in piece.clone().step_by(CHUNK) {
                    if self.progress.is_stopped() {
                        return Ok(());
                    }
                    self.chunk(source, start..piece.end.min(start + CHUNK))?;
                }
            }
        }
        Ok(())
    }

    /// Saves some pages that may have data.
    fn chunk(&mut self, source: &Source, part: Range<usize>) -> Result<()> {
        source.check_file(&part)?;
        let start: *const u8 = std::ptr::with_exposed_provenance(source.pages.start);
        let bytes = start.wrapping_add(part.start)..start.wrapping_add(part.end);
        let watch = source.watch(&part)?;
        let mut at = part.start;
        // SAFETY: the source keeps the region mapped, it may be read, and pages start at a multiple of 8.
        for run in unsafe { Runs::new(bytes, host_page_size().get()) } {
            match run {
                Run::Zeros(count) => {
                    self.zeros(source, at..at + count)?;
                    at += count;
                }
                Run::Data(count) => {
                    self.data(source, at..at + count)?;
                    at += count;
                }
            }
        }
        // Zeros that a page was replaced by are an error, and no zeros.
        watch.end()
    }

    fn zeros(&mut self, source: &Source, part: Range<usize>) -> Result<()> {
        if self.saving.cleared.is_none() {
            let place = source.offset + part.start as u64..source.offset + part.end as u64;
            self.saving.target.clear(&place, self.progress)?;
        }
        self.progress.advance(part.len());
        Ok(())
    }

    fn data(&mut self, source: &Source, part: Range<usize>) -> Result<()> {
        let mut left = part;
        while !left.is_empty() {
            let start: *const u8 =
                std::ptr::with_exposed_provenance(source.pages.start + left.start);
            let offset = source.offset + left.start as u64;
            // SAFETY: the source keeps the region mapped.
            let result = unsafe { self.saving.target.write(start, left.len(), offset) };
            let count = result.map_err(|error| match error.raw_os_error() {
                Some(libc::EFAULT) => source.lost(&left),
                _ => error.into(),
            })?;
            self.written += count;
            self.progress.advance(count);
            left.start += count;
        }
        Ok(())
    }
}

/// Splits a part into what has data and what has none.
fn split(part: &Range<usize>, data: &Ranges) -> Vec<(bool, Range<usize>)> {
    let mut pieces = Vec::new();
    let mut at = part.start;
    for range in data.within(part) {
        if at < range.start {
            pieces.push((false, at..range.start));
        }
        at = range.end;
        pieces.push((true, range));
    }
    if at < part.end {
        pieces.push((false, at..part.end));
    }
    pieces
}
