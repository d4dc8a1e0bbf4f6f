//! A memory map that can be replaced while others read it (upstream `atomic.rs`).
//!
//! Readers take a snapshot with `memory()` and never wait. A writer takes the update lock, derives
//! a new map and publishes it with `replace`. Snapshots stay what they were, and their regions stay
//! mapped until the last guard, map, region, slice or buffer of them is gone.
//!
//! Upstream's lock is a `std::sync::Mutex`. Its guard can neither be kept in an object nor be given back by another
//! thread. So there is a `Gate` in front of the lock: whoever has passed the gate holds the update lock as JavaScript
//! knows it. Upstream's lock is taken only for the moment of `replace`, when nobody else can hold it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::This;
use operations::napi;
use vm_memory::GuestMemory;

use crate::bytes::{self, byte_access};
use crate::guest_memory::{self, guest_memory};
use crate::host_pages::pages_of_memory;
use crate::io::{self, Operation, volatile_transfer};
use crate::io_async;
use crate::memory::changes;
use crate::memory::mapping::{Memory, arc_of};
use crate::memory::shared_map::{Holder, Pinned, SharedMap};
use crate::memory::zero_copy;
use crate::mmap::{GuestMemoryMmap, GuestRegionMmap};
use crate::node::error::{BindingError, Result};
use crate::node::identity::{self, Handle};
use crate::node::object::{check_new, no_constructor};
use crate::node::scalar::ScalarValue;
use crate::node::value::{BigU64, Number, Value};
use crate::tickets::{self, TICKETS};
use crate::volatile_memory::VolatileSlice;
use crate::writes::{self, writes};
use sync::tickets::Ticketed;

/// Takes a memory from an argument: a map, or a guard that holds one.
pub fn memory_argument(value: Value, name: &str) -> Result<Arc<Memory>> {
    if let Some(map) = value.try_instance::<GuestMemoryMmap>() {
        return map.target();
    }
    if let Some(guard) = value.try_instance::<GuestMemoryLoadGuard>() {
        return guard.target();
    }
    Err(value.must_be(name, "a GuestMemoryMmap or a GuestMemoryLoadGuard"))
}

/// Takes a map from an argument, and the object that stands for the map in this thread.
fn map_argument(value: Value, name: &str) -> Result<(Arc<Memory>, Handle)> {
    if let Some(map) = value.try_instance::<GuestMemoryMmap>() {
        return Ok((map.target()?, Handle(value.raw())));
    }
    let memory = memory_argument(value, name)?;
    let object = GuestMemoryMmap::intern(&memory)?;
    Ok((memory, object))
}

/// A memory map that can be replaced while others read it (RCU).
///
/// Readers take a snapshot with `memory()` and never wait; a writer takes the lock, derives a new map and replaces the
/// old one. (`GuestMemoryAtomic<GuestMemoryMmap>`)
///
/// @example
/// ```ts
/// import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
///
/// const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
/// atomic.update((map) => map.insertRegion(GuestRegionMmap.fromRange(0x8000, 0x1000)))
/// using memory = atomic.memory()
/// console.log(memory.numRegions) // 2
/// ```
#[napi]
pub struct GuestMemoryAtomic {
    shared: Arc<SharedMap>,
}

impl GuestMemoryAtomic {
    pub fn shared(&self) -> &Arc<SharedMap> {
        &self.shared
    }
}

#[napi]
impl GuestMemoryAtomic {
    /// Makes an atomic whose first snapshot is `map`. (`GuestMemoryAtomic::new` and `From<Arc<_>>`)
    ///
    /// @param map a map, or a guard that holds one
    /// @throws `ERR_DISPOSED` for a guard that was disposed of
    #[napi(constructor, catch_unwind, ts_args_type = "map: GuestMemoryMmap")]
    pub fn new(this: This, map: Value) -> Result<Self> {
        check_new::<Self>("GuestMemoryAtomic", &this)?;
        Ok(Self {
            shared: SharedMap::new(memory_argument(map, "map")?),
        })
    }

    /// Returns a guard on the current snapshot, and never blocks. Dispose of the guard when done:
    /// `using guard = atomic.memory()`. (`GuestAddressSpace::memory`)
    #[napi(catch_unwind, ts_return_type = "GuestMemoryLoadGuard")]
    pub fn memory(&self) -> GuestMemoryLoadGuard {
        GuestMemoryLoadGuard::of(self.shared.pin())
    }

