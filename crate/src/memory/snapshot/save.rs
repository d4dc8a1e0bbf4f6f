//! Writes memory to a file, without its zeros.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::memory::faults::watch::Watch;
use crate::memory::pages::ranges::Ranges;
use crate::memory::snapshot::source::Source;
use crate::memory::snapshot::target::Target;
use crate::memory::snapshot::zeros::{Run, Runs};
use crate::memory::tracking::host_page_size;
use crate::node::error::Result;
use crate::node::job::Progress;
use crate::node::native_thread;

/// One thread looks for zeros while another one writes. More are of no use: a file is written by one at a time.
const THREADS: usize = 2;

/// How much a thread takes at a time: what an abort waits for. (Writing a chunk of new pages takes some 2 ms.)
const CHUNK: usize = 4 << 20;

/// How much is written at a time. A kernel takes pages for all of a write at once, as large as they can be; and large ones, which
/// nobody has used yet, may have to be had from a host first. (1 GiB on ext4, in a virtual machine of Linux 6.18: 290 ms of a
/// processor by 256 KiB, 300 ms by 1 MiB, 2500 ms by 4 MiB.)
const WRITE: usize = 256 << 10;

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
        let writing = Writing {
            target: &self.target,
            clears_zeros: self.cleared.is_none(),
            progress,
            turn: Mutex::new(()),
            written: AtomicUsize::new(0),
        };
        let result = self.all(&writing);
        let written = writing.written.into_inner();
        result.map_err(|error| error.after(written))?;
        Ok(written)
    }

    fn all(&self, writing: &Writing) -> Result<()> {
        if let Some(part) = &self.cleared {
            self.target.make_room(part, writing.progress)?;
        }
        let data: Vec<Ranges> = self.sources.iter().map(Source::data).collect();
        let chunks = self.sources.iter().zip(&data).flat_map(|(source, data)| {
            let parts = source.parts.iter();
            parts.flat_map(move |part| {
                let starts = part.clone().step_by(CHUNK);
                starts.map(move |start| (source, data, start..part.end.min(start + CHUNK)))
            })
        });
        let chunks = Mutex::new(chunks);
        let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
        native_thread::on_threads(THREADS.min(native_thread::processors()), |has_failed| {
            while !writing.progress.is_stopped() && !has_failed.load(Ordering::Relaxed) {
                match next() {
                    Some((source, data, chunk)) => writing.chunk(source, data, &chunk)?,
                    None => break,
                }
            }
            Ok(())
        })
    }
}

struct Writing<'saving> {
    target: &'saving Target,
    /// Whether the file may have something where zeros are to be.
    clears_zeros: bool,
    progress: &'saving Progress,
    /// Whose turn it is to write. Without it, threads would wait for each other page by page, in the kernel.
    turn: Mutex<()>,
    /// How many bytes were written.
    written: AtomicUsize,
}

impl Writing<'_> {
    /// Looks for the zeros of a chunk, then waits for its turn to write the others.
    fn chunk(&self, source: &Source, data: &Ranges, chunk: &Range<usize>) -> Result<()> {
        let mut runs = Vec::new();
        let mut watches = Vec::new();
        for piece in split(chunk, data) {
            if !piece.has_data {
                runs.push(piece);
                continue;
            }
            source.check_file(&piece.part)?;
            watches.push(source.watch(&piece.part)?);
            let mapping = std::ptr::with_exposed_provenance(source.pages.start);
            // SAFETY: the source keeps the region mapped, and it may be read.
            runs.extend(unsafe { Runs::new(mapping, piece.part, host_page_size().get()) });
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for Run { has_data, part } in runs {
            if has_data {
                self.data(source, part)?;
            } else {
                self.zeros(source, part)?;
            }
        }
        drop(turn);
        // Zeros that a page was replaced by are an error, and no zeros.
        watches.into_iter().try_for_each(Watch::end)?;
        source.pages.check()
    }

    fn zeros(&self, source: &Source, part: Range<usize>) -> Result<()> {
        if self.clears_zeros {
            let place = source.offset + part.start as u64..source.offset + part.end as u64;
            self.target.clear(&place, self.progress)?;
        }
        self.progress.advance(part.len());
        Ok(())
    }

    fn data(&self, source: &Source, part: Range<usize>) -> Result<()> {
        let mut left = part;
        while !left.is_empty() {
            let start: *const u8 =
                std::ptr::with_exposed_provenance(source.pages.start + left.start);
            let offset = source.offset + left.start as u64;
            // SAFETY: the source keeps the region mapped.
            let result = unsafe { self.target.write(start, left.len().min(WRITE), offset) };
            let count = result.map_err(|error| match error.raw_os_error() {
                Some(libc::EFAULT) => source.lost(&left),
                _ => error.into(),
            })?;
            self.written.fetch_add(count, Ordering::Relaxed);
            self.progress.advance(count);
            left.start += count;
        }
        Ok(())
    }
}

/// Splits a part into what may have data and what has none.
fn split(part: &Range<usize>, data: &Ranges) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = part.start;
    let mut push = |has_data, part: Range<usize>| {
        if !part.is_empty() {
            runs.push(Run { has_data, part });
        }
    };
    for range in data.within(part) {
        push(false, at..range.start);
        at = range.end;
        push(true, range);
    }
    push(false, at..part.end);
    runs
}
