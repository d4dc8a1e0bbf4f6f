//! Mappings of host memory (upstream `mmap_unix.rs`).

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use napi::bindgen_prelude::This;
use napi::{JsValue, ValueType};
use operations::napi;

use crate::bitmap::AtomicBitmap;
use crate::file_offset::{FileOffset, with_borrowed_file};
use crate::host_pages::pages_of_mapping;
use crate::io::descriptor;
use crate::memory::construction::Plan;
use crate::memory::faults::{self, owners};
use crate::memory::hints;
use crate::memory::mapping::{Mapping, OwnedSlice, Owner, SharedMapping};
use crate::memory::tracking::{Tracked, host_page_size};
use crate::memory::zero_copy;
use crate::node::error::{BindingError, Result};
use crate::node::identity::{self, Handle};
use crate::node::object::check_new;
use crate::node::value::{BigU64, Number, Value};
use crate::volatile_memory::VolatileSlice;
use crate::volatile_ref::{AtomicRef, VolatileArrayRef, VolatileRef, references};

/// Protection: the memory cannot be accessed.
#[napi]
pub const PROT_NONE: i32 = libc::PROT_NONE;
/// Protection: the memory can be read.
#[napi]
pub const PROT_READ: i32 = libc::PROT_READ;
/// Protection: the memory can be written.
#[napi]
pub const PROT_WRITE: i32 = libc::PROT_WRITE;
/// Protection: the memory can be executed.
#[napi]
pub const PROT_EXEC: i32 = libc::PROT_EXEC;
/// Flag: other mappings of the file see writes, and the file gets them.
#[napi]
pub const MAP_SHARED: i32 = libc::MAP_SHARED;
/// Flag: only this mapping sees writes.
#[napi]
pub const MAP_PRIVATE: i32 = libc::MAP_PRIVATE;
/// Flag: puts the mapping at a given address. Every constructor here refuses it with `ERR_MAP_FIXED`.
#[napi]
pub const MAP_FIXED: i32 = libc::MAP_FIXED;
/// Flag: the memory belongs to no file, and starts as zeros.
#[napi]
pub const MAP_ANONYMOUS: i32 = libc::MAP_ANONYMOUS;
/// Flag: the host reserves no swap space.
#[napi]
pub const MAP_NORESERVE: i32 = libc::MAP_NORESERVE;
/// Flag: the memory is made of huge pages. Linux only; 0 elsewhere.
#[napi]
pub const MAP_HUGETLB: i32 = linux::HUGETLB;
/// Flag: the host makes all pages at once. Linux only; 0 elsewhere.
#[napi]
pub const MAP_POPULATE: i32 = linux::POPULATE;
/// Flag: the host does not swap the pages out. Linux only; 0 elsewhere.
#[napi]
pub const MAP_LOCKED: i32 = linux::LOCKED;

#[cfg(target_os = "linux")]
mod linux {
    pub use libc::{MAP_HUGETLB as HUGETLB, MAP_LOCKED as LOCKED, MAP_POPULATE as POPULATE};
}

#[cfg(not(target_os = "linux"))]
mod linux {
    pub const HUGETLB: i32 = 0;
    pub const LOCKED: i32 = 0;
    pub const POPULATE: i32 = 0;
}

/// Returns the number of bytes in a page of the host.
#[napi(catch_unwind)]
pub fn page_size() -> u32 {
    u32::try_from(host_page_size().get()).unwrap_or(u32::MAX)
}

/// The options of a constructor (`MappingOptions`).
#[derive(Clone, Copy, Default)]
pub struct Options {
    tracked: bool,
    recovers: bool,
}

impl Options {
    pub fn from_value(options: Value) -> Result<Self> {
        let Some(options) = options.options("options")? else {
            return Ok(Self::default());
        };
        let tracked = match options.property(c"bitmap")?.optional() {
            Some(bitmap) => bitmap.boolean("options.bitmap")?,
            None => false,
        };
        let recovers = match options.property(c"recoverFaults")?.optional() {
            Some(recovers) => recovers.boolean("options.recoverFaults")?,
            None => false,
        };
        if recovers {
            check_recovery()?;
        }
        Ok(Self { tracked, recovers })
    }

