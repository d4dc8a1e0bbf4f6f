//! Guest memory: look-ups and access by guest address (upstream `guest_memory.rs`).

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use napi::bindgen_prelude::{This, ToNapiValue};
use napi::{Env, ValueType};
use napi_derive::napi;
use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryError, MemoryRegionAddress};

use crate::argument::{BigU64, Number, Value};
use crate::atomic::{GuestMemoryLoadGuard, Shared, TICKETS};
use crate::environment::{self, check_new};
use crate::error::{BindingError, Result};
use crate::identity::Handle;
use crate::io::{descriptor, duplicate};
use crate::mapping::Memory;
use crate::mmap::{GuestRegionMmap, arc_of, slice_of};
use crate::share;
use crate::volatile_memory::VolatileSlice;

/// A file and where in it a mapping starts.
///
/// Holds its own duplicate of the descriptor, which is closed when nothing uses it. Mappings of one
/// `FileOffset` share that duplicate, and keep it when the object is disposed of. Make one for each file and use it
/// again, since every other one is another descriptor, until it is disposed of or collected. (`FileOffset`)
#[napi]
pub struct FileOffset {
    /// None once it was disposed of.
    file: RefCell<Option<vm_memory::FileOffset>>,
}

impl FileOffset {
    fn of(file: vm_memory::FileOffset) -> Self {
        Self {
            file: RefCell::new(Some(file)),
        }
    }

    /// A new object for the file of a mapping.
    pub fn make(file: vm_memory::FileOffset) -> Result<Handle> {
        // SAFETY: it is the environment of this thread.
        let object = unsafe { Self::to_napi_value(environment::current(), Self::of(file))? };
        Ok(Handle(object))
    }

    pub fn from_value<'call>(value: Value, name: &str) -> Result<&'call Self> {
        value.instance(name)
    }

    /// An argument that may be absent or `null`.
    pub fn optional(value: Value) -> Result<Option<vm_memory::FileOffset>> {
        value
            .nullable()
            .map(|file| Self::from_value(file, "file")?.upstream())
            .transpose()
    }

    pub fn upstream(&self) -> Result<vm_memory::FileOffset> {
        let file = self.file.borrow().clone();
        file.ok_or_else(|| BindingError::disposed("FileOffset"))
    }
}

#[napi]
impl FileOffset {
    /// Duplicates the descriptor (`FileOffset::new`), or shares the duplicate of another `FileOffset`
    /// (`FileOffset::from_arc`), so that `fdsOverlap` sees mappings of both as mappings of one file.
    ///
    /// @param file an open file, or another `FileOffset`
    /// @param start where in the file a mapping starts, in bytes; mappings want a multiple of the page size
    /// @throws `ERR_IO` with `errno` if the descriptor cannot be duplicated; `ERR_DISPOSED`
    #[napi(constructor, catch_unwind, ts_args_type = "file: FileLike, start: U64")]
    pub fn new(this: This, file: Value, start: Value) -> Result<Self> {
        check_new::<Self>("FileOffset", &this)?;
        let start = start.u64("start")?;
        if let Some(other) = file.try_instance::<Self>() {
            let file = Arc::clone(other.upstream()?.arc());
            return Ok(Self::of(vm_memory::FileOffset::from_arc(file, start)));
        }
        let file: OwnedFd = duplicate(descriptor(file, "file")?)?;
        Ok(Self::of(vm_memory::FileOffset::new(file.into(), start)))
    }

    /// Where in the file a mapping starts, in bytes. (`start`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(getter, catch_unwind, ts_return_type = "bigint")]
    pub fn start(&self) -> Result<BigU64> {
        Ok(BigU64(self.upstream()?.start()))
    }

    /// The duplicate of the descriptor. Belongs to this object: do not close it. (`file`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(getter, catch_unwind)]
    pub fn fd(&self) -> Result<i32> {
        Ok(self.upstream()?.file().as_raw_fd())
    }

