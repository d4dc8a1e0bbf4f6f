//! A memory map that can be replaced while others read it (upstream `atomic.rs`).
//!
//! Readers take a snapshot with `memory()` and never wait. A writer takes the update lock, derives
//! a new map and publishes it with `replace`. Snapshots stay what they were, and their regions stay
//! mapped until the last guard, map, region, slice or buffer of them is gone.
//!
//! Upstream's lock is a `std::sync::Mutex`, whose guard can neither be kept in an object nor be
//! given back by another thread. So there is a [`Gate`] in front of it: who has passed the gate
//! holds the lock, and takes upstream's for the moment of `replace`, which nobody else can hold
//! then.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use napi::Env;
use napi::bindgen_prelude::This;
use napi_derive::napi;
use vm_memory::{GuestAddressSpace, GuestMemory};

use crate::argument::{Number, Value};
use crate::environment::{self, check_new, no_constructor};
use crate::error::{BindingError, Result};
use crate::gate::{Gate, Notify, Pass};
use crate::guest_memory::{self, guest_memory, memory_argument};
use crate::identity::{self, Handle};
use crate::lock_async;
use crate::mapping::Memory;
use crate::mmap::GuestMemoryMmap;
use crate::share::{self, Tickets};
use crate::slot::{self, Slots};

/// The tickets of this process.
pub static TICKETS: LazyLock<Tickets<Shared, Memory>> = LazyLock::new(Tickets::default);

/// How long a thread blocks before it looks whether it has been told to end.
const SLICE: Duration = Duration::from_millis(10);

/// What all handles of an atomic share, in whatever thread.
pub struct Shared {
    atomic: vm_memory::GuestMemoryAtomic<Memory>,
    gate: Gate,
    slots: Slots,
}

impl Shared {
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Notes that this thread must leave when it ends.
    fn note_stake(self: &Arc<Self>) {
        STAKES.with_borrow_mut(|stakes| {
            stakes.retain(|stake| stake.strong_count() > 0);
            if !stakes
                .iter()
                .any(|stake| stake.as_ptr() == Arc::as_ptr(self))
            {
                stakes.push(Arc::downgrade(self));
            }
        });
    }

    /// The current snapshot.
    fn snapshot(&self) -> Arc<Memory> {
        self.atomic.memory().into_inner()
    }

    /// Publishes a map. The caller is through the gate.
    ///
    /// Upstream takes the map by value and puts it behind a pointer of its own, so the object of
    /// the map comes to stand for what that points to as well.
    fn publish(&self, memory: &Memory, object: Handle) -> Result<()> {
        // Nobody panics with the lock held, and it protects nothing that could be half done.
        self.atomic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(memory.clone());
        self.slots.invalidate();
        identity::register(&self.snapshot(), object.0)
    }

    /// Waits for the lock as `lock()` does.
    fn enter(self: &Arc<Self>, limit: Option<Duration>, operation: &str) -> Result<Holder> {
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
            environment::check_termination()?;
        }
    }
}

/// Who is through the gate, or in line; gives the pass back when it is dropped.
pub struct Holder {
    shared: Arc<Shared>,
    pass: Pass,
}

impl Holder {
    fn new(shared: &Arc<Shared>, pass: Pass) -> Self {
        shared.note_stake();
        Self {
            shared: Arc::clone(shared),
            pass,
        }
    }

    /// Joins the line; `notify` is called when it is this one's turn, by whatever thread.
    pub fn join(shared: &Arc<Shared>, notify: Notify) -> Self {
        Self::new(
            shared,
            shared.gate.join(environment::number(), Some(notify)),
        )
    }
}

thread_local! {
    /// The atomics that this thread has asked the lock of, or has a slot for.
    static STAKES: RefCell<Vec<Weak<Shared>>> = RefCell::default();
}

/// Gives back every lock of this thread, which is ending, whatever becomes of its guards, and
/// forgets its slots.
pub fn abandon() {
    for shared in STAKES.take().iter().filter_map(Weak::upgrade) {
        shared.gate.abandon(environment::number());
        shared.slots.abandon(environment::number());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.shared.gate.leave(self.pass);
    }
}

