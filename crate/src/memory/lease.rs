//! What a mapping has of the host, and may give back before it is dropped.
//!
//! ```text
//!   mapping ── Lease ──┬── file, until the lease has ended
//!                      └── Range ◄── views, windows, system calls: unmapped with the last of them
//! ```
//!
//! Objects of JavaScript keep a mapping as long as they are not collected, which may be for ever. What they keep is small, once
//! the lease has ended (`release.rs`).

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_memory::FileOffset;

use crate::memory::faults::Recovery;
use crate::memory::huge_pages;
use crate::memory::zeros;
use crate::node::error::{BindingError, Result};

/// Addresses of this process, which are mapped, and nobody else's, for as long as this lives.
#[derive(Debug)]
pub struct Range {
    pub start: usize,
    /// What is mapped, in whole pages.
    pub length: usize,
    /// False for what other code has mapped, and will unmap.
    is_owned: bool,
}

impl Range {
    /// Puts zeros in the place of all that is mapped here, in one step for all who look at it.
    pub fn replace(&self) -> io::Result<()> {
        if !self.is_owned {
            return Ok(());
        }
        // SAFETY: this package has mapped the range, which is unmapped when it is dropped.
        unsafe { zeros::put(self.start, self.length, libc::PROT_READ | libc::PROT_WRITE) }
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        if self.is_owned {
            // SAFETY: these bytes were mapped for this range alone, and nobody uses them any more.
            unsafe { libc::munmap(ptr::with_exposed_provenance_mut(self.start), self.length) };
        }
    }
}

/// What goes when a lease ends.
#[derive(Debug, Default)]
pub struct Held {
    pub file: Option<FileOffset>,
    pub range: Option<Arc<Range>>,
    /// The size of huge pages, once the file is gone that would tell it.
    huge_page: Option<usize>,
}

/// What a mapping has of the host, as it was at one moment.
pub struct Look {
    pub range: Arc<Range>,
    pub file: Option<FileOffset>,
    /// The bytes in a page, of huge pages.
    pub huge_page: Option<usize>,
}

/// What a mapping has of the host.
#[derive(Debug, Default)]
pub struct Lease {
    has_ended: AtomicBool,
    /// Before the range, which is unmapped when no signal handler is at work on it any more.
    recovery: Option<Recovery>,
    held: Mutex<Held>,
    is_owned: bool,
}

impl Lease {
    /// Returns the lease of `length` bytes that were mapped for this mapping alone.
    pub fn new(start: usize, length: usize, file: Option<FileOffset>) -> Self {
        Self::of(start, length, file, true)
    }

    /// Has the mapping recover from faults.
    pub fn recovering(self, recovery: Recovery) -> Self {
        Self {
            recovery: Some(recovery),
            ..self
        }
    }

    /// Returns the lease of a mapping that other code made.
    pub fn foreign(start: usize, length: usize, file: Option<FileOffset>) -> Self {
        Self::of(start, length, file, false)
    }

    fn of(start: usize, length: usize, file: Option<FileOffset>, is_owned: bool) -> Self {
        let range = Range {
            start,
            length,
            is_owned,
        };
        Self {
            held: Mutex::new(Held {
                file,
                range: Some(Arc::new(range)),
                huge_page: None,
            }),
            is_owned,
            ..Self::default()
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Whole between statements.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this package unmaps the mapping.
    pub fn is_owned(&self) -> bool {
        self.is_owned
    }

    /// Returns what a mapping has that recovers from faults.
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Whether fast paths may not look at the memory: it was released, or the host has lost some of it.
    pub fn is_closed(&self) -> bool {
        let is_lossy = |recovery: &Recovery| recovery.slot().is_lossy();
        self.has_ended() || self.recovery.as_ref().is_some_and(is_lossy)
    }

    /// Returns how often the host has lost something of the memory.
    pub fn faults(&self) -> u64 {
        let count = |recovery: &Recovery| recovery.slot().faults.load(Ordering::SeqCst);
        self.recovery.as_ref().map_or(0, count)
    }

    /// Refuses what was released. An access is within a section (`sections.rs`) from before this until it is done.
    pub fn check(&self) -> Result<()> {
        if self.has_ended() {
            return Err(BindingError::released());
        }
        Ok(())
    }

    /// Returns the addresses, which stay mapped for as long as the result lives.
    pub fn range(&self) -> Result<Arc<Range>> {
        self.check()?;
        let range = self.held().range.clone();
        range.ok_or_else(BindingError::released)
    }

    /// Returns all that the host is to be asked about, for as long as the result lives.
    pub fn look(&self, flags: i32) -> Result<Look> {
        let held = self.held();
        self.check()?;
        let range = held.range.clone().ok_or_else(BindingError::released)?;
        let file = held.file.clone();
        let huge_page = huge_pages::page_size(flags, file.as_ref().map(|file| &**file.arc()))?;
        Ok(Look {
            range,
            file,
            huge_page,
        })
    }

    /// Returns the file that is mapped, and where the mapping starts in it.
    pub fn file(&self) -> Option<FileOffset> {
        self.held().file.clone()
    }

    /// Returns the size of the huge pages of a mapping with these flags; None if it has none.
    pub fn huge_page(&self, flags: i32) -> io::Result<Option<usize>> {
        let held = self.held();
        if self.has_ended() {
            return Ok(held.huge_page);
        }
        huge_pages::page_size(flags, held.file.as_ref().map(|file| &**file.arc()))
    }

    /// Ends the lease: from now on nobody gets anything of it. `finish` takes what there is. Whoever else ends it waits for that.
    pub fn end<R>(&self, flags: i32, finish: impl FnOnce(&mut Held) -> R) -> Option<R> {
        let mut held = self.held();
        if self.has_ended() {
            return None;
        }
        let file = held.file.as_ref().map(|file| &**file.arc());
        held.huge_page = huge_pages::page_size(flags, file).ok().flatten();
        self.has_ended.store(true, Ordering::SeqCst);
        Some(finish(&mut held))
    }
}
