//! The state that all handles of an atomic share, and those who hold its lock or wait for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use vm_memory::GuestAddressSpace;

use crate::memory::barrier;
use crate::memory::mapping::Memory;
use crate::node::error::{BindingError, Result};
use crate::node::identity::{self, Handle};
use crate::node::{environment, object};
use sync::gate::{Gate, Notify, Pass};
use sync::pins::{self, Pins};
use sync::slots::Slots;

/// How long a thread blocks before it checks whether it has been told to end.
const SLICE: Duration = Duration::from_millis(10);

/// The state that all handles of an atomic share, in all threads.
pub struct SharedMap {
    atomic: vm_memory::GuestMemoryAtomic<Memory>,
    pub gate: Gate,
    slots: Slots,
    pins: Arc<Pins>,
}

impl SharedMap {
    pub fn new(memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self {
            atomic: memory.into(),
            gate: Gate::default(),
            slots: Slots::default(),
            pins: Arc::default(),
        })
    }

    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Notes that this thread has something to give back to this atomic when it ends.
    pub fn note_stake(self: &Arc<Self>) {
        STAKES.with_borrow_mut(|stakes| stakes.note(self));
    }

    /// Returns the current snapshot, for a guard.
    pub fn pin(&self) -> Pinned {
        let memory = self.pins.pin(|| {
            let memory = self.snapshot();
            (generation(&memory), memory)
        });
        Pinned {
            memory,
            pins: Arc::clone(&self.pins),
            keeping: None,
        }
    }

    /// Returns the current snapshot, for a slot that tells in a word whether somebody uses it.
    pub fn pin_for(&self, slot: &mut Keeper) -> Pinned {
        if !barrier::is_available() {
            return self.pin();
        }
        let use_of_slot = Arc::clone(&slot.used);
        let (keeping, memory) = self.pins.keep(
            slot.keeping,
            || {
                let memory = self.snapshot();
                (generation(&memory), memory)
            },
            Box::new(move || use_of_slot.load(Ordering::SeqCst) == 0),
        );
        slot.keeping = Some(keeping);
        Pinned {
            memory,
            pins: Arc::clone(&self.pins),
            keeping: Some(keeping),
        }
    }

    /// Tells whether there are guards in use on maps that were replaced.
    pub fn has_old_guards(&self) -> bool {
        let mut current = None;
        self.pins.has_others(
            || generation(current.insert(self.snapshot())),
            barrier::in_all_threads,
        )
    }

    /// Calls `notify` when no guard on a map that was replaced is in use, at once if there are none.
    pub fn wait_for_guards(&self, number: usize, notify: pins::Notify) {
        // Kept until the waiter is in: the number of its generation is no other's meanwhile.
        let mut current = None;
        self.pins.wait(
            environment::number(),
            number,
            || generation(current.insert(self.snapshot())),
            barrier::in_all_threads,
            notify,
        );
    }

    /// Gives such a wait up.
    pub fn leave_guards(&self, number: usize) {
        self.pins.leave(environment::number(), number);
    }

    /// Returns the current snapshot.
    pub fn snapshot(&self) -> Arc<Memory> {
        self.atomic.memory().into_inner()
    }

    /// Publishes a map. The caller must be through the gate.
    ///
    /// Upstream takes the map by value and puts it behind a new pointer. So `object`, which stands for the map, comes
    /// to stand for the map behind that pointer too.
    pub fn publish(&self, memory: &Arc<Memory>, object: Handle) -> Result<()> {
        // Nobody panics with the lock held, and it protects nothing that could be half done.
        self.atomic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Memory::clone(memory));
        self.slots.invalidate(environment::number());
        identity::register_again(&self.snapshot(), memory, object.0)
    }

    /// Takes the lock if it is free.
    pub fn try_enter(self: &Arc<Self>) -> Option<Holder> {
        let pass = self.gate.try_enter(environment::number())?;
        Some(Holder::new(self, pass))
    }

    /// Waits for the lock, as `lock()` does.
    pub fn enter(self: &Arc<Self>, limit: Option<Duration>, operation: &str) -> Result<Holder> {
        let thread = environment::number();
        if self.gate.involves(thread) {
            return Err(BindingError::lock_held(operation));
        }
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        // From here on the pass is given back whatever happens.
        let holder = Holder::new(self, self.gate.join(thread, None));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if self
                .gate
                .wait(holder.pass, left.map_or(SLICE, |left| left.min(SLICE)))
            {
                return Ok(holder);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(BindingError::lock_timeout(
                    operation,
                    limit.unwrap_or_default(),
                ));
            }
            object::check_termination()?;
        }
    }
}

