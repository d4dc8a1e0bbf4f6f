//! How many pieces of mappings may be replaced that touch no other one.
//!
//! Each takes two mappings of the kernel, which has a limit. Where that is reached, the runtime has no room for its own memory
//! either, and ends the process. So only a part of them is taken.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::memory::faults::table::Slot;

/// The kernel's limit of mappings, by default.
const DEFAULT_LIMIT: usize = 65_530;
/// How many mappings of that limit there are for each piece.
const SHARE: usize = 8;

static BUDGET: AtomicUsize = AtomicUsize::new(DEFAULT_LIMIT / SHARE);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Reads the kernel's limit of mappings. Not signal-safe.
pub fn learn_limit() {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
    BUDGET.store(limit.unwrap_or(DEFAULT_LIMIT) / SHARE, Ordering::Relaxed);
}

/// Takes a piece for a mapping, if one is left; whether it is. (Threads at once may take a few more.) Signal-safe.
pub fn take(slot: &Slot) -> bool {
    if TAKEN.load(Ordering::Relaxed) >= BUDGET.load(Ordering::Relaxed) {
        return false;
    }
    TAKEN.fetch_add(1, Ordering::Relaxed);
    slot.pieces.fetch_add(1, Ordering::Relaxed);
    true
}

/// Gives back the pieces of a mapping that was healed or is gone.
pub fn give_back(slot: &Slot) {
    TAKEN.fetch_sub(slot.pieces.swap(0, Ordering::Relaxed), Ordering::Relaxed);
}
