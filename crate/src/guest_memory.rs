//! Guest memory: look-ups and access by guest address (upstream `guest_memory.rs`).

use std::iter;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::ToNapiValue;
use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryError, MemoryRegionAddress};

use crate::memory::hints;
use crate::memory::mapping::{Memory, Region, arc_of};
use crate::memory::target::Pieces;
use crate::mmap::{GuestMemoryMmap, GuestRegionMmap, slice_of};
use crate::node::error::Result;
use crate::node::identity::Handle;
use crate::node::value::{BigU64, Number, Value};
use crate::node::{intrinsics, object};
use crate::volatile_memory::VolatileSlice;

/// Takes a guest address from an argument.
pub fn guest_address(value: Value, name: &str) -> Result<GuestAddress> {
    value.u64(name).map(GuestAddress)
}

/// Turns a guest address into a value for JavaScript.
pub fn bigint(address: GuestAddress) -> BigU64 {
    BigU64(address.raw_value())
}

/// Returns `[region, offset]` of a guest address.
pub fn region_and_offset(
    memory: &Memory,
    address: GuestAddress,
) -> Result<Option<(Handle, Number)>> {
    let Some((region, MemoryRegionAddress(offset))) = memory.to_region_addr(address) else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an offset within a mapping"
    )]
    let offset = Number(offset as usize);
    Ok(Some((GuestRegionMmap::intern(&arc_of(region))?, offset)))
}

/// Refuses addresses of which some were released.
pub fn check_released(memory: &Memory, address: GuestAddress, count: usize) -> Result<()> {
    Pieces::new(memory, address, count).try_for_each(|(region, ..)| region.bitmap().lease().check())
}

