//! What a fault rings: cells that code looks at which is not told. A fault is counted before its memory is replaced, and once
//! more when it is known what was lost: nobody compares but for a change.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sync::marks::Reason;

use crate::memory::sections;

/// The cells that fast paths look at (`lib/fast/alarm.ts`), at the place where JavaScript has them.
#[repr(C)]
pub struct Cells {
    /// Counts the faults of the process, and their warnings.
    faults: AtomicU32,
    /// Counts the mappings that have lost something, and were not healed.
    lossy: AtomicU32,
    /// Counts how often lost memory was mapped again.
    heals: AtomicU32,
}

static CELLS: Cells = Cells {
    faults: AtomicU32::new(0),
    lossy: AtomicU32::new(0),
    heals: AtomicU32::new(0),
};

/// Where the last fault was, in its mapping, and the number of its reason: in one word, so that they belong together.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Returns the cells. They never move, and live as long as the addon.
pub fn cells() -> &'static Cells {
    &CELLS
}

/// Warns of a fault before the memory is replaced: who sees the zeros sees this, in whatever thread. Signal-safe.
pub fn warn(offset: usize, reason: Reason) {
    raise(offset, reason);
    sections::alert();
}

/// Counts a fault. Signal-safe.
pub fn raise(offset: usize, reason: Reason) {
    LAST.store(
        (offset as u64) << 2 | u64::from(reason.number()),
        Ordering::SeqCst,
    );
    CELLS.faults.fetch_add(1, Ordering::SeqCst);
}

/// Notes that a mapping has lost something, which had lost nothing. Signal-safe.
pub fn begin_loss() {
    CELLS.lossy.fetch_add(1, Ordering::SeqCst);
}

/// Notes that a mapping was healed, or is gone.
pub fn end_loss() {
    CELLS.lossy.fetch_sub(1, Ordering::SeqCst);
}

/// Notes that memory which was lost is about to be mapped again.
pub fn heal() {
    CELLS.heals.fetch_add(1, Ordering::SeqCst);
}

/// Returns where the last fault was, and why.
pub fn last() -> (usize, Reason) {
    let last = LAST.load(Ordering::SeqCst);
    let reason = Reason::from_number((last & 3) as u8).unwrap_or(Reason::Truncated);
    (usize::try_from(last >> 2).unwrap_or(usize::MAX), reason)
}

/// Returns a number that grows with each fault.
pub fn count() -> u32 {
    CELLS.faults.load(Ordering::SeqCst)
}
