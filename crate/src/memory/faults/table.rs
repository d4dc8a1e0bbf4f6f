//! The table of mappings that recover, which a signal handler reads.
//!
//! The handler may neither lock nor allocate. So slots are never freed: they lie in chunks that stay, and are used again.
//! A handler *pins* the slot that it has found, and looks again whether the address is in it; who closes a slot takes its
//! addresses out of sight, and waits for the pins. Between the two, one of them sees the other:
//!
//! ```text
//!   handler:  pins += 1;  start, end?                close:  start = NOWHERE;  wait for pins == 0
//! ```

use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Mutex, PoisonError};

use sync::marks::{Marks, Reason};

use crate::memory::faults::alarm;

/// Where a mapping is, and how it was made.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub start: usize,
    pub size: usize,
    pub prot: i32,
    pub flags: i32,
    /// -1 for anonymous memory.
    pub fd: RawFd,
    /// Where in the file the mapping begins.
    pub file_offset: u64,
    /// The bytes in a page: the host's, or of huge pages.
    pub page: usize,
}

impl Place {
    pub fn pages(&self) -> usize {
        self.size.div_ceil(self.page)
    }

    /// Returns how many bytes are mapped: whole pages.
    pub fn mapped(&self) -> usize {
        self.pages().saturating_mul(self.page)
    }

    /// Returns how long the file is. None for what has no such size: anonymous memory, a device. Signal-safe.
    pub fn file_size(&self) -> Option<u64> {
        if self.fd < 0 {
            return None;
        }
        let mut facts = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: there is room for the answer.
        if unsafe { libc::fstat(self.fd, facts.as_mut_ptr()) } == -1 {
            return None;
        }
        // SAFETY: the call has succeeded.
        let facts = unsafe { facts.assume_init() };
        let is_regular = facts.st_mode & libc::S_IFMT == libc::S_IFREG;
        is_regular.then(|| u64::try_from(facts.st_size).unwrap_or(0))
    }
}

/// The start of a slot that is not in use: no address is behind it.
const NOWHERE: usize = usize::MAX;

/// How many losses are kept one by one until somebody asks.
const LOGGED: usize = 16;

/// A loss, for who wants to be told.
#[derive(Debug)]
struct Entry {
    start: AtomicUsize,
    end: AtomicUsize,
    reason: AtomicU8,
}

impl Entry {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            reason: AtomicU8::new(0),
        }
    }
}

/// The mappings that recover are told apart by slots.
#[derive(Debug)]
pub struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    /// How many are at work on the slot.
    pins: AtomicUsize,
    /// Held by who changes marks and pages.
    lock: AtomicBool,
    prot: AtomicI32,
    flags: AtomicI32,
    fd: AtomicI32,
    file_offset: AtomicU64,
    page: AtomicUsize,
    size: AtomicUsize,
    /// Null while the slot is not in use. Freed by `close`, when nobody has a pin.
    marks: AtomicPtr<Marks>,
    /// Counts mappings: the slot may be another one's by now.
    generation: AtomicU64,
    /// Counts the faults of the mapping.
    pub faults: AtomicU64,
    /// Counts how often it was healed.
    pub heals: AtomicU64,
    /// The number of the reason of the last fault.
    last_reason: AtomicU8,
    /// Whether something is lost: changed by who has the lock.
    is_lossy: AtomicBool,
    /// How many pieces of it were replaced that touch no other: mappings of their own to the kernel.
    pub pieces: AtomicUsize,
    /// The losses that nobody has asked for yet. Changed by who has the lock.
    log: [Entry; LOGGED],
    /// How many there were, which may be more than there is room for.
    logged: AtomicUsize,
    /// How often the kernel was said to give a page after all, one time after the other.
    pub vain: AtomicUsize,
    /// Where the mapping was that had the slot last, and how often somebody has met its addresses since.
    past_start: AtomicUsize,
    past_end: AtomicUsize,
    met: AtomicUsize,
}

impl Slot {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(NOWHERE),
            end: AtomicUsize::new(0),
            pins: AtomicUsize::new(0),
            lock: AtomicBool::new(false),
            prot: AtomicI32::new(0),
            flags: AtomicI32::new(0),
            fd: AtomicI32::new(-1),
            file_offset: AtomicU64::new(0),
            page: AtomicUsize::new(1),
            size: AtomicUsize::new(0),
            marks: AtomicPtr::new(ptr::null_mut()),
            generation: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            heals: AtomicU64::new(0),
            last_reason: AtomicU8::new(0),
            is_lossy: AtomicBool::new(false),
            pieces: AtomicUsize::new(0),
            log: [const { Entry::new() }; LOGGED],
            logged: AtomicUsize::new(0),
            vain: AtomicUsize::new(0),
            past_start: AtomicUsize::new(NOWHERE),
            past_end: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
        }
    }

    /// Whether anything is lost that was not healed.
    pub fn is_lossy(&self) -> bool {
        self.is_lossy.load(Ordering::SeqCst)
    }

    /// Returns which of the mappings that had this slot has it now.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn be_whole(&self) {
        if self.is_lossy.swap(false, Ordering::SeqCst) {
            alarm::end_loss();
        }
    }

    /// Returns where the mapping starts, if some of these addresses are its own.
    fn overlaps(&self, start: usize, end: usize) -> Option<usize> {
        let own = self.start.load(Ordering::SeqCst);
        (own < end && start < self.end.load(Ordering::SeqCst)).then_some(own)
    }
}

