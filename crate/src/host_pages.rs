//! What mappings and memory ask of the host about their pages. Not upstream.

use napi::ValueType;
use napi::sys;
use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion};

use crate::memory::mapping::{Access, Mapping, Memory, Owner, arc_of};
use crate::memory::pages::advice::{self, ADVICE};
use crate::memory::pages::extent::{self, Extent};
use crate::memory::pages::kind::{Kind, Pages};
use crate::memory::pages::prefault::{self, Wanted};
use crate::memory::pages::{data, discard, flush, lock, resident};
use crate::memory::tracking::host_page_size;
use crate::node::error::{BindingError, Error, Result};
use crate::node::job;
use crate::node::native_thread;
use crate::node::object::pairs;
use crate::node::value::{BigU64, Number, Value};

/// Takes an optional length or offset.
fn optional_usize(value: Value, name: &str) -> Result<Option<usize>> {
    value.optional().map(|value| value.usize(name)).transpose()
}

/// Takes pages of a mapping; by default all from `offset` on.
pub fn extent_of_mapping(owner: Owner, offset: usize, count: Option<usize>) -> Result<Extent> {
    let size = owner.with(Mapping::size)?;
    // An offset beyond the end is refused as that of a slice.
    let count = count.unwrap_or(size.saturating_sub(offset));
    owner
        .slice(offset, count)
        .map_err(|error| match (&owner, error) {
            (Owner::Region(_), Error::VolatileMemory(error)) => {
                Error::from(GuestMemoryError::from(error)).at(offset as u64, count)
            }
            (_, error) => error,
        })?;
    Extent::new(owner, offset, count, None)
}

/// Takes `offset` and `count` of an object of options.
pub fn extent_by_options(owner: Owner, options: Option<Value>) -> Result<Extent> {
    let (mut offset, mut count) = (None, None);
    if let Some(options) = options {
        offset = optional_usize(options.property(c"offset")?, "options.offset")?;
        count = optional_usize(options.property(c"count")?, "options.count")?;
    }
    extent_of_mapping(owner, offset.unwrap_or(0), count)
}

/// Takes the boolean option `name`.
pub fn flag(options: Option<Value>, name: &std::ffi::CStr, text: &str) -> Result<Option<bool>> {
    let Some(options) = options else {
        return Ok(None);
    };
    let value = options.property(name)?.optional();
    value.map(|value| value.boolean(text)).transpose()
}

pub fn page_size(owner: &Owner) -> Result<Number> {
    let huge = owner.with(|mapping| mapping.bitmap().lease().huge_page(mapping.flags()))??;
    Ok(Number(huge.unwrap_or(host_page_size().get())))
}

pub fn resident_size(owner: &Owner) -> Result<Number> {
    if owner.lease()?.has_ended() {
        return Ok(Number(0));
    }
    Ok(Number(resident::size(&owner.with(Pages::of)??)?))
}

pub fn discard(owner: Owner, offset: Value, count: Value) -> Result<()> {
    let (offset, count) = (offset.usize("offset")?, count.usize("count")?);
    let extent = extent_of_mapping(owner, offset, Some(count))?;
    discard::discard(&[extent])
}

pub fn discard_memory(memory: &Memory, addr: Value, count: Value) -> Result<()> {
    let addr = GuestAddress(addr.u64("addr")?);
    discard::discard(&extent::of_range(memory, addr, count.usize("count")?)?)
}

/// Takes the name of advice.
fn advice(value: Value) -> Result<i32> {
    let name = value.short_string(&mut [0; 16]).and_then(|name| {
        let mut all = ADVICE.iter();
        all.find(|(known, _)| *known == name)
    });
    match name {
        Some((_, Some(advice))) => Ok(*advice),
        Some((name, None)) => Err(BindingError::unsupported(format!(
            "There is no advice '{name}' on this platform"
        ))),
        None if value.kind() == ValueType::String => {
            Err(value.out_of_range("advice", "the name of an advice"))
        }
        None => Err(value.must_be("advice", "the name of an advice")),
    }
}

pub fn advise(owner: Owner, advice: Value, offset: Value, count: Value) -> Result<()> {
    let advice = self::advice(advice)?;
    let offset = optional_usize(offset, "offset")?.unwrap_or(0);
    let count = optional_usize(count, "count")?;
    let extent = extent_of_mapping(owner, offset, count)?;
    Ok(advice::advise(&extent, advice)?)
}

pub fn advise_memory(memory: &Memory, advice: Value, addr: Value, count: Value) -> Result<()> {
    let advice = self::advice(advice)?;
    let addr = addr.optional().map(|addr| addr.u64("addr")).transpose()?;
    let count = optional_usize(count, "count")?;
    for extent in extent::of_memory(memory, addr.map(GuestAddress), count)? {
        advice::advise(&extent, advice)?;
    }
    Ok(())
}

pub fn lock_pages(owner: Owner, options: Value) -> Result<()> {
    let options = options.options("options")?;
    let extent = extent_by_options(owner, options)?;
    let on_fault = flag(options, c"onFault", "options.onFault")?;
    lock::lock(&extent, on_fault.unwrap_or(false))
}

pub fn unlock_pages(owner: Owner, options: Value) -> Result<()> {
    let extent = extent_by_options(owner, options.options("options")?)?;
    Ok(lock::unlock(&extent)?)
}