    /// Lets go of the duplicate: it is closed now, or with the last mapping of the file. Any later use throws
    /// `ERR_DISPOSED`; a second dispose does nothing. (`Drop`)
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        // Dropped after the borrow: closing takes its time.
        drop(self.file.take());
    }
}

/// A memory as an argument: a map, or a guard that holds one.
pub fn memory_argument(value: Value, name: &str) -> Result<Arc<Memory>> {
    if let Some(map) = value.try_instance::<crate::mmap::GuestMemoryMmap>() {
        return map.target();
    }
    if let Some(guard) = value.try_instance::<GuestMemoryLoadGuard>() {
        return guard.target();
    }
    // A guard of the fast paths is an object of JavaScript, which gives its map.
    if value.is_instance_of::<GuestMemoryLoadGuard>()? {
        let map = value.property(c"memory")?.call_on(value, &[])?;
        if let Some(map) = map.try_instance::<crate::mmap::GuestMemoryMmap>() {
            return map.target();
        }
    }
    Err(value.must_be(name, "a GuestMemoryMmap or a GuestMemoryLoadGuard"))
}

/// A guest address argument.
pub fn guest_address(value: Value, name: &str) -> Result<GuestAddress> {
    value.u64(name).map(GuestAddress)
}

/// A guest address on its way to JavaScript.
pub fn bigint(address: GuestAddress) -> BigU64 {
    BigU64(address.raw_value())
}

/// `[region, offset]`.
pub fn region_and_offset(
    memory: &Memory,
    address: GuestAddress,
) -> Result<Option<(Handle, Number)>> {
    let Some((region, MemoryRegionAddress(offset))) = memory.to_region_addr(address) else {
        return Ok(None);
    };
    #[allow(clippy::cast_possible_truncation)] // an offset within a mapping
    let offset = Number(offset as usize);
    Ok(Some((GuestRegionMmap::intern(&arc_of(region))?, offset)))
}

/// `GuestMemory::try_access` with a callback of JavaScript, which may throw.
pub fn try_access(
    memory: &Memory,
    count: usize,
    address: GuestAddress,
    callback: Value,
) -> Result<Number> {
    let env = callback.env();
    let mut thrown = None;
    let result = memory.try_access(count, address, |offset, length, region_offset, region| {
        let call = || -> Result<usize> {
            let region = GuestRegionMmap::intern(&arc_of(region))?;
            #[allow(clippy::cast_possible_truncation)] // an offset within a mapping
            let region_offset = region_offset.raw_value() as usize;
            // SAFETY: `env` is the environment that called.
            let [offset, length, region_offset] = unsafe {
                [
                    Number::to_napi_value(env, Number(offset))?,
                    Number::to_napi_value(env, Number(length))?,
                    Number::to_napi_value(env, Number(region_offset))?,
                ]
            };
            callback
                .call(&[offset, length, region_offset, region.0])?
                .usize("the result of callback")
        };
        call().map_err(|error| {
            thrown = Some(error);
            // Ends the access; replaced by what was thrown.
            GuestMemoryError::CallbackOutOfRange
        })
    });
    match thrown {
        Some(error) => Err(error),
        None => Ok(Number(result?)),
    }
}

