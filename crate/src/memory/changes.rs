//! The atomics whose changes a thread listens to.
//!
//! The thread that replaces a map tells its own listeners before `replace` returns. Threads that look at the same atomic are told
//! by their bell, once until they ask what has changed (`sync/slots.rs`). What has changed is what was there at the last call and
//! what is there now. So nothing is lost, and nothing is told twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;
use vm_memory::{GuestMemory, GuestMemoryRegion};

use crate::memory::mapping::{Memory, Region, arc_of};
use crate::memory::shared_map::SharedMap;
use crate::node::bell::{Bell, Message};
use crate::node::environment;
use crate::node::error::{Error, Result};
use crate::node::reference::Function;
use crate::node::value::{Number, Value};

struct Watch {
    shared: Arc<SharedMap>,
    /// The map of the last call. It is the atomic's own pointer, which a replacement by the same map changes as well.
    last: Arc<Memory>,
}

/// The number of the slot that stands for a thread's listeners. (The slots of guards count from one.)
const SLOT: usize = usize::MAX;

thread_local! {
    /// The atomics, by their address, which is no other's while it is in here.
    static WATCHES: RefCell<BTreeMap<usize, Watch>> = const { RefCell::new(BTreeMap::new()) };
    /// Tells the listeners of this thread to the atomic of a number.
    static LISTENERS: Function = const { Function::none() };
}

/// Sets the function that tells the listeners of this thread.
pub fn answer(listeners: Value) -> Result<()> {
    LISTENERS.with(|function| function.set(listeners))
}

/// Watches an atomic from now on. Returns its number, which is the same for all handles of it.
pub fn watch(shared: &Arc<SharedMap>) -> Result<usize> {
    let key = number_of(shared);
    if WATCHES.with_borrow(|watches| watches.contains_key(&key)) {
        return Ok(key);
    }
    let bell = Bell::of_thread()?;
    shared.note_stake();
    // Before the map is looked at: what changes after that is told.
    shared.slots().watch(
        environment::number(),
        SLOT,
        Box::new(move || bell.ring(Message::Changed(key))),
    );
    let watch = Watch {
        shared: Arc::clone(shared),
        last: shared.snapshot(),
    };
    // The engine may have run others in between, while it made the bell. What they have put there is dropped outside the borrow.
    let before = WATCHES.with_borrow_mut(|watches| watches.insert(key, watch));
    drop(before);
    Ok(key)
}

/// Watches an atomic no longer.
pub fn forget(key: usize) {
    let watch = WATCHES.with_borrow_mut(|watches| watches.remove(&key));
    if let Some(watch) = watch {
        watch.shared.slots().forget(environment::number(), SLOT);
    }
}

/// Returns the map of the last call and the one that is there now, unless they are the same.
pub fn take(key: usize) -> Option<(Arc<Memory>, Arc<Memory>)> {
    WATCHES.with_borrow_mut(|watches| {
        let watch = watches.get_mut(&key)?;
        watch.shared.slots().renew(environment::number(), SLOT);
        let current = watch.shared.snapshot();
        if Arc::ptr_eq(&watch.last, &current) {
            return None;
        }
        let previous = std::mem::replace(&mut watch.last, Arc::clone(&current));
        Some((previous, current))
    })
}

/// What is different between two maps, ascending by start address.
#[derive(Default)]
pub struct Diff {
    pub added: Vec<Arc<Region>>,
    pub removed: Vec<Arc<Region>>,
    pub kept: Vec<Arc<Region>>,
}

impl Diff {
    /// Compares two maps by their regions: the same region is the same one, not one that is alike.
    pub fn of(previous: &Memory, next: &Memory) -> Self {
        let is_in = |memory: &Memory, region: &Region| {
            memory
                .find_region(region.start_addr())
                .is_some_and(|other| ptr::eq(other, region))
        };
        let mut diff = Self::default();
        for region in next.iter() {
            let side = if is_in(previous, region) {
                &mut diff.kept
            } else {
                &mut diff.added
            };
            side.push(arc_of(region));
        }
        let removed = previous.iter().filter(|region| !is_in(next, region));
        diff.removed.extend(removed.map(arc_of));
        diff
    }
}

/// Returns the number of an atomic, for as long as somebody has it.
pub fn number_of(shared: &Arc<SharedMap>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// Tells the listeners of this thread to the atomic of a number that there may be something to take.
pub fn tell(key: usize) {
    if WATCHES.with_borrow(|watches| watches.contains_key(&key)) {
        deliver(environment::current(), key);
    }
}

/// Does so for the atomic of this number.
pub fn deliver(env: sys::napi_env, key: usize) {
    // SAFETY: `env` is the environment of this thread.
    let told = unsafe { Number::to_napi_value(env, Number(key)) }
        .map_err(Error::from)
        .and_then(|key| LISTENERS.with(|listeners| listeners.call(&[key])));
    if let Err(error) = told {
        // The map has changed, whatever keeps them from being told: the engine, as when the thread is told to end.
        drop(error.into_value(env));
    }
}

/// Forgets all of an environment that has ended.
pub fn clear() {
    LISTENERS.with(Function::clear);
    drop(WATCHES.take());
}