    /// Takes the update lock, and waits while another thread holds it. Callers are served in the order in which they
    /// came. (`lock`)
    ///
    /// @param options.timeout milliseconds after which the call gives up; 0 tries once; no limit by default
    /// @throws `ERR_LOCK_HELD` if this thread holds the lock or waits for it in `lockAsync`, since the call would wait
    /// for ever; `ERR_LOCK_TIMEOUT`; `ERR_OUT_OF_RANGE` for a negative timeout
    #[napi(
        catch_unwind,
        ts_args_type = "options?: { timeout?: number }",
        ts_return_type = "GuestMemoryExclusiveGuard"
    )]
    pub fn lock(&self, options: Value) -> Result<Handle> {
        let limit = timeout(options)?;
        GuestMemoryExclusiveGuard::make(self.shared.enter(limit, "lock()")?)
    }

    /// Takes the update lock if it is free now, or returns null. Not upstream.
    #[napi(catch_unwind, ts_return_type = "GuestMemoryExclusiveGuard | null")]
    pub fn try_lock(&self) -> Result<Option<Handle>> {
        self.shared
            .try_enter()
            .map(GuestMemoryExclusiveGuard::make)
            .transpose()
    }

    /// Takes the update lock, calls `fn` with the current map, publishes the map that `fn` returns, and unlocks. If
    /// `fn` throws, the current map stays. (Code that reads the map before it takes the lock can undo the updates of
    /// other threads.) Not upstream.
    ///
    /// @param fn returns a new map, made from the current one; not asynchronous
    /// @returns the new map
    /// @throws `ERR_LOCK_HELD` as `lock` does; the error that `fn` throws
    ///
    /// @example
    /// ```ts
    /// import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
    ///
    /// const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
    /// const map = atomic.update((current) => current.removeRegion(0, 0x1000)[0])
    /// console.log(map.numRegions) // 0
    /// ```
    #[napi(
        catch_unwind,
        ts_args_type = "fn: (current: GuestMemoryMmap) => GuestMemoryMmap",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn update(&self, function: Value) -> Result<Handle> {
        let function = function.function("fn")?;
        let holder = self.shared.enter(None, "update()")?;
        let current = GuestMemoryMmap::intern(&self.shared.snapshot())?;
        let result = function.call(&[current.0])?;
        let (memory, object) = map_argument(result, "the result of fn").map_err(|error| {
            if !result.is_promise() {
                return error;
            }
            BindingError::invalid_arg_type(format!("{error}, and fn must not be async")).hint(
                "update() publishes what fn returns as soon as it returns. Wait before, or take the lock with lockAsync().",
            )
        })?;
        let published = holder.shared.publish(&memory, object);
        // With the lock given back: listeners may take it.
        drop(holder);
        changes::tell(changes::number_of(&self.shared));
        published.map(|()| object)
    }

    /// Makes another handle on the same map and lock. (`Clone`)
    #[napi(catch_unwind, ts_return_type = "GuestMemoryAtomic")]
    pub fn clone(&self) -> Result<Handle> {
        identity::object_of(Self {
            shared: Arc::clone(&self.shared),
        })
    }

    /// Makes a ticket that can be posted to a worker and used once: `fromShared` returns a clone there. A ticket that
    /// is never used is dropped when this thread ends. Not upstream.
    #[napi(catch_unwind, ts_return_type = "SharedMemory<'GuestMemoryAtomic'>")]
    pub fn share(&self, env: Env) -> Result<Value> {
        tickets::issue(env, Ticketed::Atomic(Arc::clone(&self.shared)))
    }

    /// Returns a clone of the atomic whose `share` made the ticket, in any thread of the process. A ticket is good
    /// once. Not upstream.
    ///
    /// @throws `ERR_INVALID_TICKET` for an unknown or used ticket, or one of a `GuestMemoryMmap`
    #[napi(
        catch_unwind,
        ts_args_type = "ticket: SharedMemory<'GuestMemoryAtomic'>",
        ts_return_type = "GuestMemoryAtomic"
    )]
    pub fn from_shared(ticket: Value) -> Result<Handle> {
        let id = tickets::ticket_id(ticket, "GuestMemoryAtomic")?;
        let shared = TICKETS
            .take_atomic(&id)
            .ok_or_else(|| BindingError::invalid_ticket("GuestMemoryAtomic"))?;
        identity::object_of(Self { shared })
    }
}

/// Takes the option `timeout`; None for no limit.
fn timeout(options: Value) -> Result<Option<Duration>> {
    let Some(options) = options.options("options")? else {
        return Ok(None);
    };
    match options.property(c"timeout")?.optional() {
        Some(timeout) => timeout.milliseconds("options.timeout"),
        None => Ok(None),
    }
}