/// A slot that nobody closes before this is dropped.
pub struct Pinned {
    slot: &'static Slot,
    /// As it was when the pin was there: `close` takes it away before it waits for that.
    start: usize,
}

impl Pinned {
    /// Pins a slot that has some of these addresses.
    fn try_new(slot: &'static Slot, start: usize, end: usize) -> Option<Self> {
        slot.overlaps(start, end)?;
        slot.pins.fetch_add(1, Ordering::SeqCst);
        let mut pinned = Self {
            slot,
            start: NOWHERE,
        };
        // Once more: it may have been closed before the pin was there.
        pinned.start = slot.overlaps(start, end)?;
        Some(pinned)
    }

    /// Pins a slot again that some of these addresses were found in.
    pub fn again(slot: &'static Slot, start: usize, end: usize) -> Option<Self> {
        Self::try_new(slot, start, end)
    }

    pub fn slot(&self) -> &'static Slot {
        self.slot
    }

    /// Returns why the last page was lost.
    pub fn last_reason(&self) -> Reason {
        Reason::from_number(self.slot.last_reason.load(Ordering::Acquire))
            .unwrap_or(Reason::Truncated)
    }

    /// Returns which of the mappings that had this slot has it now.
    pub fn generation(&self) -> u64 {
        self.slot.generation()
    }

    pub fn place(&self) -> Place {
        let Slot {
            size,
            prot,
            flags,
            fd,
            file_offset,
            page,
            ..
        } = self.slot;
        Place {
            start: self.start,
            size: size.load(Ordering::Acquire),
            prot: prot.load(Ordering::Acquire),
            flags: flags.load(Ordering::Acquire),
            fd: fd.load(Ordering::Acquire),
            file_offset: file_offset.load(Ordering::Acquire),
            page: page.load(Ordering::Acquire),
        }
    }

    pub fn marks(&self) -> &Marks {
        // SAFETY: a slot in use has marks, and `close` frees them when the last pin is gone.
        unsafe { &*self.slot.marks.load(Ordering::Acquire) }
    }

    /// Waits until nobody else changes marks or pages. Does not spin: the holder may have been preempted.
    pub fn lock(&self) -> Locked<'_> {
        while self.slot.lock.swap(true, Ordering::Acquire) {
            // SAFETY: the call takes nothing.
            unsafe { libc::sched_yield() };
        }
        Locked(self)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.slot.pins.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A slot whose marks and pages nobody else changes.
pub struct Locked<'pin>(&'pin Pinned);

impl Locked<'_> {
    pub fn pinned(&self) -> &Pinned {
        self.0
    }

    /// Marks pages as lost, and counts that. Signal-safe.
    pub fn lose(&self, pages: Range<usize>, reason: Reason) {
        let slot = self.0.slot;
        if !slot.is_lossy.swap(true, Ordering::SeqCst) {
            alarm::begin_loss();
        }
        let logged = slot.logged.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = slot.log.get(logged) {
            entry.start.store(pages.start, Ordering::Relaxed);
            entry.end.store(pages.end, Ordering::Relaxed);
            entry.reason.store(reason.number(), Ordering::Relaxed);
        }
        self.0.marks().set(pages, reason);
        slot.last_reason.store(reason.number(), Ordering::Release);
        slot.faults.fetch_add(1, Ordering::SeqCst);
    }
}

impl Locked<'_> {
    /// Takes the losses that nobody has asked for yet; None if there were too many to be kept one by one.
    pub fn take_log(&self) -> Option<Vec<(Range<usize>, Reason)>> {
        let slot = self.0.slot;
        let logged = slot.logged.swap(0, Ordering::Relaxed);
        let entries = slot.log.get(..logged)?;
        let loss = |entry: &Entry| {
            let start = entry.start.load(Ordering::Relaxed);
            let end = entry.end.load(Ordering::Relaxed);
            let reason = Reason::from_number(entry.reason.load(Ordering::Relaxed))?;
            Some((start..end, reason))
        };
        Some(entries.iter().filter_map(loss).collect())
    }

    /// Notes that nothing is lost any more.
    pub fn be_whole(&self) {
        self.0.slot.be_whole();
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.slot.lock.store(false, Ordering::Release);
    }
}

const FIRST_CHUNK: usize = 64;
/// Each chunk has twice as many slots as the one before.
const CHUNKS: usize = 24;

static TABLE: [AtomicPtr<Slot>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];
/// How many slots were ever in use: no look goes beyond them.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Held by who opens a slot.
static OPENING: Mutex<()> = Mutex::new(());