/// The number of a generation, for as long as somebody has its map.
fn generation(memory: &Arc<Memory>) -> usize {
    Arc::as_ptr(memory).addr()
}

/// A snapshot that a guard keeps, counted among the guards on its generation.
pub struct Pinned {
    memory: Arc<Memory>,
    pins: Arc<Pins>,
    /// Of a slot.
    keeping: Option<u64>,
}

/// What a slot of `lib/` has here: the word that tells whether somebody uses it, and what it keeps.
pub struct Keeper {
    pub used: Arc<AtomicU32>,
    keeping: Option<u64>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            used: Arc::new(AtomicU32::new(1)),
            keeping: None,
        }
    }
}

impl Pinned {
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}

impl Clone for Pinned {
    fn clone(&self) -> Self {
        self.pins.pin_again(generation(&self.memory));
        Self {
            memory: Arc::clone(&self.memory),
            pins: Arc::clone(&self.pins),
            keeping: None,
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.pins.unpin(generation(&self.memory), self.keeping);
    }
}

/// A pass through the gate, or a place in line for it. It is given back when the holder is dropped.
pub struct Holder {
    pub shared: Arc<SharedMap>,
    pass: Pass,
}

impl Holder {
    pub fn new(shared: &Arc<SharedMap>, pass: Pass) -> Self {
        shared.note_stake();
        Self {
            shared: Arc::clone(shared),
            pass,
        }
    }

    /// Joins the line. When the gate opens for this pass, `notify` is called, by any thread.
    pub fn join(shared: &Arc<SharedMap>, notify: Notify) -> Self {
        Self::new(
            shared,
            shared.gate.join(environment::number(), Some(notify)),
        )
    }
}

/// The atomics whose lock a thread has asked for, and those that it has a slot for. A weak pointer keeps its address
/// from being given to another atomic, so the address is a key.
#[derive(Default)]
struct Stakes {
    atomics: HashMap<*const SharedMap, Weak<SharedMap>>,
    sweep_at: usize,
}

impl Stakes {
    fn note(&mut self, shared: &Arc<SharedMap>) {
        let key = Arc::as_ptr(shared);
        if self.atomics.contains_key(&key) {
            return;
        }
        // Now and then: a look at all of them at each lock would cost more than the lock.
        if self.atomics.len() >= self.sweep_at {
            self.atomics.retain(|_, stake| stake.strong_count() > 0);
            self.sweep_at = (self.atomics.len() * 2).max(FIRST_SWEEP);
        }
        self.atomics.insert(key, Arc::downgrade(shared));
    }

    fn live(&self) -> impl Iterator<Item = Arc<SharedMap>> {
        self.atomics.values().filter_map(Weak::upgrade)
    }
}

/// The table is not searched for dead atomics before it has this many entries.
const FIRST_SWEEP: usize = 16;

thread_local! {
    static STAKES: RefCell<Stakes> = RefCell::default();
}

/// Gives back every lock of this thread and forgets its slots, when the thread ends, whatever becomes of its guards.
pub fn abandon() {
    for shared in STAKES.take().live() {
        shared.gate.abandon(environment::number());
        shared.slots.abandon(environment::number());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.shared.gate.leave(self.pass);
    }
}

/// Forgets a slot of this thread. The slot may belong to any atomic.
pub fn forget_slot(slot: usize) {
    // Collected first: to drop the last handle of an atomic runs code of others.
    let atomics: Vec<_> = STAKES.with_borrow(|stakes| stakes.live().collect());
    for shared in atomics {
        shared.slots.forget(environment::number(), slot);
    }
}
