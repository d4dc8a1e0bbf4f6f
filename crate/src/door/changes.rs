//! Changes of a map, for `onChange` of `lib/`.

use std::sync::Arc;

use napi_derive::napi;

use crate::atomic::{GuestMemoryAtomic, memory_argument};
use crate::memory::changes::{self, Diff};
use crate::memory::mapping::Region;
use crate::mmap::{GuestMemoryMmap, GuestRegionMmap};
use crate::node::error::Result;
use crate::node::identity::Handle;
use crate::node::object;
use crate::node::value::{Number, Value};

/// Sets the function of this thread that tells the listeners.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn answer_changes(tell: Value) -> Result<()> {
    changes::answer(tell.function("tell")?)
}

/// Watches an atomic from now on, for a listener that must be a function. Returns the number of the atomic.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn watch_changes(atomic: Value, listener: Value) -> Result<Number> {
    let shared = atomic.instance::<GuestMemoryAtomic>("atomic")?.shared();
    listener.function("listener")?;
    changes::watch(shared)
        .map(Number)
        .map_err(|error| error.of("onChange"))
}

/// Watches the atomic of this number no longer.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn forget_changes(atomic: Value) -> Result<()> {
    changes::forget(atomic.usize("atomic")?);
    Ok(())
}

/// Returns the map of the last call for the atomic of this number and the one that is there now; null if they are the same.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn take_change(atomic: Value) -> Result<Option<(Handle, Handle)>> {
    changes::take(atomic.usize("atomic")?)
        .map(|(previous, current)| {
            Ok((
                GuestMemoryMmap::intern(&previous)?,
                GuestMemoryMmap::intern(&current)?,
            ))
        })
        .transpose()
}

/// Compares two maps, or guards that hold one.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn diff(memory: Value, next: Value) -> Result<Value> {
    let diff = Diff::of(
        &*memory_argument(memory, "this")?,
        &*memory_argument(next, "next")?,
    );
    let objects = |regions: &[Arc<Region>]| {
        let regions = regions.iter().map(GuestRegionMmap::intern);
        object::array(memory.env(), &regions.collect::<Result<Vec<_>>>()?)
    };
    object::record(
        memory.env(),
        &[
            ("added", objects(&diff.added)?),
            ("removed", objects(&diff.removed)?),
            ("kept", objects(&diff.kept)?),
        ],
    )
}
