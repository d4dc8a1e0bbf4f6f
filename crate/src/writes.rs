//! Who has written where: marks by guest address, and what is marked. Not upstream.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::ToNapiValue;
use napi::{ValueType, sys};
use operations::napi;
use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryRegion};

use crate::memory::mapping::{Memory, Region};
use crate::memory::marks::{self, Pending};
use crate::memory::ranges::{self, Part};
use crate::memory::writes::Tracker;
use crate::memory::zero_copy;
use crate::node::error::{Result, check};
use crate::node::identity::{self, Handle};
use crate::node::object::no_constructor;
use crate::node::raw_function::{self, RawFunction};
use crate::node::scope::Scope;
use crate::node::value::{BigU64, Number, Value};
use crate::node::{environment, intrinsics, object};

/// Makes the methods that tell who has written where on a class that has a method `target`, which returns the memory.
macro_rules! writes {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn mark_dirty(&self, addr: Value, count: Value) -> Result<()> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                writes::mark_dirty(&memory, addr, count.usize("count")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn track_writes(&self) -> Result<Handle> {
                let memory = self.target()?;
                writes::WriteTracker::start(&memory)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn dirty_ranges(&self, options: Value) -> Result<Value> {
                let memory = self.target()?;
                writes::dirty_ranges(&memory, writes::is_reset(options)?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn with_views(&self, addr: Value, count: Value, callback: Value) -> Result<Value> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                let count = count.usize("count")?;
                writes::with_views(memory, addr, count, callback.function("fn")?)
            }
        }
    };
}
pub(crate) use writes;

/// Takes the option `reset`.
pub fn is_reset(options: Value) -> Result<bool> {
    let Some(options) = options.options("options")? else {
        return Ok(false);
    };
    let reset = options.property(c"reset")?.optional();
    reset.map_or(Ok(false), |reset| reset.boolean("options.reset"))
}

/// Marks bytes of a memory, if all of them are there.
pub fn mark_dirty(memory: &Memory, address: GuestAddress, count: usize) -> Result<()> {
    marks::check_range(memory, address, count)?;
    marks::mark(memory, address, count);
    Ok(())
}

/// Returns what is marked in the bitmaps of a memory, and takes the marks away if `reset` is set.
pub fn dirty_ranges(memory: &Memory, reset: bool) -> Result<Value> {
    let mut marked = Vec::new();
    let told = collect(memory, reset, &mut marked).and_then(|()| {
        let found: Vec<Found> = marked
            .iter()
            .map(|(region, parts)| (*region, &**parts))
            .collect();
        array_of(&found)
    });
    if told.is_err() && reset {
        // Nobody has got them.
        for (region, parts) in &marked {
            marks::put_back(region, parts);
        }
    }
    told
}

/// Sees every write of this process to memory: by methods, through views and buffers, by system calls, by other threads, and by
/// virtual processors of KVM. It does not see what other processes write: a peer of vhost-user logs that by itself.
///
/// The first write to a page after a harvest takes a few microseconds more, later ones nothing. It needs Linux 6.7 or newer, and no
/// privilege. Ends when it is disposed of or collected, and with the thread that made it; until then it keeps the memory mapped.
/// Not upstream.
///
/// @example
/// ```ts fragment
/// using tracker = memory.trackWrites()
/// for (const view of memory.views(0x3000, 0x10)) view.fill(1)
/// tracker.harvest() // [[0x3000n, 0x1000]]
/// ```
#[napi]
pub struct WriteTracker {
    tracker: Arc<Tracker>,
}

no_constructor! { WriteTracker }

impl WriteTracker {
    /// Begins to track the writes to a memory.
    pub fn start(memory: &Memory) -> Result<Handle> {
        let tracker = Tracker::start(memory)?;
        identity::object_of(Self { tracker })
    }
}

#[napi]
impl WriteTracker {
    /// Returns what was written since the last harvest (the first time: since the tracker was made), and begins anew. Ranges
    /// are in whole pages, ascending, and joined where they touch within a region. What is marked in the bitmaps of the regions is
    /// in it, and no longer marked.
    ///
    /// No write is ever lost; one that is under way meanwhile may be told twice.
    ///
    /// @throws `ERR_DISPOSED`; `ERR_IO` with `errno` if the kernel fails, and then the next harvest has it all
    #[napi(catch_unwind, ts_return_type = "[addr: bigint, count: number][]")]
    pub fn harvest(&self) -> Result<Value> {
        let harvest = self.tracker.harvest()?;
        let found: Vec<Found> = harvest
            .iter()
            .map(|(region, parts)| (&**region, &**parts))
            .collect();
        // Nobody has got it, if that fails.
        array_of(&found).inspect_err(|_| self.tracker.put_back(&harvest))
    }

    /// Tracks no longer. Any later use throws `ERR_DISPOSED`; a second `dispose` does nothing.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        self.tracker.end();
    }
}

