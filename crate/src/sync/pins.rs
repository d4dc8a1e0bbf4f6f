//! The guards on each generation of an atomic's map, and those who wait until the old ones are gone: a grace period as RCU has it.
//!
//! ```text
//!   generation 1   2 guards  ◄── waited for ── synchronize, called while 3 was current
//!   generation 2   1 guard   ◄──────────────────────┘
//!   generation 3   5 guards      hold nothing up, whatever becomes of the map meanwhile
//! ```
//!
//! A generation is known by a number that no other generation has while it has guards: the address of its map. A guard takes the
//! current map and is counted in one step, so that whoever waits after a replacement sees all guards on what was there before.

use std::collections::HashMap;
use std::sync::PoisonError;

use crate::primitives::{Mutex, MutexGuard};

/// The function that tells a thread that its wait is over. Any thread may call it.
pub type Notify = Box<dyn FnOnce() + Send>;

struct Waiter {
    thread: u64,
    number: usize,
    /// The generations that have guards yet.
    pending: Vec<usize>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    guards: HashMap<usize, usize>,
    waiters: Vec<Waiter>,
}

/// The guards on each generation, and who waits for them.
#[derive(Default)]
pub struct Pins(Mutex<State>);

impl Pins {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole between statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a guard on what `current` returns, with the number of its generation.
    pub fn pin<T>(&self, current: impl FnOnce() -> (usize, T)) -> T {
        let mut state = self.state();
        let (generation, map) = current();
        *state.guards.entry(generation).or_default() += 1;
        map
    }

    /// Counts a guard that is made of another one, which is there meanwhile.
    pub fn pin_again(&self, generation: usize) {
        *self.state().guards.entry(generation).or_default() += 1;
    }

    /// Counts a guard down. The caller still keeps its map, so that no other generation has its number yet.
    pub fn unpin(&self, generation: usize) {
        for waiter in self.uncount(generation) {
            (waiter.notify)();
        }
    }

    /// Returns those who wait no longer.
    fn uncount(&self, generation: usize) -> Vec<Waiter> {
        let mut state = self.state();
        let Some(guards) = state.guards.get_mut(&generation) else {
            return Vec::new();
        };
        *guards -= 1;
        if *guards > 0 {
            return Vec::new();
        }
        state.guards.remove(&generation);
        for waiter in &mut state.waiters {
            waiter.pending.retain(|each| *each != generation);
        }
        let (done, waiting) = std::mem::take(&mut state.waiters)
            .into_iter()
            .partition(|waiter| waiter.pending.is_empty());
        state.waiters = waiting;
        done
    }

    /// Tells whether there are guards on other generations than the current one.
    pub fn has_others(&self, current: impl FnOnce() -> usize) -> bool {
        let state = self.state();
        let current = current();
        state.guards.keys().any(|generation| *generation != current)
    }

    /// Waits for all guards on other generations than the current one: calls `notify` when there are none, unless the waiter has
    /// left before.
    pub fn wait(
        &self,
        thread: u64,
        number: usize,
        current: impl FnOnce() -> usize,
        notify: Notify,
    ) {
        let mut state = self.state();
        let current = current();
        let pending: Vec<_> = state
            .guards
            .keys()
            .copied()
            .filter(|generation| *generation != current)
            .collect();
        if pending.is_empty() {
            drop(state);
            return notify();
        }
        state.waiters.push(Waiter {
            thread,
            number,
            pending,
            notify,
        });
    }

    /// Gives a wait up.
    pub fn leave(&self, thread: u64, number: usize) {
        self.state()
            .waiters
            .retain(|waiter| (waiter.thread, waiter.number) != (thread, number));
    }
}