    /// Makes a mapping with these options.
    pub fn build(self, plan: Plan) -> Result<Mapping> {
        let plan = Plan {
            recovers: self.recovers,
            ..plan
        };
        let asked = plan.clone();
        plan.build(self.tracked)
            .map_err(|error| hints::of_mapping(error, &asked))
    }
}

/// Refuses the recovery from faults where there is none.
fn check_recovery() -> Result<()> {
    if faults::IS_SUPPORTED {
        return Ok(());
    }
    Err(BindingError::unsupported(
        "This platform cannot recover from faults",
    ))
}

/// Takes the host address of a mapping that other code made. Engines end the process when they make a buffer at 0.
fn raw_address(addr: Value) -> Result<usize> {
    match addr.usize("addr")? {
        0 => Err(addr.out_of_range("addr", "more than 0")),
        start => Ok(start),
    }
}

/// Makes a pointer to a mapping of `size` bytes. Upstream would compute the last address of an empty one with an
/// underflow.
fn raw_pointer(start: usize, size: usize) -> Result<*mut u8> {
    if size == 0 || start.checked_add(size).is_none() {
        return Err(BindingError::out_of_range(format!(
            "There is no mapping of {size} bytes at 0x{start:x}"
        )));
    }
    Ok(std::ptr::with_exposed_provenance_mut(start))
}

/// A mapping of host memory: anonymous memory, a file, or a mapping that other code made.
///
/// (`MmapRegion`)
///
/// @example
/// ```ts
/// import { GuestRegionMmap, MAP_ANONYMOUS, MAP_PRIVATE, MmapRegion, PROT_READ } from 'vm-memory'
///
/// const mapping = MmapRegion.build(null, 0x1000, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE)
/// const rom = new GuestRegionMmap(mapping, 0xf000_0000)
/// console.log(rom.readU8(0), rom.size) // 0 4096
/// ```
#[napi]
pub struct MmapRegion {
    shared: Arc<SharedMapping>,
}

impl MmapRegion {
    fn of(mapping: Mapping) -> Self {
        let shared = SharedMapping::new(mapping);
        owners::note_mapping(&shared);
        Self { shared }
    }

    /// Makes the object of a new mapping.
    fn make(mapping: Mapping) -> Result<Handle> {
        Self::intern(&Self::of(mapping).shared)
    }

    /// Returns the object that stands for a mapping in this thread.
    pub fn intern(shared: &Arc<SharedMapping>) -> Result<Handle> {
        identity::intern(shared, |shared| Self { shared })
    }

    pub fn shared(&self) -> &Arc<SharedMapping> {
        &self.shared
    }

    pub fn owner(&self) -> Owner {
        Owner::Mapping(Arc::clone(&self.shared))
    }

    fn whole(&self) -> Result<OwnedSlice> {
        self.owner().whole()
    }
}

