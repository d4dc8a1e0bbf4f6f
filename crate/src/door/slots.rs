//! The native part of the guards of `lib/`: a cell that counts the replacements of a map, and news of them for idle
//! threads.
//!
//! In each thread a *slot* keeps the current snapshot of an atomic, so that `memory()` need not come here. The slot
//! compares its generation with the cell of the atomic, which is memory shared with Rust. A slot that is not used is
//! told to release its snapshot. A thread that sleeps is not there to be told, so a slot also has a cell that tells Rust
//! whether it is used (`sync::pins`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;
use napi_derive::napi;

use crate::atomic::{GuestMemoryAtomic, GuestMemoryLoadGuard};
use crate::memory::shared_map::{self, Keeper, SharedMap};
use crate::node::bell::{Bell, Message};
use crate::node::environment;
use crate::node::error::Result;
use crate::node::external::{self, Span};
use crate::node::identity::Handle;
use crate::node::reference::Function;
use crate::node::value::{Number, Value};

/// Takes the atomic that a function of the door is called for.
fn shared(atomic: Value) -> Result<Arc<SharedMap>> {
    let atomic = atomic.instance::<GuestMemoryAtomic>("atomic")?;
    Ok(Arc::clone(atomic.shared()))
}

/// Returns the cell that counts the replacements of an atomic's map, as a buffer of four bytes.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn generation_cell(atomic: Value) -> Result<Handle> {
    let shared = shared(atomic)?;
    let cell = Span {
        start: shared.slots().cell().cast(),
        length: size_of::<u32>(),
    };
    external::array_buffer(cell, shared).map(Handle)
}

thread_local! {
    /// The slots of this thread, by their number.
    static KEEPERS: RefCell<HashMap<usize, Keeper>> = RefCell::default();
}

/// Adds a slot of this thread, which is told when its snapshot is old. Returns the cell that tells whether the slot is used, as a
/// buffer of four bytes: 0 while it keeps a snapshot that nobody uses.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn watch_slot(atomic: Value, slot: Value) -> Result<Handle> {
    let shared = shared(atomic)?;
    let slot = slot.usize("slot")?;
    let bell = Bell::of_thread().map_err(|error| error.of("memory"))?;
    shared.note_stake();
    let notify = move || bell.ring(Message::Stale(slot));
    shared
        .slots()
        .watch(environment::number(), slot, Box::new(notify));
    let keeper = Keeper::default();
    let used = Arc::clone(&keeper.used);
    let cell = Span {
        start: used.as_ptr().cast(),
        length: size_of::<u32>(),
    };
    KEEPERS.with_borrow_mut(|keepers| keepers.insert(slot, keeper));
    external::array_buffer(cell, used).map(Handle)
}

/// Makes a native guard on the current map, for a slot. The slot is told again when this map is replaced.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn pin_snapshot(atomic: Value, slot: Value) -> Result<GuestMemoryLoadGuard> {
    let shared = shared(atomic)?;
    let slot = slot.usize("slot")?;
    shared.slots().renew(environment::number(), slot);
    let pinned = KEEPERS.with_borrow_mut(|keepers| {
        let keeper = keepers.get_mut(&slot);
        keeper.map_or_else(|| shared.pin(), |keeper| shared.pin_for(keeper))
    });
    Ok(GuestMemoryLoadGuard::of(pinned))
}

/// Forgets a slot of this thread. The slot may belong to any atomic.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn forget_slot(slot: Value) -> Result<()> {
    let slot = slot.usize("slot")?;
    KEEPERS.with_borrow_mut(|keepers| keepers.remove(&slot));
    shared_map::forget_slot(slot);
    Ok(())
}

thread_local! {
    /// The function that is told of stale slots.
    static STALE: Function = const { Function::none() };
}

/// Sets the function of this thread that is told the number of a slot that is stale.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn answer_slots(stale: Value) -> Result<()> {
    let stale = stale.function("stale")?;
    STALE.with(|function| function.set(stale))
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    STALE.with(Function::clear);
    KEEPERS.take();
}

/// Tells `lib/` that a slot is stale.
pub fn deliver(env: sys::napi_env, slot: usize) {
    // SAFETY: `env` is the environment of this thread.
    if let Ok(slot) = unsafe { Number::to_napi_value(env, Number(slot)) } {
        drop(STALE.with(|function| function.call(&[slot])));
    }
}
