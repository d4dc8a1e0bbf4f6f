//! What was lost of a mapping, and how it is brought back.

use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::Ordering;

use sync::marks::Reason;
use vm_memory::mmap::MmapRegionError;

use crate::memory::faults::Recovery;
use crate::memory::faults::alarm;
use crate::memory::faults::pieces::give_back;
use crate::memory::faults::table::{Locked, Pinned, Place};

/// A part of a mapping that is lost.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    pub offset: usize,
    pub count: usize,
    pub reason: Reason,
}

impl Lost {
    /// Makes a part of lost pages.
    fn of(place: &Place, pages: &Range<usize>, reason: Reason) -> Self {
        let offset = pages.start * place.page;
        let end = place.size.min(pages.end * place.page);
        Self {
            offset,
            count: end - offset,
            reason,
        }
    }
}

/// Takes the losses of a mapping that nobody has asked for yet, or all that is lost if they were too many.
pub fn take_log(pinned: &Pinned) -> Vec<Lost> {
    let locked = pinned.lock();
    let Some(log) = locked.take_log() else {
        return lost(pinned).into_iter().map(|(_, lost)| lost).collect();
    };
    let place = pinned.place();
    log.iter()
        .map(|(pages, reason)| Lost::of(&place, pages, *reason))
        .collect()
}

/// Lists pages that are lost, as bytes.
fn lost(pinned: &Pinned) -> Vec<(Range<usize>, Lost)> {
    let place = pinned.place();
    let marks = pinned.marks();
    let mut found = Vec::new();
    let mut page = 0;
    while let Some((pages, reason)) = marks.next_run(page) {
        page = pages.end;
        let lost = Lost::of(&place, &pages, reason);
        found.push((pages, lost));
    }
    found
}

impl Recovery {
    fn pin(&self) -> Option<Pinned> {
        let Place { start, size, .. } = self.place;
        // It may be another mapping's by now, even at the same place.
        Pinned::again(self.slot, start, start + size)
            .filter(|pinned| pinned.generation() == self.generation)
    }

    /// Lists what was lost and not healed, ascending.
    pub fn lost(&self) -> Vec<Lost> {
        self.pin().map_or_else(Vec::new, |pinned| {
            let _locked = pinned.lock();
            lost(&pinned).into_iter().map(|(_, lost)| lost).collect()
        })
    }

    /// Maps the file again where pages were lost. Returns the bytes that were mapped again.
    pub fn heal(&self) -> Result<Vec<Lost>, MmapRegionError> {
        let Some(pinned) = self.pin() else {
            return Ok(Vec::new());
        };
        let locked = pinned.lock();
        let lost = lost(&pinned);
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(size) = self.place.file_size() {
            for (_, lost) in &lost {
                let end = self.place.file_offset + (lost.offset + lost.count) as u64;
                if end > size {
                    return Err(MmapRegionError::MappingPastEof);
                }
            }
        }
        // First: an access that began before has to know that marks may be gone.
        self.slot.heals.fetch_add(1, Ordering::SeqCst);
        alarm::heal();
        for (pages, _) in &lost {
            map_again(&locked, pages.clone()).map_err(MmapRegionError::Mmap)?;
        }
        locked.be_whole();
        give_back(self.slot);
        Ok(lost.into_iter().map(|(_, lost)| lost).collect())
    }
}

/// Maps pages of a mapping as they were mapped at first.
fn map_again(locked: &Locked, pages: Range<usize>) -> io::Result<()> {
    let place = locked.pinned().place();
    let offset = pages.start * place.page;
    let file_offset = if place.fd < 0 {
        0
    } else {
        libc::off_t::try_from(place.file_offset + offset as u64)
            .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?
    };
    // SAFETY: the pages are within the mapping of this slot, which cannot be unmapped while the slot is pinned. Other
    // threads see one memory or the other.
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(place.start + offset),
            pages.len() * place.page,
            place.prot,
            place.flags | libc::MAP_FIXED,
            place.fd,
            file_offset,
        )
    };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    locked.pinned().marks().clear(pages);
    Ok(())
}