/// A map as an argument, and the object that stands for it in this thread.
fn map_argument(value: Value, name: &str) -> Result<(Arc<Memory>, Handle)> {
    let memory = memory_argument(value, name)?;
    let object = match value.try_instance::<GuestMemoryMmap>() {
        Some(_) => Handle(value.raw()),
        None => GuestMemoryMmap::intern(&memory)?,
    };
    Ok((memory, object))
}

/// A memory map that can be replaced while others read it (RCU).
///
/// Readers take a snapshot with `memory()` and never wait; a writer takes the lock, derives a new map and replaces the
/// old one. (`GuestMemoryAtomic<GuestMemoryMmap>`)
#[napi]
pub struct GuestMemoryAtomic {
    shared: Arc<Shared>,
}

#[napi]
impl GuestMemoryAtomic {
    /// The first snapshot is `map`. (`GuestMemoryAtomic::new` and `From<Arc<_>>`)
    ///
    /// @param map a map, or a guard that holds one
    /// @throws `ERR_DISPOSED` for a guard that was disposed of
    #[napi(constructor, catch_unwind, ts_args_type = "map: GuestMemoryMmap")]
    pub fn new(this: This, map: Value) -> Result<Self> {
        check_new::<Self>("GuestMemoryAtomic", &this)?;
        Ok(Self {
            shared: Arc::new(Shared {
                atomic: memory_argument(map, "map")?.into(),
                gate: Gate::default(),
                slots: Slots::default(),
            }),
        })
    }

    /// The current snapshot; never blocks. Dispose of the guard when done: `using guard = atomic.memory()`.
    /// (`GuestAddressSpace::memory`)
    #[napi(catch_unwind, ts_return_type = "GuestMemoryLoadGuard")]
    pub fn memory(&self) -> GuestMemoryLoadGuard {
        GuestMemoryLoadGuard::of(self.shared.snapshot())
    }

