//! The slots of all threads that look at one atomic: who is told when the map is replaced.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bell::{Bell, Message};
use crate::environment;
use crate::error::Result;

/// The slots of all threads that look at one atomic.
#[derive(Default)]
pub struct Slots {
    /// Counts replacements.
    pub generation: AtomicU32,
    watching: Mutex<Vec<Watcher>>,
}

struct Watcher {
    thread: u64,
    slot: usize,
    bell: Arc<Bell>,
    /// Told since it last took a snapshot.
    told: AtomicBool,
}

impl Slots {
    /// After a replacement: slots are stale, and those of other threads are told so.
    pub fn invalidate(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        for watcher in &*self.watching.lock().unwrap_or_else(PoisonError::into_inner) {
            let own = watcher.thread == environment::number();
            if !own && !watcher.told.swap(true, Ordering::SeqCst) {
                watcher.bell.ring(Message::Stale(watcher.slot));
            }
        }
    }

    /// Lets a slot of this thread be told.
    pub fn watch(&self, slot: usize) -> Result<()> {
        let watcher = Watcher {
            thread: environment::number(),
            slot,
            bell: Bell::of_thread()?,
            told: AtomicBool::new(false),
        };
        self.change(|watching| watching.push(watcher));
        Ok(())
    }

    /// A slot of this thread is about to take a snapshot: it wants to be told again.
    pub fn renew(&self, slot: usize) {
        let thread = environment::number();
        self.change(|watching| {
            for watcher in watching {
                if watcher.thread == thread && watcher.slot == slot {
                    watcher.told.store(false, Ordering::SeqCst);
                }
            }
        });
    }

    /// Forgets a slot that is gone.
    pub fn forget(&self, slot: usize) {
        let thread = environment::number();
        self.change(|watching| {
            watching.retain(|watcher| (watcher.thread, watcher.slot) != (thread, slot));
        });
    }

    /// Forgets the slots of a thread that has ended.
    pub fn abandon(&self, thread: u64) {
        self.change(|watching| watching.retain(|watcher| watcher.thread != thread));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Watcher>)) {
        change(&mut self.watching.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
