//! The slots of all threads that look at one atomic: who is told when the map is replaced.
//!
//! ```text
//!   thread 1  slot ── reads ──►  generation  ◄── counts up ──  replace, by thread 3
//!   thread 2  slot ── reads ──►                                   │
//!        ▲                                                        │
//!        └──────────── notify, once, until it asks again ◄────────┘
//! ```
//!
//! A slot keeps a snapshot of the map. Whoever uses it compares the snapshot's generation with the
//! cell; a slot that nobody uses is told, so that it lets go of a map that was replaced.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::primitives::{AtomicU32, Mutex, MutexGuard};

/// Tells the thread of a slot that its snapshot is old. Called by any thread.
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
    /// Counts replacements.
    generation: AtomicU32,
    watching: Mutex<Vec<Watcher>>,
}

impl Slots {
    fn watching(&self) -> MutexGuard<'_, Vec<Watcher>> {
        // Whole between statements.
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cell that counts replacements, for who reads it without calling.
    #[cfg(not(loom))]
    pub fn cell(&self) -> *mut u32 {
        self.generation.as_ptr()
    }

    /// How many replacements there have been.
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }

    /// After a replacement by `thread`: all slots are stale, and those of other threads are told so.
    pub fn invalidate(&self, thread: u64) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        for watcher in &mut *self.watching() {
            if watcher.thread != thread && !watcher.told {
                watcher.told = true;
                (watcher.notify)();
            }
        }
    }

    /// Lets a slot be told.
    pub fn watch(&self, thread: u64, slot: usize, notify: Notify) {
        self.watching().push(Watcher {
            thread,
            slot,
            notify,
            told: false,
        });
    }

    /// A slot is about to take a snapshot: it wants to be told again.
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