impl Drop for WriteTracker {
    fn drop(&mut self) {
        self.tracker.end();
    }
}

/// The parts of a region that something is told of.
type Found<'memory> = (&'memory Region, &'memory [Part]);

fn collect<'memory>(
    memory: &'memory Memory,
    reset: bool,
    marked: &mut Vec<(&'memory Region, Vec<Part>)>,
) -> Result<()> {
    for region in memory.iter() {
        let mut parts = Vec::new();
        marks::parts(region, reset, &mut parts)?;
        ranges::join(&mut parts, region);
        marked.push((region, parts));
    }
    Ok(())
}

/// How many ranges are made in one scope of handles: see `memory::array`.
const RANGES_IN_SCOPE: usize = 1024;

/// Makes an array of `[addr, count]`.
pub fn array_of(found: &[Found<'_>]) -> Result<Value> {
    let env = environment::current();
    let mut array = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_array(env, &raw mut array) })?;
    let mut index = 0;
    for (region, parts) in found {
        let start = region.start_addr().raw_value();
        for parts in parts.chunks(RANGES_IN_SCOPE) {
            let _scope = Scope::open(env)?;
            for part in parts {
                let range = range(env, start + part.start as u64, part.end - part.start)?;
                // SAFETY: array and range are of this environment.
                check(unsafe { sys::napi_set_element(env, array, index, range) })?;
                index += 1;
            }
        }
    }
    Ok(Value::new(env, array))
}

fn range(env: sys::napi_env, address: u64, count: usize) -> Result<sys::napi_value> {
    let mut pair = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread, and so are the values.
    unsafe {
        check(sys::napi_create_array_with_length(env, 2, &raw mut pair))?;
        let address = BigU64::to_napi_value(env, BigU64(address))?;
        check(sys::napi_set_element(env, pair, 0, address))?;
        let count = Number::to_napi_value(env, Number(count))?;
        check(sys::napi_set_element(env, pair, 1, count))?;
    }
    Ok(pair)
}

/// What is marked when a promise settles, or when nobody can settle it any more.
type Settled = Rc<Cell<Option<Pending>>>;

/// Calls `callback` with views on the bytes, and marks them when it is done with them.
///
/// Whatever ends the call marks: an exception, the end of the thread in the middle of it, and of what a promise is waited for
/// with, its collection.
pub fn with_views(
    memory: Arc<Memory>,
    address: GuestAddress,
    count: usize,
    callback: Value,
) -> Result<Value> {
    let env = callback.env();
    let views = object::array(env, &zero_copy::views(&memory, address, count)?)?;
    let pending = Pending {
        memory,
        address,
        count,
    };
    let result = callback.call(&[views.raw()])?;
    if !is_thenable(result)? {
        return Ok(result);
    }
    let pending: Settled = Rc::new(Cell::new(Some(pending)));
    let fulfilled = raw_function::make(Fulfilled(Rc::clone(&pending)))?;
    let rejected = raw_function::make(Rejected(pending))?;
    intrinsics::then(result, fulfilled, rejected)
}

/// Checks whether `await` would wait for a value.
fn is_thenable(value: Value) -> Result<bool> {
    if value.is_promise() {
        return Ok(true);
    }
    Ok(
        matches!(value.kind(), ValueType::Object | ValueType::Function)
            && value.property(c"then")?.kind() == ValueType::Function,
    )
}

/// Marks, and hands on what a promise was fulfilled with.
struct Fulfilled(Settled);

impl RawFunction for Fulfilled {
    const NAME: &'static CStr = c"fulfilled";

    fn call(&self, value: Value) -> Result<sys::napi_value> {
        drop(self.0.take());
        Ok(value.raw())
    }
}

/// Marks, and throws what a promise was rejected with.
struct Rejected(Settled);

impl RawFunction for Rejected {
    const NAME: &'static CStr = c"rejected";

    fn call(&self, reason: Value) -> Result<sys::napi_value> {
        drop(self.0.take());
        // SAFETY: the reason is a value of the environment that called.
        check(unsafe { sys::napi_throw(reason.env(), reason.raw()) })?;
        Ok(ptr::null_mut())
    }
}
