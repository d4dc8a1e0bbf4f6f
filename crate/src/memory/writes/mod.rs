//! Which pages this process has written, as the kernel sees it.
//!
//! Everything that goes through the page tables of this process is seen: methods, views, system calls, other threads, virtual
//! processors. Two kinds of change are not, since they replace pages and write none:
//!
//! ```text
//!   the pages of a shared file are given back      whoever does that tells it: `note`
//!   another mapping is put in the place of one     the kernel refuses to look there; it is registered again, and all of it
//!                                                  counts as written
//! ```
//!
//! A page is protected again in the same step in which it is found written, and marks of bitmaps are taken after that. So a
//! write that is under way is in this harvest, in the next, or in both, and never lost. What was found and could not be told
//! is put back.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use vm_memory::GuestMemory;

use crate::memory::mapping::{Memory, Region, arc_of};
use crate::memory::marks;
use crate::memory::ranges::{self, Part};
use crate::memory::tracking::host_page_size;
use crate::node::error::{BindingError, Error, Result};

#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "no_kernel.rs"]
mod kernel;

use kernel::Watch;

/// The regions of a memory, watched until `end`.
pub struct Tracker(Mutex<Option<State>>);

struct State {
    watch: Watch,
    spans: Vec<Span>,
}

/// A region that is watched.
struct Span {
    region: Arc<Region>,
    start: usize,
    /// In whole pages.
    length: usize,
    /// False for memory that this process cannot write, which the kernel may refuse to watch.
    is_armed: bool,
    /// What the kernel does not see, and what was found and not told.
    noted: Vec<Part>,
}

/// What was written in a region.
pub type Harvest = Vec<(Arc<Region>, Vec<Part>)>;

/// A mapping that somebody watches.
struct Watched {
    start: usize,
    length: usize,
    tracker: Weak<Tracker>,
}

/// The mappings of this process that are watched, in whatever thread.
static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

thread_local! {
    /// The trackers that were made in this thread.
    static TRACKERS: RefCell<Vec<Weak<Tracker>>> = const { RefCell::new(Vec::new()) };
}

/// Nothing panics while a lock is held, and what it protects is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracker {
    /// Begins to watch the regions of a memory.
    pub fn start(memory: &Memory) -> Result<Arc<Self>> {
        let watch = Watch::open().map_err(|error| unsupported(&error))?;
        // What is released meanwhile stays mapped until it is left out.
        let (spans, kept): (Vec<_>, Vec<_>) = memory
            .iter()
            .filter_map(|region| {
                let kept = region.bitmap().lease().range().ok()?;
                Some((Span::of(arc_of(region)), kept))
            })
            .unzip();
        let tracker = Arc::new(Self(Mutex::new(None)));
        // Held until everything is armed: whoever has something to note meanwhile waits.
        let mut state = lock(&tracker.0);
        claim(&spans, &tracker)?;
        let new = state.insert(State { watch, spans });
        let armed = new.arm();
        // Released before it was claimed: nobody will tell it.
        new.spans.retain(|span| {
            let is_released = span.region.bitmap().lease().has_ended();
            if is_released {
                forget(&new.watch, span);
            }
            !is_released
        });
        drop(state);
        drop(kept);
        if let Err(error) = armed {
            tracker.end();
            return Err(error);
        }
        TRACKERS.with_borrow_mut(|trackers| {
            trackers.retain(|tracker| tracker.strong_count() > 0);
            trackers.push(Arc::downgrade(&tracker));
        });
        Ok(tracker)
    }

    /// Takes what was written since the last time, and what is marked.
    pub fn harvest(&self) -> Result<Harvest> {
        let mut state = lock(&self.0);
        let State { watch, spans } = state
            .as_mut()
            .ok_or_else(|| BindingError::disposed("WriteTracker"))?;
        let mut harvest = Vec::new();
        for span in &mut *spans {
            let mut parts = Vec::new();
            let taken = span.take(watch, &mut parts);
            ranges::join(&mut parts, &span.region);
            harvest.push((Arc::clone(&span.region), parts));
            if let Err(error) = taken {
                put_back(spans, &harvest);
                return Err(error);
            }
        }
        Ok(harvest)
    }

    /// Takes back what could not be told.
    pub fn put_back(&self, harvest: &Harvest) {
        if let Some(State { spans, .. }) = &mut *lock(&self.0) {
            put_back(spans, harvest);
        }
    }

    /// Watches no longer. Twice does nothing.
    pub fn end(&self) {
        let Some(State { watch, spans }) = lock(&self.0).take() else {
            return;
        };
        for span in spans.iter().filter(|span| span.is_armed) {
            watch.disarm(span.start, span.length);
        }
        // Now others may watch them.
        lock(&WATCHED).retain(|watched| !std::ptr::eq(watched.tracker.as_ptr(), self));
    }
}

fn put_back(spans: &mut [Span], harvest: &Harvest) {
    for (region, parts) in harvest {
        let mut spans = spans.iter_mut();
        if let Some(span) = spans.find(|span| Arc::ptr_eq(&span.region, region)) {
            for part in parts {
                span.note(*part);
            }
        }
    }
}