/// A guard on a snapshot, with all members of `GuestMemoryMmap`. Every function that takes a map accepts a guard too.
///
/// The snapshot lives while any guard, map, region, slice or buffer of it lives. A guard that is dropped without
/// `dispose` releases the snapshot when it is garbage-collected. (`GuestMemoryLoadGuard`,
/// `Deref<Target = GuestMemoryMmap>`)
///
/// @example
/// ```ts
/// import { GuestMemoryAtomic, GuestMemoryMmap } from 'vm-memory'
///
/// const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
/// using memory = atomic.memory()
/// atomic.update(() => new GuestMemoryMmap())
/// // The guard holds the map that was current when it was taken.
/// console.log(memory.numRegions, atomic.memory().numRegions) // 1 0
/// ```
#[napi]
pub struct GuestMemoryLoadGuard {
    pinned: RefCell<Option<Pinned>>,
}

impl GuestMemoryLoadGuard {
    pub fn of(pinned: Pinned) -> Self {
        Self {
            pinned: RefCell::new(Some(pinned)),
        }
    }

    pub fn target(&self) -> Result<Arc<Memory>> {
        self.with(|pinned| Arc::clone(pinned.memory()))
    }

    fn with<T>(&self, get: impl FnOnce(&Pinned) -> T) -> Result<T> {
        self.pinned
            .borrow()
            .as_ref()
            .map(get)
            .ok_or_else(|| BindingError::disposed("GuestMemoryLoadGuard"))
    }
}

no_constructor! { GuestMemoryLoadGuard }
byte_access! { GuestMemoryLoadGuard }
volatile_transfer! { GuestMemoryLoadGuard }
guest_memory! { GuestMemoryLoadGuard }
writes! { GuestMemoryLoadGuard }
pages_of_memory! { GuestMemoryLoadGuard }

#[napi]
impl GuestMemoryLoadGuard {
    /// Makes a second guard on the same snapshot, which stays good when this one is disposed of. (`Clone`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_return_type = "GuestMemoryLoadGuard")]
    pub fn clone(&self) -> Result<GuestMemoryLoadGuard> {
        self.with(Pinned::clone).map(Self::of)
    }

    /// Consumes the guard, and returns its map: always the same object for the same snapshot. (`into_inner`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_return_type = "GuestMemoryMmap")]
    pub fn into_inner(&self) -> Result<Handle> {
        let map = GuestMemoryMmap::intern(&self.target()?)?;
        self.dispose();
        Ok(map)
    }

    /// Releases the snapshot. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        // Dropped after the borrow: unmapping takes its time.
        drop(self.pinned.take());
    }
}

/// Publishes a map, and gives the lock back. A wrong argument changes nothing.
pub fn replace(place: &Cell<Option<Holder>>, map: Value) -> Result<()> {
    // First, with the holder in its place, so that whatever runs meanwhile can dispose of the guard.
    let argument = map_argument(map, "map");
    let Some(holder) = place.take() else {
        return Err(BindingError::disposed("GuestMemoryExclusiveGuard"));
    };
    match argument {
        Ok((memory, object)) => {
            let published = holder.shared.publish(&memory, object);
            let number = changes::number_of(&holder.shared);
            // With the lock given back: listeners may take it.
            drop(holder);
            changes::tell(number);
            published
        }
        Err(error) => {
            // The lock is still held.
            place.set(Some(holder));
            Err(error)
        }
    }
}

/// The update lock, held. A guard that is dropped without `dispose` unlocks when it is garbage-collected. If its thread
/// ends, the guard unlocks at once. (`GuestMemoryExclusiveGuard`)
///
/// @example
/// ```ts
/// import { GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap } from 'vm-memory'
///
/// const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRanges([[0, 0x1000]]))
/// {
///   using lock = atomic.lock()
///   using current = atomic.memory()
///   lock.replace(current.insertRegion(GuestRegionMmap.fromRange(0x8000, 0x1000)))
/// }
/// console.log(atomic.memory().numRegions) // 2
/// ```
#[napi]
pub struct GuestMemoryExclusiveGuard {
    /// None once the lock was given back.
    holder: Cell<Option<Holder>>,
}

impl GuestMemoryExclusiveGuard {
    /// Makes the object of a lock that was taken.
    pub fn make(holder: Holder) -> Result<Handle> {
        identity::object_of(Self {
            holder: Cell::new(Some(holder)),
        })
    }
}

no_constructor! { GuestMemoryExclusiveGuard }

#[napi]
impl GuestMemoryExclusiveGuard {
    /// Publishes `map` and unlocks; consumes the guard. Does not validate the map, as upstream. (`replace`)
    ///
    /// @param map a map, or a guard that holds one
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_args_type = "map: GuestMemoryMmap")]
    pub fn replace(&self, map: Value) -> Result<()> {
        replace(&self.holder, map)
    }

    /// Unlocks without replacing the map. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        drop(self.holder.take());
    }
}