/// Calls upstream's `GuestMemory::try_access` with a callback of JavaScript, which may throw.
pub fn try_access(
    memory: &Memory,
    count: usize,
    address: GuestAddress,
    callback: Value,
) -> Result<Number> {
    let env = callback.env();
    check_released(memory, address, count)?;
    let mut thrown = None;
    let result = memory.try_access(count, address, |offset, length, region_offset, region| {
        let call = || -> Result<usize> {
            region.bitmap().lease().check()?;
            let region = GuestRegionMmap::intern(&arc_of(region))?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an offset within a mapping"
            )]
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

/// Does what upstream's `insert_region` does.
pub fn insert_region(memory: &Memory, region: &Arc<Region>) -> Result<Handle> {
    let larger = memory.insert_region(Arc::clone(region)).map_err(|error| {
        let regions = memory.iter().chain(iter::once(&**region));
        let mut ranges: Vec<_> = regions.map(hints::range_of).collect();
        // As upstream does, the new one behind another that begins where it does.
        ranges.sort_by_key(|[first, _]| *first);
        hints::of_regions(error, &ranges)
    });
    GuestMemoryMmap::make(larger?)
}

/// Does what upstream's `remove_region` does.
pub fn remove_region(
    memory: &Memory,
    base: GuestAddress,
    size: u64,
) -> Result<(Memory, Arc<Region>)> {
    memory
        .remove_region(base, size)
        .map_err(|error| hints::not_there(error, memory, base, size))
}

/// Makes the methods of `GuestMemory` on a class that has a method `target`, which returns the memory.
macro_rules! guest_memory {
    ($class:ident) => {
        #[expect(
            clippy::iter_not_returning_iterator,
            reason = "it is one of JavaScript"
        )]
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn memory(&self) -> Result<Handle> {
                GuestMemoryMmap::intern(&self.target()?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn insert_region(&self, region: Value) -> Result<Handle> {
                let memory = self.target()?;
                let region = region.instance::<GuestRegionMmap>("region")?;
                guest_memory::insert_region(&memory, region.region())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn remove_region(&self, base: Value, size: Value) -> Result<(Handle, Handle)> {
                let memory = self.target()?;
                let base = guest_memory::guest_address(base, "base")?;
                let (memory, region) =
                    guest_memory::remove_region(&memory, base, size.u64("size")?)?;
                Ok((
                    GuestMemoryMmap::make(memory)?,
                    GuestRegionMmap::intern(&region)?,
                ))
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn num_regions(&self) -> Result<Number> {
                Ok(Number(self.target()?.num_regions()))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn iter(&self, env: Env) -> Result<Value> {
                let regions = self
                    .target()?
                    .iter()
                    .map(|region| GuestRegionMmap::intern(&arc_of(region)))
                    .collect::<Result<Vec<_>>>()?;
                guest_memory::iterator(env, regions)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn find_region(&self, addr: Value) -> Result<Option<Handle>> {
                let memory = self.target()?;
                memory
                    .find_region(guest_memory::guest_address(addr, "addr")?)
                    .map(|region| GuestRegionMmap::intern(&arc_of(region)))
                    .transpose()
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn to_region_addr(&self, addr: Value) -> Result<Option<(Handle, Number)>> {
                let memory = self.target()?;
                guest_memory::region_and_offset(&memory, guest_memory::guest_address(addr, "addr")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn address_in_range(&self, addr: Value) -> Result<bool> {
                let memory = self.target()?;
                Ok(memory.address_in_range(guest_memory::guest_address(addr, "addr")?))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn check_address(&self, addr: Value) -> Result<Option<BigU64>> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                Ok(memory.check_address(addr).map(guest_memory::bigint))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn check_range(&self, base: Value, len: Value) -> Result<bool> {
                let memory = self.target()?;
                let base = guest_memory::guest_address(base, "base")?;
                Ok(memory.check_range(base, len.usize("len")?))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn checked_offset(&self, base: Value, offset: Value) -> Result<Option<BigU64>> {
                let memory = self.target()?;
                let base = guest_memory::guest_address(base, "base")?;
                let address = GuestMemory::checked_offset(&*memory, base, offset.usize("offset")?);
                Ok(address.map(guest_memory::bigint))
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn last_addr(&self) -> Result<BigU64> {
                Ok(guest_memory::bigint(self.target()?.last_addr()))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_host_address(&self, addr: Value) -> Result<BigU64> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                guest_memory::check_released(&memory, addr, 1)?;
                let address = GuestMemory::get_host_address(&*memory, addr)?;
                Ok(BigU64(address.addr() as u64))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_slice(&self, addr: Value, count: Value) -> Result<VolatileSlice> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                guest_memory::slice(&memory, addr, count.usize("count")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn try_access(&self, count: Value, addr: Value, callback: Value) -> Result<Number> {
                // The callback may let go of a guard: the memory is held here.
                let memory = self.target()?;
                let count = count.usize("count")?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                guest_memory::try_access(&memory, count, addr, callback.function("callback")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn views(&self, addr: Value, count: Value) -> Result<Vec<Handle>> {
                let memory = self.target()?;
                let addr = guest_memory::guest_address(addr, "addr")?;
                zero_copy::views(&memory, addr, count.usize("count")?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_volatile_from_async(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<Value> {
                let operation = Operation::Read;
                io_async::start(self.target(), operation, addr, src, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_exact_volatile_from_async(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<Value> {
                let operation = Operation::ReadExact;
                io_async::start(self.target(), operation, addr, src, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_volatile_to_async(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<Value> {
                let operation = Operation::Write;
                io_async::start(self.target(), operation, addr, dst, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_all_volatile_to_async(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<Value> {
                let operation = Operation::WriteAll;
                io_async::start(self.target(), operation, addr, dst, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn share(&self, env: Env) -> Result<Value> {
                let ticket = Ticketed::Memory(self.target()?);
                tickets::issue(env, ticket)
            }
        }
    };
}
pub(crate) use guest_memory;

/// Does what upstream's `GuestMemory::get_slice` does. The slice keeps its region mapped.
pub fn slice(memory: &Memory, address: GuestAddress, count: usize) -> Result<VolatileSlice> {
    let (region, offset) = memory
        .to_region_addr(address)
        .ok_or(GuestMemoryError::InvalidGuestAddress(address))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an offset within a mapping"
    )]
    let offset = offset.raw_value() as usize;
    let slice = slice_of(&arc_of(region), offset, count).map_err(|error| {
        let rule = "views() crosses regions, a slice does not";
        hints::of_place(error.at(address.raw_value(), count), || {
            hints::across(memory, address.raw_value(), count, rule)
        })
    })?;
    Ok(VolatileSlice::of(slice))
}

/// Makes an iterator of JavaScript over objects.
pub fn iterator(env: Env, objects: Vec<Handle>) -> Result<Value> {
    intrinsics::array_values(object::array(env.raw(), &objects)?)
}