impl State {
    fn arm(&mut self) -> Result<()> {
        let mut armed = Ok(());
        for span in &mut self.spans {
            if armed.is_ok() && span.is_armed {
                armed = self.watch.arm(span.start, span.length);
            }
            // What is not armed may be another's, who would be disturbed.
            span.is_armed &= armed.is_ok();
        }
        armed.map_err(|error| match error.raw_os_error() {
            // Somebody else in this process watches it.
            Some(libc::EBUSY) => BindingError::tracked(),
            _ => unsupported(&error),
        })
    }
}

impl Span {
    fn of(region: Arc<Region>) -> Self {
        let page = host_page_size().get();
        Self {
            start: region.as_ptr().addr(),
            length: region.size().next_multiple_of(page),
            is_armed: region.prot() & libc::PROT_WRITE != 0,
            noted: Vec::new(),
            region,
        }
    }

    /// Adds the parts that were written, or noted, or marked.
    fn take(&mut self, watch: &Watch, parts: &mut Vec<Part>) -> Result<()> {
        parts.append(&mut self.noted);
        if self.is_armed {
            let mut full = Ok(());
            let Self { start, length, .. } = *self;
            watch.take(start, start + length, &mut |from, to| {
                let part = Part {
                    start: from - start,
                    end: to - start,
                };
                if ranges::push(parts, part).is_err() {
                    // What is lost here is not: all of the region counts as written.
                    full = no_memory();
                }
            })?;
            if full.is_err() {
                parts.clear();
                parts.push(self.all());
                return full;
            }
        }
        marks::parts(&self.region, true, parts)
    }

    fn all(&self) -> Part {
        Part {
            start: 0,
            end: self.length,
        }
    }

    /// Notes a part for the next harvest.
    fn note(&mut self, part: Part) {
        /// How many parts are kept before they are put in order.
        const MANY: usize = 4096;
        if self.noted.len() >= MANY && self.noted.len() == self.noted.capacity() {
            ranges::join(&mut self.noted, &self.region);
        }
        if ranges::push(&mut self.noted, part).is_err() {
            // There is room for one, since there was none for more.
            self.noted.clear();
            self.noted.push(self.all());
        }
    }
}

fn no_memory() -> Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOMEM).into())
}

/// Makes the error of a kernel that cannot watch.
fn unsupported(error: &io::Error) -> Error {
    BindingError::unsupported(format!(
        "This system cannot track writes, which takes Linux 6.7 or newer and permission: {error}"
    ))
    .caused_by(error)
}

/// Takes mappings for a tracker, unless one of them is watched already.
fn claim(spans: &[Span], tracker: &Arc<Tracker>) -> Result<()> {
    let mut all = lock(&WATCHED);
    for span in spans {
        if all.iter().any(|one| one.overlaps(span.start, span.length)) {
            return Err(BindingError::tracked());
        }
    }
    all.extend(spans.iter().map(|span| Watched {
        start: span.start,
        length: span.length,
        tracker: Arc::downgrade(tracker),
    }));
    Ok(())
}

impl Watched {
    fn overlaps(&self, start: usize, length: usize) -> bool {
        start < self.start + self.length && self.start < start + length
    }
}

/// Returns who watches a part of host memory.
fn trackers_of(start: usize, length: usize) -> Vec<Arc<Tracker>> {
    lock(&WATCHED)
        .iter()
        .filter(|watched| watched.overlaps(start, length))
        .filter_map(|watched| watched.tracker.upgrade())
        .collect()
}

/// Tells whoever watches them that bytes at a host address have changed in a way that the kernel does not see: call it after
/// the change.
pub fn note(start: usize, length: usize) {
    for tracker in trackers_of(start, length) {
        let mut state = lock(&tracker.0);
        let Some(State { spans, .. }) = &mut *state else {
            continue;
        };
        for span in spans {
            let from = start.max(span.start);
            let to = (start + length).min(span.start + span.length);
            if from < to {
                let part = Part {
                    start: from - span.start,
                    end: to - span.start,
                };
                span.note(part);
            }
        }
    }
}

/// Leaves out what is released, before anything else is in its place. Waits for harvests that look at it.
pub fn leave_out(start: usize, length: usize) {
    for tracker in trackers_of(start, length) {
        let mut state = lock(&tracker.0);
        if let Some(State { watch, spans }) = &mut *state {
            spans.retain(|span| {
                let stays = start >= span.start + span.length || span.start >= start + length;
                if !stays {
                    forget(watch, span);
                }
                stays
            });
        }
    }
}

/// Watches a region no longer.
fn forget(watch: &Watch, span: &Span) {
    if span.is_armed {
        watch.disarm(span.start, span.length);
    }
    lock(&WATCHED).retain(|watched| !watched.overlaps(span.start, span.length));
}

/// Ends the trackers of a thread that ends.
pub fn end() {
    for tracker in TRACKERS.take() {
        if let Some(tracker) = tracker.upgrade() {
            tracker.end();
        }
    }
}