    /// Takes the update lock, waiting while another thread holds it; first come, first served. (`lock`)
    ///
    /// @param options.timeout milliseconds after which to give up; 0 tries once; no limit by default
    /// @throws `ERR_LOCK_HELD` instead of hanging when this thread holds the lock or has a pending `lockAsync`;
    /// `ERR_LOCK_TIMEOUT`; `ERR_OUT_OF_RANGE` for a negative timeout
    #[napi(
        catch_unwind,
        ts_args_type = "options?: { timeout?: number }",
        ts_return_type = "GuestMemoryExclusiveGuard"
    )]
    pub fn lock(&self, options: Value) -> Result<GuestMemoryExclusiveGuard> {
        let limit = timeout(options)?;
        self.shared
            .enter(limit, "lock()")
            .map(GuestMemoryExclusiveGuard::of)
    }

    /// The lock if it is free now, else null. Not upstream.
    #[napi(catch_unwind, ts_return_type = "GuestMemoryExclusiveGuard | null")]
    pub fn try_lock(&self) -> Option<GuestMemoryExclusiveGuard> {
        let pass = self.shared.gate.try_enter(environment::number())?;
        Some(GuestMemoryExclusiveGuard::of(Holder::new(
            &self.shared,
            pass,
        )))
    }

    /// Takes the lock, calls `fn` with the current map, replaces that by what it returns, and unlocks. A throw leaves
    /// the map as it was. Reading the map before taking the lock would lose the updates of others. Not upstream.
    ///
    /// @param fn derives the new map; not asynchronous
    /// @returns the new map
    /// @throws `ERR_LOCK_HELD` as `lock`; what `fn` throws
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
        let (memory, object) = map_argument(result, "the result of fn")?;
        holder.shared.publish(&memory, object)?;
        Ok(object)
    }

    /// Another handle on the same map and lock. (`Clone`)
    #[napi(catch_unwind, ts_return_type = "GuestMemoryAtomic")]
    pub fn clone(&self) -> GuestMemoryAtomic {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }

    /// A one-use ticket that can be posted to a worker; `fromShared` there gives a clone. A ticket that is never taken is
    /// dropped when this thread ends. Not upstream.
    #[napi(catch_unwind, ts_return_type = "SharedMemory")]
    pub fn share(&self, env: Env) -> Result<Value> {
        guest_memory::issue(env, share::Shared::Atomic(Arc::clone(&self.shared)))
    }

    /// Takes what a ticket of `share()` stands for, in any thread of the process. A ticket is good once. Not upstream.
    ///
    /// @throws `ERR_INVALID_TICKET` for an unknown or used ticket, or one of a `GuestMemoryMmap`
    #[napi(
        catch_unwind,
        ts_args_type = "ticket: SharedMemory",
        ts_return_type = "GuestMemoryAtomic"
    )]
    pub fn from_shared(ticket: Value) -> Result<GuestMemoryAtomic> {
        let id = guest_memory::ticket_id(ticket, "GuestMemoryAtomic")?;
        let shared = TICKETS
            .take_atomic(&id)
            .ok_or_else(|| BindingError::invalid_ticket("GuestMemoryAtomic"))?;
        Ok(Self { shared })
    }

    /// For the fast guards: the cell that counts replacements. These methods, too, are taken off.
    #[napi(skip_typescript, catch_unwind)]
    pub fn generation_cell(&self) -> Result<Handle> {
        slot::cell(&self.shared)
    }

    /// For the fast guards: lets a slot be told when it is stale.
    #[napi(skip_typescript, catch_unwind)]
    pub fn watch_slot(&self, slot: Value) -> Result<()> {
        self.shared.note_stake();
        self.shared.slots.watch(slot.usize("slot")?)
    }

    /// For the fast guards: a native guard for a slot.
    #[napi(skip_typescript, catch_unwind)]
    pub fn pin_snapshot(&self, slot: Value) -> Result<GuestMemoryLoadGuard> {
        self.shared.slots.renew(slot.usize("slot")?);
        Ok(self.memory())
    }

    /// For the fast guards: forgets a slot of this thread, of whatever atomic.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // a static method could not be taken off
    pub fn forget_slot(&self, slot: Value) -> Result<()> {
        let slot = slot.usize("slot")?;
        STAKES.with_borrow(|stakes| {
            for shared in stakes.iter().filter_map(Weak::upgrade) {
                shared.slots.forget(slot);
            }
        });
        Ok(())
    }

    /// For the fast guards: sets whom to tell of stale slots.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // as above
    pub fn set_stale_callback(&self, callback: Value) -> Result<()> {
        slot::set_callback(callback.function("callback")?)
    }

    /// For `lockAsync`: checks its options. These methods are taken off the class when that is
    /// installed.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // a static method could not be taken off
    pub fn lock_async_options(&self, options: Value) -> Result<Vec<Value>> {
        let Some(options) = options.options("options")? else {
            return Ok(Vec::new());
        };
        let timeout = options.property(c"timeout")?;
        let signal = options.property(c"signal")?;
        if !timeout.is_undefined() {
            timeout.milliseconds("options.timeout")?;
        }
        Ok(vec![timeout, signal])
    }

    /// For `lockAsync`: refuses what is no signal.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // as above
    pub fn throw_invalid_signal(&self, signal: Value) -> Result<()> {
        Err(signal.must_be("options.signal", "an AbortSignal"))
    }

    /// For `lockAsync`: joins the line; `callback` gets the guard.
    #[napi(skip_typescript, catch_unwind)]
    pub fn join_line(&self, callback: Value) -> Result<Number> {
        lock_async::join(&self.shared, callback.function("callback")?).map(Number)
    }

    /// For `lockAsync`: leaves the line; whether the guard was still to come.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // as above
    pub fn leave_line(&self, request: Value) -> Result<bool> {
        Ok(lock_async::leave(request.usize("request")?))
    }

    /// For `lockAsync`: throws that the lock was not to be had in time.
    #[napi(skip_typescript, catch_unwind)]
    #[allow(clippy::unused_self)] // as above
    pub fn throw_lock_timeout(&self, limit: Value) -> Result<()> {
        let limit = limit.milliseconds("limit")?.unwrap_or_default();
        Err(BindingError::lock_timeout("lockAsync()", limit))
    }
}

