//! Has pages there before they are needed.

use crate::memory::mapping::Access;
use crate::memory::pages::extent::Extent;
use crate::node::error::Result;
use crate::node::job::Progress;

/// The pages that are to be there, and what for.
#[derive(Debug)]
pub struct Wanted {
    pub extent: Extent,
    /// To be read, or to be written.
    pub access: Access,
}

impl Wanted {
    /// Checks the right to the access, and that nothing of it was lost.
    pub fn check(&self) -> Result<()> {
        self.extent.permit(self.access)?;
        self.extent.watch()?.end()
    }
}

/// Has pages there, on this thread and `threads - 1` others.
#[cfg(target_os = "linux")]
pub fn prefault(wanted: &[Wanted], threads: usize, progress: &Progress) -> Result<()> {
    linux::prefault(wanted, threads, progress)
}

/// Refuses: no call promises that.
#[cfg(not(target_os = "linux"))]
pub fn prefault(_: &[Wanted], _: usize, _: &Progress) -> Result<()> {
    Err(crate::node::error::BindingError::unsupported(
        "This platform cannot have pages there before they are touched",
    ))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Wanted;
    use crate::memory::mapping::Access;
    use crate::memory::pages::extent::Extent;
    use crate::memory::pages::lost;
    use crate::memory::pages::populate::populate;
    use crate::node::error::{BindingError, Error, Result};
    use crate::node::job::Progress;
    use crate::node::native_thread;

    /// How much is asked for at a time: what an abort waits for. (A chunk of new pages takes some 4 ms.)
    const CHUNK: usize = 4 << 20;

    struct Chunk<'wanted> {
        extent: &'wanted Extent,
        access: Access,
        /// Offsets in the mapping.
        part: Range<usize>,
    }

    pub fn prefault(wanted: &[Wanted], threads: usize, progress: &Progress) -> Result<()> {
        let chunks: Vec<Chunk> = wanted.iter().flat_map(chunks).collect();
        let next = AtomicUsize::new(0);
        native_thread::on_threads(threads.min(chunks.len()), |has_failed| {
            while !progress.is_stopped() && !has_failed.load(Ordering::Relaxed) {
                match chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    Some(chunk) => chunk.populate()?,
                    None => break,
                }
            }
            Ok(())
        })
    }

    fn chunks(wanted: &Wanted) -> impl Iterator<Item = Chunk<'_>> {
        let Wanted { extent, access } = wanted;
        let length = CHUNK.max(extent.pages.page);
        let end = extent.offset + extent.count;
        (extent.offset..end)
            .step_by(length)
            .map(move |start| Chunk {
                extent,
                access: *access,
                part: start..end.min(start + length),
            })
    }

    impl Chunk<'_> {
        fn populate(&self) -> Result<()> {
            self.extent.pages.check()?;
            match self.ask(&self.part) {
                Ok(()) => Ok(()),
                Err(error) => Err(self.explain(error)),
            }
        }

        fn ask(&self, part: &Range<usize>) -> io::Result<()> {
            let start = self.extent.pages.start;
            let span = start + part.start..start + part.end;
            // SAFETY: these are pages of a mapping that the extent keeps mapped.
            unsafe { populate(&span, self.access) }
        }

        /// Tells why pages are not to be had.
        fn explain(&self, error: io::Error) -> Error {
            match error.raw_os_error() {
                Some(libc::EFAULT | libc::EHWPOISON) => lost::fault(
                    &self.extent.pages,
                    &self.missing(),
                    self.extent.mapping_start(),
                ),
                Some(libc::EINVAL | libc::ENOSYS) => BindingError::unsupported(
                    "This kernel cannot have pages of this memory there before they are touched",
                )
                .caused_by(&error),
                _ => error.into(),
            }
        }

        /// Returns what is left of the chunk from the first page on that is not to be had.
        fn missing(&self) -> Range<usize> {
            let page = self.extent.pages.page;
            let mut starts = self.part.clone().step_by(page);
            let first = starts.find(|start| {
                self.ask(&(*start..self.part.end.min(start + page)))
                    .is_err()
            });
            first.unwrap_or(self.part.start)..self.part.end
        }
    }
}