/// Returns the slots that are or were in use. Signal-safe.
fn slots() -> impl Iterator<Item = &'static Slot> {
    let used = USED.load(Ordering::Acquire);
    (0..CHUNKS)
        .flat_map(|chunk| {
            let first = TABLE[chunk].load(Ordering::Acquire);
            let count = if first.is_null() {
                0
            } else {
                FIRST_CHUNK << chunk
            };
            // SAFETY: a chunk has so many slots, and is never freed.
            (0..count).map(move |index| unsafe { &*first.add(index) })
        })
        .take(used)
}

/// Finds the mapping that has some of these addresses. Signal-safe.
pub fn find(start: usize, end: usize) -> Option<Pinned> {
    slots().find_map(|slot| Pinned::try_new(slot, start, end))
}

/// Whether a mapping had this address that recovers no longer: its memory was replaced, or is gone. A fault that came before that
/// gets here after it, and is none any more. So the access is made again, though not for ever: the address may be
/// another's by now. Signal-safe.
pub fn is_past(address: usize, most: usize) -> bool {
    slots().any(|slot| {
        slot.past_start.load(Ordering::SeqCst) <= address
            && address < slot.past_end.load(Ordering::SeqCst)
            && slot.met.fetch_add(1, Ordering::Relaxed) < most
    })
}

/// Finds the mappings that have losses which nobody has asked for yet.
pub fn find_logged() -> Vec<Pinned> {
    slots()
        .filter(|slot| slot.logged.load(Ordering::Relaxed) != 0)
        .filter_map(|slot| Pinned::try_new(slot, 0, NOWHERE))
        .collect()
}

/// Whether there was ever a mapping that recovers.
pub fn is_empty() -> bool {
    USED.load(Ordering::Relaxed) == 0
}

/// Gives a mapping a slot.
pub fn open(place: Place, marks: Marks) -> &'static Slot {
    let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let free = slots().find(|slot| slot.marks.load(Ordering::Acquire).is_null());
    let slot = free.unwrap_or_else(add_slot);
    let Place {
        start,
        size,
        prot,
        flags,
        fd,
        file_offset,
        page,
    } = place;
    slot.size.store(size, Ordering::Release);
    slot.prot.store(prot, Ordering::Release);
    slot.flags.store(flags, Ordering::Release);
    slot.fd.store(fd, Ordering::Release);
    slot.file_offset.store(file_offset, Ordering::Release);
    slot.page.store(page, Ordering::Release);
    slot.faults.store(0, Ordering::Release);
    slot.heals.store(0, Ordering::Release);
    slot.pieces.store(0, Ordering::Release);
    slot.logged.store(0, Ordering::Release);
    slot.vain.store(0, Ordering::Release);
    slot.generation.fetch_add(1, Ordering::SeqCst);
    slot.marks
        .store(Box::into_raw(Box::new(marks)), Ordering::Release);
    slot.end
        .store(start.saturating_add(place.mapped()), Ordering::SeqCst);
    // Last: from now on it is found.
    slot.start.store(start, Ordering::SeqCst);
    slot
}

/// Makes one more slot, in a new chunk if need be. Is called by who opens one.
fn add_slot() -> &'static Slot {
    let used = USED.load(Ordering::Acquire);
    let mut chunk = 0;
    let mut before = 0;
    while used - before >= FIRST_CHUNK << chunk && chunk + 1 < CHUNKS {
        before += FIRST_CHUNK << chunk;
        chunk += 1;
    }
    if TABLE[chunk].load(Ordering::Acquire).is_null() {
        let slots: Vec<Slot> = (0..FIRST_CHUNK << chunk).map(|_| Slot::new()).collect();
        TABLE[chunk].store(Vec::leak(slots).as_mut_ptr(), Ordering::Release);
    }
    USED.store(used + 1, Ordering::Release);
    let first = TABLE[chunk].load(Ordering::Acquire);
    // SAFETY: the chunk was made above or before, is never freed, and the index is within it: chunks of 2^30 mappings in
    // all are more than a process can have.
    unsafe { &*first.add(used - before) }
}

/// Takes a slot from its mapping, which may be unmapped afterwards. `finish` sees it when nobody else is at work on it.
pub fn close(slot: &'static Slot, finish: impl FnOnce(&Slot)) {
    let start = slot.start.load(Ordering::SeqCst);
    slot.past_start.store(NOWHERE, Ordering::SeqCst);
    slot.past_end
        .store(slot.end.load(Ordering::SeqCst), Ordering::SeqCst);
    slot.met.store(0, Ordering::Relaxed);
    slot.past_start.store(start, Ordering::SeqCst);
    slot.start.store(NOWHERE, Ordering::SeqCst);
    while slot.pins.load(Ordering::SeqCst) != 0 {
        // SAFETY: the call takes nothing.
        unsafe { libc::sched_yield() };
    }
    finish(slot);
    slot.be_whole();
    let marks = slot.marks.swap(ptr::null_mut(), Ordering::AcqRel);
    if !marks.is_null() {
        // SAFETY: they were made by `open` as a box; whoever looked at them had a pin, and nobody has one.
        drop(unsafe { Box::from_raw(marks) });
    }
}