#[napi]
impl MmapRegion {
    /// Maps private anonymous memory, which starts as zeros, for reading and writing. (`MmapRegion::new`)
    ///
    /// @param size bytes, more than 0
    /// @throws `ERR_MMAP` with `errno`
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "size: Usize, options?: MappingOptions"
    )]
    pub fn new(this: This, size: Value, options: Value) -> Result<Self> {
        check_new::<Self>("MmapRegion", &this)?;
        let size = size.usize("size")?;
        let options = Options::from_value(options)?;
        let made = options.build(Plan::anonymous(size)).map(Self::of)?;
        identity::register(&made.shared, this.object.raw())?;
        Ok(made)
    }

    /// Maps a part of a file, shared, for reading and writing. Sets the file's cursor to 0. (`MmapRegion::from_file`)
    ///
    /// @param size bytes, more than 0
    /// @throws `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`, `ERR_SEEK_END`, `ERR_SEEK_START`, `ERR_MMAP`
    #[napi(
        catch_unwind,
        ts_args_type = "file: FileOffset, size: Usize, options?: MappingOptions",
        ts_return_type = "MmapRegion"
    )]
    pub fn from_file(file: Value, size: Value, options: Value) -> Result<Handle> {
        let file = FileOffset::from_value(file, "file")?.upstream()?;
        let size = size.usize("size")?;
        let options = Options::from_value(options)?;
        options
            .build(Plan::of_file(file, size))
            .and_then(Self::make)
    }

    /// Maps memory with any protection and flags. (`MmapRegion::build`)
    ///
    /// @param file the file that is mapped, `null` for anonymous memory
    /// @param size bytes, more than 0
    /// @param prot `PROT_…` bits
    /// @param flags `MAP_…` bits
    /// @throws `ERR_MAP_FIXED` for `MAP_FIXED` and `MAP_FIXED_NOREPLACE`, and what `fromFile` throws
    #[napi(
        catch_unwind,
        ts_args_type = "file: FileOffset | null, size: Usize, prot: number, flags: number, options?: MappingOptions",
        ts_return_type = "MmapRegion"
    )]
    pub fn build(
        file: Value,
        size: Value,
        prot: Value,
        flags: Value,
        options: Value,
    ) -> Result<Handle> {
        let file = FileOffset::optional(file)?;
        let size = size.usize("size")?;
        let prot = prot.flags("prot")?;
        let flags = flags.flags("flags")?;
        let plan = Plan {
            prot,
            flags,
            file,
            ..Plan::new(size)
        };
        let options = Options::from_value(options)?;
        options.build(plan).and_then(Self::make)
    }

    /// Wraps a mapping that other code made, and will unmap. (`MmapRegion::build_raw`)
    ///
    /// Unsafe: nothing checks that there are `size` bytes at `addr` with that protection. The bytes must stay mapped
    /// for as long as the result, or a region, slice or buffer of it, is used.
    ///
    /// @param addr the host address, a multiple of the page size
    /// @param size bytes, more than 0
    /// @throws `ERR_INVALID_POINTER`; `ERR_OUT_OF_RANGE` if `addr` is 0, or if no `size` bytes follow it
    #[napi(
        catch_unwind,
        ts_args_type = "addr: bigint, size: Usize, prot: number, flags: number",
        ts_return_type = "MmapRegion"
    )]
    pub fn build_raw(addr: Value, size: Value, prot: Value, flags: Value) -> Result<Handle> {
        let start = raw_address(addr)?;
        let size = size.usize("size")?;
        let plan = Plan {
            raw: Some(raw_pointer(start, size)?),
            prot: prot.flags("prot")?,
            flags: flags.flags("flags")?,
            ..Plan::new(size)
        };
        Self::make(plan.build(false)?)
    }

    /// Sets the value of `isHugetlbfs`; does not change the mapping. (`MmapRegion::set_hugetlbfs`)
    ///
    /// @throws `ERR_MOVED` once a region has taken the mapping over
    #[napi(catch_unwind, ts_args_type = "hugetlbfs: boolean")]
    pub fn set_hugetlbfs(&self, hugetlbfs: Value) -> Result<()> {
        self.shared.set_hugetlbfs(hugetlbfs.boolean("hugetlbfs")?)
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn get_slice(&self, offset: Value, count: Value) -> Result<VolatileSlice> {
        let (offset, count) = (offset.usize("offset")?, count.usize("count")?);
        self.owner().slice(offset, count).map(VolatileSlice::of)
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn as_volatile_slice(&self) -> Result<VolatileSlice> {
        self.whole().map(VolatileSlice::of)
    }
}

/// Takes a mapping, or the mapping of a region, from an argument.
pub fn owner_of(value: Value, name: &str) -> Result<Owner> {
    if let Some(mapping) = value.try_instance::<MmapRegion>() {
        return Ok(mapping.owner());
    }
    if let Some(region) = value.try_instance::<crate::mmap::GuestRegionMmap>() {
        return Ok(region.owner());
    }
    Err(value.must_be(name, "a MmapRegion or a GuestRegionMmap"))
}

/// Does what upstream's `fds_overlap` does.
pub fn fds_overlap(owner: &Owner, other: Value) -> Result<bool> {
    let other = owner_of(other, "other")?;
    let extent = |owner: &Owner| {
        owner.with(|mapping| {
            let file = mapping.bitmap().lease().file();
            file.map(|file| (file, mapping.size()))
        })
    };
    let (Some((file, size)), Some((other_file, other_size))) = (extent(owner)?, extent(&other)?)
    else {
        return Ok(false);
    };
    if file.file().as_raw_fd() != other_file.file().as_raw_fd() {
        return Ok(false);
    }
    // Locks of two mappings are never held together, so upstream's method is not called; its sums
    // wrap as they do in a release build.
    let (start, other_start) = (file.start(), other_file.start());
    Ok(if start < other_start {
        start.wrapping_add(size as u64) > other_start
    } else {
        other_start.wrapping_add(other_size as u64) > start
    })
}

/// Makes the methods of `Mapping` on a class that has a method `owner`, which returns the mapping.
macro_rules! mapping {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn len(&self) -> Result<Number> {
                self.owner().with(Mapping::size).map(Number)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn is_empty(&self) -> Result<bool> {
                self.owner().with(|mapping| mapping.size() == 0)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn size(&self) -> Result<Number> {
                self.owner().with(Mapping::size).map(Number)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn prot(&self) -> Result<i32> {
                self.owner().with(Mapping::prot)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn flags(&self) -> Result<i32> {
                self.owner().with(Mapping::flags)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn owned(&self) -> Result<bool> {
                self.owner().with($crate::memory::mapping::is_owned)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn file_offset(&self) -> Result<Option<Handle>> {
                self.owner()
                    .lease()?
                    .file()
                    .map(FileOffset::make)
                    .transpose()
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn is_hugetlbfs(&self) -> Result<Option<bool>> {
                self.owner().with(Mapping::is_hugetlbfs)
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn bitmap(&self) -> Result<Option<Handle>> {
                self.owner()
                    .with(|mapping| mapping.bitmap().as_ref().cloned())?
                    .map(AtomicBitmap::of_mapping)
                    .transpose()
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn recover_faults(&self) -> Result<bool> {
                self.owner()
                    .with(|mapping| mapping.bitmap().recovery().is_some())
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn faults(&self, env: napi::Env) -> Result<Value> {
                $crate::faults::list(env.raw(), &self.owner())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn heal_faults(&self) -> Result<()> {
                $crate::faults::heal(&self.owner())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn as_ptr(&self) -> Result<BigU64> {
                self.owner().lease()?.check()?;
                self.owner()
                    .with(|mapping| BigU64(mapping.as_ptr().addr() as u64))
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn fds_overlap(&self, other: Value) -> Result<bool> {
                fds_overlap(&self.owner(), other)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn release(&self) -> Result<()> {
                $crate::memory::release::release(&self.owner())
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn is_released(&self) -> Result<bool> {
                Ok(self.owner().lease()?.has_ended())
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn buffer(&self) -> Result<Handle> {
                zero_copy::buffer(&self.owner())
            }

            #[napi(getter, skip_typescript, catch_unwind)]
            pub fn shared_buffer(&self) -> Result<Handle> {
                zero_copy::shared_buffer(&self.owner())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn as_uint8_array(&self, offset: Value, length: Value) -> Result<Handle> {
                zero_copy::view_of_mapping(&self.owner(), offset, length)
            }
        }
    };
}
pub(crate) use mapping;

mapping! { MmapRegion }
pages_of_mapping! { MmapRegion }
references! { MmapRegion }

/// Builds a mapping step by step.
///
/// Starts with `PROT_NONE` and `MAP_ANONYMOUS | MAP_PRIVATE`. After `build` every method throws
/// `ERR_MOVED`. (`MmapRegionBuilder`)
///
/// @example
/// ```ts
/// import { MAP_ANONYMOUS, MAP_PRIVATE, MmapRegionBuilder, PROT_READ, PROT_WRITE } from 'vm-memory'
///
/// const builder = new MmapRegionBuilder(0x1000).withMmapProt(PROT_READ | PROT_WRITE)
/// const mapping = builder.withMmapFlags(MAP_ANONYMOUS | MAP_PRIVATE).build()
/// console.log(mapping.size) // 4096
/// ```
#[napi]
pub struct MmapRegionBuilder {
    /// None once the mapping was built.
    plan: RefCell<Option<(Plan, Option<Tracked>)>>,
}

impl MmapRegionBuilder {
    fn of(size: usize, bitmap: Option<Tracked>) -> Self {
        Self {
            plan: RefCell::new(Some((Plan::new(size), bitmap))),
        }
    }

    /// Checks that the mapping was not built yet. Returns its size.
    fn check_not_built(&self) -> Result<usize> {
        match &*self.plan.borrow() {
            Some((plan, _)) => Ok(plan.size),
            None => Err(BindingError::moved("MmapRegionBuilder")),
        }
    }

    /// Does one step, and returns this builder.
    fn step(&self, this: &This, step: impl FnOnce(&mut Plan)) -> Result<Handle> {
        match &mut *self.plan.borrow_mut() {
            Some((plan, _)) => step(plan),
            None => return Err(BindingError::moved("MmapRegionBuilder")),
        }
        Ok(Handle(this.object.raw()))
    }
}

#[napi]
impl MmapRegionBuilder {
    /// Makes a builder of a mapping whose writes are not tracked. (`MmapRegionBuilder::new`)
    ///
    /// @param size bytes
    #[napi(constructor, catch_unwind, ts_args_type = "size: Usize")]
    pub fn new(this: This, size: Value) -> Result<Self> {
        check_new::<Self>("MmapRegionBuilder", &this)?;
        Ok(Self::of(size.usize("size")?, None))
    }

    /// Makes a builder of a mapping whose writes are tracked by `bitmap`, which becomes part of the mapping.
    /// (`MmapRegionBuilder::new_with_bitmap`)
    ///
    /// @param size bytes
    /// @throws `ERR_MOVED` if the bitmap is part of a builder or mapping
    #[napi(
        catch_unwind,
        ts_args_type = "size: Usize, bitmap: AtomicBitmap",
        ts_return_type = "MmapRegionBuilder"
    )]
    pub fn new_with_bitmap(size: Value, bitmap: Value) -> Result<Handle> {
        let size = size.usize("size")?;
        identity::object_of(Self::of(size, Some(AtomicBitmap::give_away(bitmap)?)))
    }

    /// Sets the protection. (`MmapRegionBuilder::with_mmap_prot`)
    ///
    /// @param prot `PROT_…` bits
    /// @throws `ERR_MOVED` after `build`
    #[napi(catch_unwind, ts_args_type = "prot: number", ts_return_type = "this")]
    pub fn with_mmap_prot(&self, this: This, prot: Value) -> Result<Handle> {
        self.check_not_built()?;
        let prot = prot.flags("prot")?;
        self.step(&this, |plan| plan.prot = prot)
    }

    /// Sets the flags. (`MmapRegionBuilder::with_mmap_flags`)
    ///
    /// @param flags `MAP_…` bits
    /// @throws `ERR_MOVED` after `build`
    #[napi(catch_unwind, ts_args_type = "flags: number", ts_return_type = "this")]
    pub fn with_mmap_flags(&self, this: This, flags: Value) -> Result<Handle> {
        self.check_not_built()?;
        let flags = flags.flags("flags")?;
        self.step(&this, |plan| plan.flags = flags)
    }

    /// Sets the file that is mapped. (`MmapRegionBuilder::with_file_offset`)
    ///
    /// @throws `ERR_MOVED` after `build`
    #[napi(
        catch_unwind,
        ts_args_type = "file: FileOffset",
        ts_return_type = "this"
    )]
    pub fn with_file_offset(&self, this: This, file: Value) -> Result<Handle> {
        self.check_not_built()?;
        let file = FileOffset::from_value(file, "file")?.upstream()?;
        self.step(&this, |plan| plan.file = Some(file))
    }

    /// Sets the value of `isHugetlbfs`. (`MmapRegionBuilder::with_hugetlbfs`)
    ///
    /// @throws `ERR_MOVED` after `build`
    #[napi(
        catch_unwind,
        ts_args_type = "hugetlbfs: boolean",
        ts_return_type = "this"
    )]
    pub fn with_hugetlbfs(&self, this: This, hugetlbfs: Value) -> Result<Handle> {
        self.check_not_built()?;
        let hugetlbfs = hugetlbfs.boolean("hugetlbfs")?;
        self.step(&this, |plan| plan.hugetlbfs = Some(hugetlbfs))
    }

    /// Wraps a mapping that other code made, and will unmap. Unsafe, see `MmapRegion.buildRaw`.
    /// (`MmapRegionBuilder::with_raw_mmap_pointer`)
    ///
    /// @param addr the host address, a multiple of the page size
    /// @throws `ERR_MOVED` after `build`; `ERR_OUT_OF_RANGE` as `MmapRegion.buildRaw`
    #[napi(catch_unwind, ts_args_type = "addr: bigint", ts_return_type = "this")]
    pub fn with_raw_mmap_pointer(&self, this: This, addr: Value) -> Result<Handle> {
        let size = self.check_not_built()?;
        let start = raw_pointer(raw_address(addr)?, size)?;
        self.step(&this, |plan| plan.raw = Some(start))
    }

    /// Sets whether the loss of a page is survived: see `recoverFaults` of `MappingOptions`. Not upstream.
    ///
    /// @throws `ERR_MOVED` after `build`; `ERR_UNSUPPORTED` where the platform cannot
    #[napi(
        catch_unwind,
        ts_args_type = "recover: boolean",
        ts_return_type = "this"
    )]
    pub fn with_recover_faults(&self, this: This, recover: Value) -> Result<Handle> {
        self.check_not_built()?;
        let recovers = recover.boolean("recover")?;
        if recovers {
            check_recovery()?;
        }
        self.step(&this, |plan| plan.recovers = recovers)
    }

    /// Makes the mapping; consumes the builder. (`MmapRegionBuilder::build`)
    ///
    /// @throws `ERR_MOVED` the second time; `ERR_MAP_FIXED`, `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`,
    /// `ERR_SEEK_END`, `ERR_SEEK_START`, `ERR_MMAP`, `ERR_INVALID_POINTER`; `ERR_UNSUPPORTED` for a raw mapping that
    /// is to recover from faults
    #[napi(catch_unwind, ts_return_type = "MmapRegion")]
    pub fn build(&self) -> Result<Handle> {
        let plan = self.plan.take();
        let (plan, bitmap) = plan.ok_or_else(|| BindingError::moved("MmapRegionBuilder"))?;
        if plan.recovers && plan.raw.is_some() {
            return Err(BindingError::unsupported(
                "A mapping that other code made cannot recover from faults",
            ));
        }
        let asked = plan.clone();
        let mapping = plan
            .build_with(bitmap)
            .map_err(|error| hints::of_mapping(error, &asked))?;
        MmapRegion::make(mapping)
    }
}

/// Checks whether `size` bytes at `file` can be mapped, and throws what the mapping would throw. Sets the file's cursor
/// to 0. (`check_file_offset`)
///
/// @param file a `FileOffset`, or any object with `start` and `fd`; that descriptor is used for this call alone
/// @throws `ERR_INVALID_OFFSET_LENGTH`, `ERR_MAPPING_PAST_EOF`, `ERR_SEEK_END`, `ERR_SEEK_START`
// Not the class as it is: declarations that were made before it had `dispose` are to fit.
#[napi(
    catch_unwind,
    ts_args_type = "file: Pick<FileOffset, 'start' | 'fd'>, size: Usize"
)]
pub fn check_file_offset(file: Value, size: Value) -> Result<()> {
    if let Some(file) = file.try_instance::<FileOffset>() {
        let (file, size) = (file.upstream()?, size.usize("size")?);
        return Ok(vm_memory::mmap::check_file_offset(&file, size)?);
    }
    if file.kind() != ValueType::Object {
        return Err(file.must_be("file", "a FileOffset or an object with `start` and `fd`"));
    }
    let start = file.property(c"start")?.u64("file.start")?;
    let fd = descriptor(file.property(c"fd")?, "file.fd")?;
    let size = size.usize("size")?;
    with_borrowed_file(fd, start, |file| {
        Ok(vm_memory::mmap::check_file_offset(file, size)?)
    })
}
