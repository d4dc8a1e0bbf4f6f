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
//!
//! A *slot* of a thread keeps its guard while nobody uses it, so that the next use is cheap, and tells so in a word of its own. Such a
//! guard counts while it is used. The thread may sleep, so nobody can ask it; instead both sides write before they read:
//!
//! ```text
//!   a thread that begins a use      a thread that waits
//!
//!   writes that it uses the slot    publishes a map
//!              ───────── a barrier in both ─────────
//!   reads what is current           reads whether the slot is used
//! ```
//!
//! So either the first one sees that its map is old, and takes another one, or the second one sees the use. The end of a use is the
//! same: either the first one sees that its map is old, and gives the guard back, or the second one sees that nobody uses it. Those
//! who wait pay for both barriers (`barrier`), since they are few.

use std::collections::HashMap;
use std::sync::PoisonError;

use crate::primitives::{Mutex, MutexGuard};

/// The function that tells a thread that its wait is over. Any thread may call it.
pub type Notify = Box<dyn FnOnce() + Send>;

/// Tells whether nobody uses what a slot keeps.
pub type IsIdle = Box<dyn Fn() -> bool + Send>;

/// The guard that a slot keeps.
struct Kept {
    generation: usize,
    is_idle: IsIdle,
}

struct Waiter {
    thread: u64,
    number: usize,
    /// The generations that have used guards yet.
    pending: Vec<usize>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    guards: HashMap<usize, usize>,
    /// What slots keep, which is counted among the guards as well, by the number of its keeping.
    kept: HashMap<u64, Kept>,
    keepings: u64,
    waiters: Vec<Waiter>,
}

impl State {
    /// Tells whether a generation has guards that somebody uses.
    fn is_used(&self, generation: usize) -> bool {
        let idle = self
            .kept
            .values()
            .filter(|kept| kept.generation == generation && (kept.is_idle)())
            .count();
        self.guards
            .get(&generation)
            .is_some_and(|guards| *guards > idle)
    }

    /// Returns the used generations other than the current one, which is asked for.
    fn others(&self, current: impl FnOnce() -> usize, barrier: impl FnOnce()) -> Vec<usize> {
        let current = current();
        let mut others: Vec<_> = self.guards.keys().copied().collect();
        others.retain(|generation| *generation != current);
        if !others.is_empty() {
            barrier();
            others.retain(|generation| self.is_used(*generation));
        }
        others
    }
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

    /// Counts the guard of a slot, which keeps no other one that may be idle: not the one that is told. Returns the number of this
    /// keeping as well.
    pub fn keep<T>(
        &self,
        replaced: Option<u64>,
        current: impl FnOnce() -> (usize, T),
        is_idle: IsIdle,
    ) -> (u64, T) {
        let mut state = self.state();
        if let Some(replaced) = replaced {
            state.kept.remove(&replaced);
        }
        let (generation, map) = current();
        *state.guards.entry(generation).or_default() += 1;
        state.keepings += 1;
        let keeping = state.keepings;
        let kept = Kept {
            generation,
            is_idle,
        };
        state.kept.insert(keeping, kept);
        (keeping, map)
    }

    /// Counts a guard that is made of another one, which is there meanwhile.
    pub fn pin_again(&self, generation: usize) {
        *self.state().guards.entry(generation).or_default() += 1;
    }

    /// Counts a guard down, of a slot if there is the number of a keeping. The caller still keeps its map, so that no other
    /// generation has its number yet.
    pub fn unpin(&self, generation: usize, keeping: Option<u64>) {
        for waiter in self.uncount(generation, keeping) {
            (waiter.notify)();
        }
    }

    /// Returns those who wait no longer.
    fn uncount(&self, generation: usize, keeping: Option<u64>) -> Vec<Waiter> {
        let mut state = self.state();
        if let Some(keeping) = keeping {
            state.kept.remove(&keeping);
        }
        let Some(guards) = state.guards.get_mut(&generation) else {
            return Vec::new();
        };
        *guards -= 1;
        if *guards == 0 {
            state.guards.remove(&generation);
        } else if state.waiters.is_empty() || state.is_used(generation) {
            return Vec::new();
        }
        for waiter in &mut state.waiters {
            waiter.pending.retain(|each| *each != generation);
        }
        let (done, waiting) = std::mem::take(&mut state.waiters)
            .into_iter()
            .partition(|waiter| waiter.pending.is_empty());
        state.waiters = waiting;
        done
    }

    /// Tells whether there are used guards on other generations than the current one. `barrier` makes all threads of the process
    /// see in order what each of them does.
    pub fn has_others(&self, current: impl FnOnce() -> usize, barrier: impl FnOnce()) -> bool {
        !self.state().others(current, barrier).is_empty()
    }

    /// Waits for all used guards on other generations than the current one: calls `notify` when there are none, unless the waiter
    /// has left before.
    pub fn wait(
        &self,
        thread: u64,
        number: usize,
        current: impl FnOnce() -> usize,
        barrier: impl FnOnce(),
        notify: Notify,
    ) {
        let mut state = self.state();
        let pending = state.others(current, barrier);
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