/// The option `timeout`; None for no limit.
fn timeout(options: Value) -> Result<Option<Duration>> {
    let Some(options) = options.options("options")? else {
        return Ok(None);
    };
    match options.property(c"timeout")?.optional() {
        Some(timeout) => timeout.milliseconds("options.timeout"),
        None => Ok(None),
    }
}

/// A snapshot, with all that a `GuestMemoryMmap` can do. Accepted wherever a map is taken.
///
/// The snapshot lives while any guard, map, region, slice or buffer of it does. A guard that is dropped without dispose
/// lets go at garbage collection. (`GuestMemoryLoadGuard`, `Deref<Target = GuestMemoryMmap>`)
#[napi]
pub struct GuestMemoryLoadGuard {
    memory: RefCell<Option<Arc<Memory>>>,
}

impl GuestMemoryLoadGuard {
    fn of(memory: Arc<Memory>) -> Self {
        Self {
            memory: RefCell::new(Some(memory)),
        }
    }

    pub fn target(&self) -> Result<Arc<Memory>> {
        self.memory
            .borrow()
            .clone()
            .ok_or_else(|| BindingError::disposed("GuestMemoryLoadGuard"))
    }
}

no_constructor! { GuestMemoryLoadGuard }
guest_memory! { GuestMemoryLoadGuard }

#[napi]
impl GuestMemoryLoadGuard {
    /// A second guard on the same snapshot, which outlives this one. (`Clone`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_return_type = "GuestMemoryLoadGuard")]
    pub fn clone(&self) -> Result<GuestMemoryLoadGuard> {
        self.target().map(Self::of)
    }

    /// Consumes the guard and returns its map: the same object for the same snapshot. (`into_inner`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_return_type = "GuestMemoryMmap")]
    #[allow(clippy::wrong_self_convention)] // consumes what the object holds
    pub fn into_inner(&self) -> Result<Handle> {
        let map = GuestMemoryMmap::intern(&self.target()?)?;
        self.dispose();
        Ok(map)
    }

    /// Lets go of the snapshot. Any later use throws `ERR_DISPOSED`; a second dispose does nothing.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        // Dropped after the borrow: unmapping takes its time.
        drop(self.memory.take());
    }
}

/// The update lock, held. A guard that is dropped without dispose unlocks at garbage collection, and one whose thread
/// ends does at once. (`GuestMemoryExclusiveGuard`)
#[napi]
pub struct GuestMemoryExclusiveGuard {
    /// None once it was given up.
    holder: Cell<Option<Holder>>,
}

impl GuestMemoryExclusiveGuard {
    pub fn of(holder: Holder) -> Self {
        Self {
            holder: Cell::new(Some(holder)),
        }
    }
}

no_constructor! { GuestMemoryExclusiveGuard }

#[napi]
impl GuestMemoryExclusiveGuard {
    /// Publishes `map` and unlocks; consumes the guard. No validation, as upstream. (`replace`)
    ///
    /// @param map a map, or a guard that holds one
    /// @throws `ERR_DISPOSED`
    #[napi(catch_unwind, ts_args_type = "map: GuestMemoryMmap")]
    pub fn replace(&self, map: Value) -> Result<()> {
        let Some(holder) = self.holder.take() else {
            return Err(BindingError::disposed("GuestMemoryExclusiveGuard"));
        };
        match map_argument(map, "map") {
            Ok((memory, object)) => holder.shared.publish(&memory, object),
            Err(error) => {
                // A wrong argument changes nothing: the lock is still held.
                self.holder.set(Some(holder));
                Err(error)
            }
        }
    }

    /// Unlocks without replacing. Any later use throws `ERR_DISPOSED`; a second dispose does nothing.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        drop(self.holder.take());
    }
}
