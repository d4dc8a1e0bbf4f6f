//! The update lock of an atomic: it decides which thread may replace the map, in the order in which threads ask.
//!
//! A thread asks once and gets a [`Pass`]; the gate opens for one pass at a time. A pass that is given back, before or
//! after its turn, lets the next one through. Nothing here knows about JavaScript: threads are numbers, and a thread
//! that does not want to block is called back.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::primitives::{Condvar, Mutex, MutexGuard};

/// Stands for one request, in line or through the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    number: u64,
    thread: u64,
}

/// The function that is called, by any thread, when the gate opens for a pass.
pub type Notify = Box<dyn FnOnce() + Send>;

struct Waiting {
    pass: Pass,
    notify: Option<Notify>,
}

#[derive(Default)]
struct State {
    /// The pass that is through the gate.
    holder: Option<Pass>,
    line: VecDeque<Waiting>,
    next_number: u64,
}

/// Lets one pass through at a time.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

impl State {
    fn pass(&mut self, thread: u64) -> Pass {
        self.next_number += 1;
        Pass {
            number: self.next_number,
            thread,
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole between statements, and nothing called with the lock held can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether a pass of `thread` is through or in line.
    pub fn involves(&self, thread: u64) -> bool {
        let state = self.state();
        state.holder.iter().any(|pass| pass.thread == thread)
            || state
                .line
                .iter()
                .any(|waiting| waiting.pass.thread == thread)
    }

    /// Goes through if no other pass is through or in line.
    pub fn try_enter(&self, thread: u64) -> Option<Pass> {
        let mut state = self.state();
        if state.holder.is_some() || !state.line.is_empty() {
            return None;
        }
        let pass = state.pass(thread);
        state.holder = Some(pass);
        Some(pass)
    }

    /// Joins the line. `notify` is called when the gate opens for this pass, which may be now.
    pub fn join(&self, thread: u64, notify: Option<Notify>) -> Pass {
        let mut state = self.state();
        let pass = state.pass(thread);
        if state.holder.is_some() || !state.line.is_empty() {
            state.line.push_back(Waiting { pass, notify });
            return pass;
        }
        state.holder = Some(pass);
        drop(state);
        if let Some(notify) = notify {
            notify();
        }
        pass
    }

    /// Blocks until the gate opens for this pass, or until `limit` is over. Returns whether the gate opened.
    pub fn wait(&self, pass: Pass, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        while state.holder != Some(pass) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = match self.opened.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// Gives a pass back, whether it is through or in line. Does nothing the second time.
    pub fn leave(&self, pass: Pass) {
        let mut state = self.state();
        if state.holder != Some(pass) {
            state.line.retain(|waiting| waiting.pass != pass);
            return;
        }
        state.holder = None;
        let Some(next) = state.line.pop_front() else {
            return;
        };
        state.holder = Some(next.pass);
        drop(state);
        match next.notify {
            Some(notify) => notify(),
            // Blocked threads share one condition; each looks for its own pass.
            None => self.opened.notify_all(),
        }
    }

    /// Gives back every pass of a thread that has ended.
    pub fn abandon(&self, thread: u64) {
        let through = {
            let mut state = self.state();
            state.line.retain(|waiting| waiting.pass.thread != thread);
            state.holder.filter(|pass| pass.thread == thread)
        };
        if let Some(pass) = through {
            self.leave(pass);
        }
    }
}