/// The methods of `GuestMemory` on a class, which has a method `target` that gives the memory.
macro_rules! guest_memory {
    ($class:ident) => {
        $crate::bytes::byte_access! { $class }
        $crate::io::volatile_transfer! { $class }

        #[napi_derive::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn memory(&self) -> $crate::error::Result<$crate::identity::Handle> {
                $crate::mmap::GuestMemoryMmap::intern(&self.target()?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn insert_region(
                &self,
                region: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::identity::Handle> {
                let memory = self.target()?;
                let region = region.instance::<$crate::mmap::GuestRegionMmap>("region")?;
                $crate::mmap::GuestMemoryMmap::make(
                    memory.insert_region(std::sync::Arc::clone(region.region()))?,
                )
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn remove_region(
                &self,
                base: $crate::argument::Value,
                size: $crate::argument::Value,
            ) -> $crate::error::Result<($crate::identity::Handle, $crate::identity::Handle)> {
                let memory = self.target()?;
                let base = $crate::guest_memory::guest_address(base, "base")?;
                let (memory, region) = memory.remove_region(base, size.u64("size")?)?;
                Ok((
                    $crate::mmap::GuestMemoryMmap::make(memory)?,
                    $crate::mmap::GuestRegionMmap::intern(&region)?,
                ))
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn num_regions(&self) -> $crate::error::Result<$crate::argument::Number> {
                Ok($crate::argument::Number(self.target()?.num_regions()))
            }

            #[napi(skip_typescript, catch_unwind)]
            #[allow(clippy::iter_not_returning_iterator)] // it is one of JavaScript
            pub fn iter(&self, env: napi::Env) -> $crate::error::Result<$crate::argument::Value> {
                let regions = self
                    .target()?
                    .iter()
                    .map(|region| {
                        $crate::mmap::GuestRegionMmap::intern(&$crate::mmap::arc_of(region))
                    })
                    .collect::<$crate::error::Result<Vec<_>>>()?;
                $crate::guest_memory::iterator(env, regions)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn find_region(
                &self,
                addr: $crate::argument::Value,
            ) -> $crate::error::Result<Option<$crate::identity::Handle>> {
                let memory = self.target()?;
                memory
                    .find_region($crate::guest_memory::guest_address(addr, "addr")?)
                    .map(|region| {
                        $crate::mmap::GuestRegionMmap::intern(&$crate::mmap::arc_of(region))
                    })
                    .transpose()
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn to_region_addr(
                &self,
                addr: $crate::argument::Value,
            ) -> $crate::error::Result<Option<($crate::identity::Handle, $crate::argument::Number)>>
            {
                let memory = self.target()?;
                $crate::guest_memory::region_and_offset(
                    &memory,
                    $crate::guest_memory::guest_address(addr, "addr")?,
                )
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn address_in_range(
                &self,
                addr: $crate::argument::Value,
            ) -> $crate::error::Result<bool> {
                let memory = self.target()?;
                Ok(memory.address_in_range($crate::guest_memory::guest_address(addr, "addr")?))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn check_address(
                &self,
                addr: $crate::argument::Value,
            ) -> $crate::error::Result<Option<$crate::argument::BigU64>> {
                let memory = self.target()?;
                let addr = $crate::guest_memory::guest_address(addr, "addr")?;
                Ok(memory.check_address(addr).map($crate::guest_memory::bigint))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn check_range(
                &self,
                base: $crate::argument::Value,
                len: $crate::argument::Value,
            ) -> $crate::error::Result<bool> {
                let memory = self.target()?;
                let base = $crate::guest_memory::guest_address(base, "base")?;
                Ok(memory.check_range(base, len.usize("len")?))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn checked_offset(
                &self,
                base: $crate::argument::Value,
                offset: $crate::argument::Value,
            ) -> $crate::error::Result<Option<$crate::argument::BigU64>> {
                let memory = self.target()?;
                let base = $crate::guest_memory::guest_address(base, "base")?;
                let address =
                    vm_memory::GuestMemory::checked_offset(&*memory, base, offset.usize("offset")?);
                Ok(address.map($crate::guest_memory::bigint))
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn last_addr(&self) -> $crate::error::Result<$crate::argument::BigU64> {
                Ok($crate::guest_memory::bigint(self.target()?.last_addr()))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_host_address(
                &self,
                addr: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::BigU64> {
                let memory = self.target()?;
                let addr = $crate::guest_memory::guest_address(addr, "addr")?;
                let address = vm_memory::GuestMemory::get_host_address(&*memory, addr)?;
                Ok($crate::argument::BigU64(address.addr() as u64))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_slice(
                &self,
                addr: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::volatile_memory::VolatileSlice> {
                let memory = self.target()?;
                let addr = $crate::guest_memory::guest_address(addr, "addr")?;
                $crate::guest_memory::slice(&memory, addr, count.usize("count")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn try_access(
                &self,
                count: $crate::argument::Value,
                addr: $crate::argument::Value,
                callback: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::Number> {
                // The callback may let go of a guard: the memory is held here.
                let memory = self.target()?;
                let count = count.usize("count")?;
                let addr = $crate::guest_memory::guest_address(addr, "addr")?;
                $crate::guest_memory::try_access(
                    &memory,
                    count,
                    addr,
                    callback.function("callback")?,
                )
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn views(
                &self,
                addr: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<Vec<$crate::identity::Handle>> {
                let memory = self.target()?;
                let addr = $crate::guest_memory::guest_address(addr, "addr")?;
                $crate::zero_copy::views(&memory, addr, count.usize("count")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_volatile_from_async(
                &self,
                addr: $crate::argument::Value,
                src: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::Value> {
                let operation = $crate::io_async::Operation::ReadFrom;
                $crate::io_async::start(self.target(), operation, addr, (src, "src"), count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_exact_volatile_from_async(
                &self,
                addr: $crate::argument::Value,
                src: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::Value> {
                let operation = $crate::io_async::Operation::ReadExactFrom;
                $crate::io_async::start(self.target(), operation, addr, (src, "src"), count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_volatile_to_async(
                &self,
                addr: $crate::argument::Value,
                dst: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::Value> {
                let operation = $crate::io_async::Operation::WriteTo;
                $crate::io_async::start(self.target(), operation, addr, (dst, "dst"), count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_all_volatile_to_async(
                &self,
                addr: $crate::argument::Value,
                dst: $crate::argument::Value,
                count: $crate::argument::Value,
            ) -> $crate::error::Result<$crate::argument::Value> {
                let operation = $crate::io_async::Operation::WriteAllTo;
                $crate::io_async::start(self.target(), operation, addr, (dst, "dst"), count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn share(&self, env: napi::Env) -> $crate::error::Result<$crate::argument::Value> {
                let ticket = $crate::share::Shared::Memory(self.target()?);
                $crate::guest_memory::issue(env, ticket)
            }
        }
    };
}
pub(crate) use guest_memory;

/// `GuestMemory::get_slice`, as a slice that keeps its region mapped.
pub fn slice(memory: &Memory, address: GuestAddress, count: usize) -> Result<VolatileSlice> {
    let (region, offset) = memory
        .to_region_addr(address)
        .ok_or(GuestMemoryError::InvalidGuestAddress(address))?;
    #[allow(clippy::cast_possible_truncation)] // an offset within a mapping
    let offset = offset.raw_value() as usize;
    slice_of(&arc_of(region), offset, count).map(VolatileSlice::of)
}

/// An iterator of JavaScript over objects.
pub fn iterator(env: Env, objects: Vec<Handle>) -> Result<Value> {
    let array = environment::array(env.raw(), &objects)?;
    let values = array.property(c"values")?;
    values.call_on(array, &[])
}

/// A ticket as JavaScript sees it (`SharedMemory`).
pub fn issue(env: Env, what: share::Shared<Shared, Memory>) -> Result<Value> {
    let class = match what {
        share::Shared::Atomic(_) => c"GuestMemoryAtomic",
        share::Shared::Memory(_) => c"GuestMemoryMmap",
    };
    let id = TICKETS.issue(environment::number(), what);
    environment::ticket(env.raw(), class, &id)
}

/// The id of a ticket for `class`.
pub fn ticket_id(ticket: Value, class: &str) -> Result<String> {
    if ticket.kind() != ValueType::Object {
        return Err(ticket.must_be("ticket", "what share() returned"));
    }
    let is_text = |value: Value| value.kind() == ValueType::String;
    let (kind, id) = (ticket.property(c"type")?, ticket.property(c"id")?);
    if !is_text(kind) || !is_text(id) || kind.string("ticket.type")? != class {
        return Err(BindingError::invalid_ticket(class));
    }
    id.string("ticket.id")
}
