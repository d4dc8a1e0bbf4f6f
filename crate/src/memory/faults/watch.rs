//! The watch on an access: whether it has touched, or may have touched, what is lost.

use std::sync::atomic::{Ordering, fence};

use sync::marks::Reason;

use crate::memory::faults::table::{self, Pinned, Slot};
use crate::node::buffer::Buffer;
use crate::node::error::{Error, Fault, Result};

/// Returns the name of a reason in JavaScript.
pub fn name_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated => "truncated",
        Reason::NoSpace => "no-space",
        Reason::Poisoned => "poisoned",
    }
}

/// Bytes of a mapping that recovers, and how often the mapping was hit and healed when the access began.
struct Watched {
    start: usize,
    end: usize,
    slot: &'static Slot,
    generation: u64,
    faults: u64,
    heals: u64,
}

/// The watch on one piece of host memory.
pub struct Watch {
    /// None if nothing can be lost there.
    watched: Option<Watched>,
    /// The guest address of the first byte, where that is to be told.
    guest: Option<u64>,
}

impl Watch {
    /// Begins to watch bytes, which the caller keeps mapped. Refuses bytes that are lost.
    pub fn begin(start: *const u8, length: usize, guest: Option<u64>) -> Result<Self> {
        let nothing = Self {
            watched: None,
            guest,
        };
        if length == 0 || table::is_empty() {
            return Ok(nothing);
        }
        let start = start.addr();
        let end = start.saturating_add(length);
        let Some(pinned) = table::find(start, end) else {
            return Ok(nothing);
        };
        let slot = pinned.slot();
        // Before the marks: what is lost from here on is counted.
        let watched = Watched {
            start,
            end,
            slot,
            generation: pinned.generation(),
            faults: slot.faults.load(Ordering::SeqCst),
            heals: slot.heals.load(Ordering::SeqCst),
        };
        watched.look(&pinned, guest)?;
        Ok(Self {
            watched: Some(watched),
            guest,
        })
    }

    /// Ends the watch after the access. Refuses its result if it has touched bytes that are lost.
    pub fn end(self) -> Result<()> {
        let Some(watched) = self.watched else {
            return Ok(());
        };
        // The access comes before the look, on every processor.
        fence(Ordering::SeqCst);
        let Some(pinned) = Pinned::again(watched.slot, watched.start, watched.end) else {
            return Ok(());
        };
        if pinned.generation() != watched.generation {
            return Ok(());
        }
        watched.look(&pinned, self.guest)?;
        let slot = watched.slot;
        // What was lost and healed meanwhile has left no marks. Nobody knows whether the access was in between.
        if slot.faults.load(Ordering::SeqCst) != watched.faults
            && slot.heals.load(Ordering::SeqCst) != watched.heals
        {
            let offset = watched.start.saturating_sub(pinned.place().start);
            return Err(watched.fault(&pinned, offset, pinned.last_reason(), self.guest));
        }
        Ok(())
    }
}

impl Watched {
    /// Refuses bytes that are lost.
    fn look(&self, pinned: &Pinned, guest: Option<u64>) -> Result<()> {
        let place = pinned.place();
        let first = self.start.saturating_sub(place.start);
        let end = self.end.saturating_sub(place.start).min(place.size);
        let pages = first / place.page..end.div_ceil(place.page);
        match pinned.marks().first_lost(pages) {
            None => Ok(()),
            Some((page, reason)) => {
                let offset = first.max(page * place.page);
                Err(self.fault(pinned, offset, reason, guest))
            }
        }
    }

    fn fault(&self, pinned: &Pinned, offset: usize, reason: Reason, guest: Option<u64>) -> Error {
        let place = pinned.place();
        let within = place
            .start
            .saturating_add(offset)
            .saturating_sub(self.start);
        Error::Fault(Fault {
            offset,
            reason: name_of(reason),
            addr: guest.map(|guest| guest.wrapping_add(within as u64)),
        })
    }
}

/// The watch on all pieces of host memory that an access touches.
#[derive(Default)]
pub struct Watches(Vec<Watch>);

impl Watches {
    /// Begins to watch `count` bytes at an offset, or those of them that are within `length` bytes.
    pub fn within(start: *const u8, length: usize, offset: usize, count: usize) -> Result<Self> {
        let mut watches = Self::default();
        if !table::is_empty() && offset < length {
            watches.add(start.wrapping_add(offset), count.min(length - offset), None)?;
        }
        Ok(watches)
    }

    /// Begins to watch one more piece.
    pub fn add(&mut self, start: *const u8, length: usize, guest: Option<u64>) -> Result<()> {
        let watch = Watch::begin(start, length, guest)?;
        if watch.watched.is_some() {
            self.0.push(watch);
        }
        Ok(())
    }

    /// Ends the watch after the access: see [`Watch::end`].
    pub fn end(self) -> Result<()> {
        self.0.into_iter().try_for_each(Watch::end)
    }
}

/// Makes the error of a system call that has met memory which the host cannot give (EFAULT): the kernel does not signal then.
/// None if nothing can be lost there, and EFAULT means something else.
pub fn fault_of_call(start: *const u8, length: usize, guest: Option<u64>) -> Option<Error> {
    let start = start.addr();
    let pinned = table::find(start, start.saturating_add(length))?;
    let place = pinned.place();
    let first = start.saturating_sub(place.start);
    // What is left of the last page of a file is there.
    let end = place
        .file_size()
        .map(|size| size.saturating_sub(place.file_offset))
        .and_then(|left| usize::try_from(left).ok())
        .map_or(usize::MAX, |left| left.next_multiple_of(place.page));
    let (offset, reason) = if end < first.saturating_add(length) {
        (first.max(end), Reason::Truncated)
    } else {
        (first, Reason::NoSpace)
    };
    Some(Error::Fault(Fault {
        offset,
        reason: name_of(reason),
        addr: guest.map(|guest| guest.wrapping_add((offset - first) as u64)),
    }))
}

/// Does an access to bytes of JavaScript, which may be a view of memory that was lost. Its zeros would be silent.
pub fn watch_buffer<R>(buffer: Buffer, access: impl FnOnce() -> Result<R>) -> Result<R> {
    let watch = Watch::begin(buffer.start(), buffer.len(), None)?;
    let result = access();
    watch.end()?;
    result
}
