//! Tickets that carry memory to another thread of the process.
//!
//! A ticket is an entry here that holds a strong reference, until the ticket is used or the thread that made it ends.
//! Its id is a pseudo-random function of a counter, under a key of this process and this copy of the addon. So the id
//! cannot be guessed, and means nothing elsewhere.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;

use crate::primitives::{Arc, Mutex, MutexGuard};

/// The objects that tickets stand for, with the thread that made each ticket.
pub struct Tickets<A, M> {
    keys: [RandomState; 2],
    table: Mutex<Table<A, M>>,
}

struct Table<A, M> {
    made: u64,
    entries: HashMap<String, Entry<A, M>>,
}

struct Entry<A, M> {
    thread: u64,
    what: Ticketed<A, M>,
}

/// The object that a ticket stands for.
pub enum Ticketed<A, M> {
    /// An atomic, with its lock.
    Atomic(Arc<A>),
    /// A memory map.
    Memory(Arc<M>),
}

impl<A, M> Default for Tickets<A, M> {
    fn default() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            table: Mutex::new(Table {
                made: 0,
                entries: HashMap::new(),
            }),
        }
    }
}

impl<A, M> Tickets<A, M> {
    fn table(&self) -> MutexGuard<'_, Table<A, M>> {
        // Whole between statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a ticket, and returns its id.
    pub fn issue(&self, thread: u64, what: Ticketed<A, M>) -> String {
        let mut table = self.table();
        table.made += 1;
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(table.made));
        let id = format!("{high:016x}{low:016x}");
        table.entries.insert(id.clone(), Entry { thread, what });
        id
    }

    /// Takes the atomic that a ticket stands for. A ticket for a memory stays good.
    pub fn take_atomic(&self, id: &str) -> Option<Arc<A>> {
        self.take(id, |what| match what {
            Ticketed::Atomic(atomic) => Ok(atomic),
            memory @ Ticketed::Memory(_) => Err(memory),
        })
    }

    /// Takes the memory that a ticket stands for. A ticket for an atomic stays good.
    pub fn take_memory(&self, id: &str) -> Option<Arc<M>> {
        self.take(id, |what| match what {
            Ticketed::Memory(memory) => Ok(memory),
            atomic @ Ticketed::Atomic(_) => Err(atomic),
        })
    }

    fn take<T>(
        &self,
        id: &str,
        select: impl FnOnce(Ticketed<A, M>) -> Result<T, Ticketed<A, M>>,
    ) -> Option<T> {
        let mut table = self.table();
        let (id, Entry { thread, what }) = table.entries.remove_entry(id)?;
        match select(what) {
            Ok(taken) => Some(taken),
            Err(what) => {
                table.entries.insert(id, Entry { thread, what });
                None
            }
        }
    }

    /// Drops the tickets of a thread that has ended.
    pub fn abandon(&self, thread: u64) {
        let mut table = self.table();
        let abandoned: Vec<_> = table
            .entries
            .extract_if(|_, entry| entry.thread == thread)
            .collect();
        drop(table);
        // Here, since what is unmapped takes its time.
        drop(abandoned);
    }
}