/// Takes the options of `prefault` that are about all kinds of memory.
fn wanted(extents: Vec<Extent>, options: Option<Value>) -> Result<(Vec<Wanted>, usize)> {
    let write = flag(options, c"write", "options.write")?;
    let threads = match options {
        Some(options) => match options.property(c"threads")?.optional() {
            Some(threads) => match threads.usize("options.threads")? {
                0 => return Err(threads.out_of_range("options.threads", "1 or more")),
                threads => threads,
            },
            None => 1,
        },
        None => 1,
    };
    let wanted = extents.into_iter().map(|extent| {
        // Of a private mapping of a file, written pages are copies.
        let access = if write.unwrap_or(!extent.is_private_file()?) {
            Access::Write
        } else {
            Access::Read
        };
        let wanted = Wanted { extent, access };
        wanted.check().map(|()| wanted)
    });
    let threads = threads.min(native_thread::processors());
    Ok((wanted.collect::<Result<_>>()?, threads))
}

fn prepare_prefault((wanted, threads): (Vec<Wanted>, usize)) -> Result<usize> {
    job::prepare("prefault", 0, true, move |progress| {
        prefault::prefault(&wanted, threads, progress)?;
        wanted.iter().try_for_each(Wanted::check)?;
        Ok(job::nothing())
    })
}

/// Prepares `prefault` of a mapping. Returns the number of the job.
pub fn prefault(owner: Owner, options: Option<Value>) -> Result<usize> {
    let extent = extent_by_options(owner, options)?;
    prepare_prefault(wanted(vec![extent], options)?)
}

/// Prepares `prefault` of guest memory. Returns the number of the job.
pub fn prefault_memory(memory: &Memory, options: Option<Value>) -> Result<usize> {
    let (mut addr, mut count) = (None, None);
    if let Some(options) = options {
        let value = options.property(c"addr")?.optional();
        addr = value.map(|addr| addr.u64("options.addr")).transpose()?;
        count = optional_usize(options.property(c"count")?, "options.count")?;
    }
    let extents = extent::of_memory(memory, addr.map(GuestAddress), count)?;
    prepare_prefault(wanted(extents, options)?)
}

/// Prepares `flush`. Returns the number of the job.
pub fn flush(owner: Owner, options: Option<Value>) -> Result<usize> {
    let extent = extent_by_options(owner, options)?;
    extent.watch()?.end()?;
    // The disk takes its time, and nothing is harmed by what it still gets.
    job::prepare("flush", 0, false, move |_| {
        flush::flush(&extent)?;
        Ok(job::nothing())
    })
}

pub fn data_ranges(env: sys::napi_env, owner: &Owner) -> Result<Value> {
    let ranges = data::unless_lost(&owner.with(Pages::of)??, None, data::ranges)?;
    pairs(
        env,
        ranges
            .into_iter()
            .map(|range| (Number(range.start), Number(range.len()))),
    )
}

pub fn data_ranges_of_memory(env: sys::napi_env, memory: &Memory) -> Result<Value> {
    let mut all = Vec::new();
    for region in memory.iter() {
        let pages = Owner::Region(arc_of(region)).with(Pages::of)??;
        let start = region.start_addr().raw_value();
        for range in data::unless_lost(&pages, Some(start), data::ranges)? {
            all.push((BigU64(start + range.start as u64), Number(range.len())));
        }
    }
    pairs(env, all)
}

/// Returns what was written to private mappings of files since they were mapped.
pub fn changed_ranges(env: sys::napi_env, memory: &Memory) -> Result<Value> {
    let mut mappings = Vec::new();
    for region in memory.iter() {
        let pages = Owner::Region(arc_of(region)).with(Pages::of)??;
        if pages.kind != Kind::PrivateFile {
            return Err(BindingError::unsupported(format!(
                "What was written can be told of private mappings of files alone: the region at 0x{:x} is none",
                region.start_addr().raw_value()
            )));
        }
        mappings.push((region.start_addr().raw_value(), pages));
    }
    let mut all = Vec::new();
    for (start, pages) in mappings {
        for range in data::unless_lost(&pages, Some(start), data::changed)? {
            all.push((BigU64(start + range.start as u64), Number(range.len())));
        }
    }
    pairs(env, all)
}

/// Makes the methods of mappings that are about their pages.
macro_rules! pages_of_mapping {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn page_size(&self) -> Result<Number> {
                $crate::host_pages::page_size(&self.owner())
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn resident_size(&self) -> Result<Number> {
                $crate::host_pages::resident_size(&self.owner())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn data_ranges(&self, env: napi::Env) -> Result<Value> {
                $crate::host_pages::data_ranges(env.raw(), &self.owner())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn discard(&self, offset: Value, count: Value) -> Result<()> {
                $crate::host_pages::discard(self.owner(), offset, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn advise(&self, advice: Value, offset: Value, count: Value) -> Result<()> {
                $crate::host_pages::advise(self.owner(), advice, offset, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn lock_pages(&self, options: Value) -> Result<()> {
                $crate::host_pages::lock_pages(self.owner(), options)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn unlock_pages(&self, options: Value) -> Result<()> {
                $crate::host_pages::unlock_pages(self.owner(), options)
            }
        }
    };
}
pub(crate) use pages_of_mapping;

/// Makes the methods of guest memory that are about its pages.
macro_rules! pages_of_memory {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn data_ranges(&self, env: napi::Env) -> Result<Value> {
                $crate::host_pages::data_ranges_of_memory(env.raw(), &*self.target()?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn changed_ranges(&self, env: napi::Env) -> Result<Value> {
                $crate::host_pages::changed_ranges(env.raw(), &*self.target()?)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn discard(&self, addr: Value, count: Value) -> Result<()> {
                $crate::host_pages::discard_memory(&*self.target()?, addr, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn advise(&self, advice: Value, addr: Value, count: Value) -> Result<()> {
                $crate::host_pages::advise_memory(&*self.target()?, advice, addr, count)
            }
        }
    };
}
pub(crate) use pages_of_memory;
