//! The slots of all threads that look at one atomic, and the news for them that the map was replaced.
//!
//! ```text
//!   thread 1  slot ── reads ──►  generation  ◄── counts up ──  replace, by thread 3
//!   thread 2  slot ── reads ──►                                   │
//!        ▲                                                        │
//!        └──────────── notify, once, until it asks again ◄────────┘
//! ```
//!
//! A slot keeps a snapshot of the map. Code that uses a slot compares the generation of its snapshot with the cell. A
//! slot that nobody uses gets the news, so that it releases a map that was replaced.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::primitives::{AtomicU32, Mutex, MutexGuard};

/// The function that tells the thread of a slot that its snapshot is old. Any thread may call it.
pub type Notify = Box<dyn Fn() + Send>;

struct Watcher {
    thread: u64,
    slot: usize,
    notify: Notify,
    /// Whether the slot has been told since it last took a snapshot.
    told: bool,
}

/// The slots of all threads that look at one atomic.
#[derive(Default)]
pub struct Slots {
    /// The number of replacements.
    generation: AtomicU32,
    watching: Mutex<Vec<Watcher>>,
}

impl Slots {
    fn watching(&self) -> MutexGuard<'_, Vec<Watcher>> {
        // Whole between statements.
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cell that counts replacements, for code that reads it without a call.
    #[cfg(not(loom))]
    pub fn cell(&self) -> *mut u32 {
        self.generation.as_ptr()
    }

    /// Returns the number of replacements.
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Marks all slots as stale after a replacement by `thread`, and tells those of other threads.
    pub fn invalidate(&self, thread: u64) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        for watcher in &mut *self.watching() {
            if watcher.thread != thread && !watcher.told {
                watcher.told = true;
                (watcher.notify)();
            }
        }
    }

    /// Adds a slot, which is told when its snapshot is old.
    pub fn watch(&self, thread: u64, slot: usize, notify: Notify) {
        self.watching().push(Watcher {
            thread,
            slot,
            notify,
            told: false,
        });
    }

    /// Notes that a slot is about to take a snapshot, and is to be told again when that is old.
    pub fn renew(&self, thread: u64, slot: usize) {
        for watcher in &mut *self.watching() {
            if (watcher.thread, watcher.slot) == (thread, slot) {
                watcher.told = false;
            }
        }
    }

    /// Forgets a slot that is gone.
    pub fn forget(&self, thread: u64, slot: usize) {
        self.watching()
            .retain(|watcher| (watcher.thread, watcher.slot) != (thread, slot));
    }

    /// Forgets the slots of a thread that has ended.
    pub fn abandon(&self, thread: u64) {
        self.watching().retain(|watcher| watcher.thread != thread);
    }
}
