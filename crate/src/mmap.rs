//! Regions of guest memory (upstream `mmap.rs`).

use std::sync::Arc;

use napi::bindgen_prelude::This;
use napi::{Env, JsValue};
use operations::napi;
use sync::tickets::Ticketed;
use vm_memory::{
    Address, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion, MemoryRegionAddress,
    VolatileMemoryError,
};

use crate::bitmap::AtomicBitmap;
use crate::bytes::{self, byte_access};
use crate::file_offset::{FileOffset, Files};
use crate::guest_memory::{self, guest_memory};
use crate::host_pages::{flag, pages_of_mapping, pages_of_memory};
use crate::io::{self, Operation, Parts, volatile_transfer};
use crate::io_async;
use crate::memory::construction::Plan;
use crate::memory::faults::owners;
use crate::memory::hints;
use crate::memory::mapping::{Mapping, Memory, OwnedSlice, Owner, Region, arc_of};
use crate::memory::zero_copy;
use crate::mmap_unix::{MmapRegion, Options, fds_overlap, mapping};
use crate::node::error::{BindingError, Error, Result};
use crate::node::identity::{self, Handle};
use crate::node::object::{check_new, check_plain};
use crate::node::scalar::ScalarValue;
use crate::node::value::{BigU64, Number, Value};
use crate::snapshot;
use crate::tickets::{self, TICKETS, ticket_id};
use crate::volatile_memory::VolatileSlice;
use crate::volatile_ref::{AtomicRef, VolatileArrayRef, VolatileRef, references};
use crate::writes::{self, writes};

/// The options of what maps ranges (`RangeOptions`).
#[derive(Clone, Copy, Default)]
struct RangeOptions {
    mapping: Options,
    prot: Option<i32>,
    is_private: bool,
}

impl RangeOptions {
    fn from_value(value: Value) -> Result<Self> {
        let mapping = Options::from_value(value)?;
        let Some(options) = value.options("options")? else {
            return Ok(Self::default());
        };
        let prot = options.property(c"prot")?.optional();
        let is_private = flag(Some(options), c"private", "options.private")?;
        Ok(Self {
            mapping,
            prot: prot.map(|prot| prot.flags("options.prot")).transpose()?,
            is_private: is_private.unwrap_or(false),
        })
    }

    /// Returns the settings of upstream's `GuestRegionMmap::from_range`, with what the options change of them.
    fn plan(self, size: usize, file: Option<vm_memory::FileOffset>) -> Result<Plan> {
        let mut plan = match file {
            Some(file) => Plan::of_file(file, size),
            None if self.is_private => {
                return Err(BindingError::out_of_range(
                    "The value of \"options.private\" is out of range. It must be false where there is no file. Received true",
                ));
            }
            None => Plan::anonymous(size),
        };
        if let Some(prot) = self.prot {
            plan.prot = prot;
        }
        if self.is_private {
            plan.flags = plan.flags & !libc::MAP_SHARED | libc::MAP_PRIVATE;
        }
        Ok(plan)
    }

    /// Does what upstream's `GuestRegionMmap::from_range` does.
    fn map(self, plan: Plan, addr: GuestAddress) -> Result<Region> {
        let size = plan.size as u64;
        let mapping = self.mapping.build(plan)?;
        Region::new(mapping, addr).map_err(|error| hints::no_such_region(error, addr, size))
    }
}

/// A mapping at a guest address, immutable and shared. In one thread, the same region is always the same object.
/// Offsets are relative to the start of the region.
///
/// (`GuestMemoryRegion` and `GuestRegionMmap`, which dereferences to its `MmapRegion`)
///
/// @example
/// ```ts
/// import { GuestRegionMmap } from 'vm-memory'
///
/// const region = GuestRegionMmap.fromRange(0x8000, 0x1000)
/// region.writeU8(1, 0x10)
/// console.log(region.startAddr, new Uint8Array(region.buffer)[0x10]) // 32768n 1
/// ```
#[napi]
pub struct GuestRegionMmap {
    region: Arc<Region>,
}

impl GuestRegionMmap {
    /// Returns the object that stands for a region in this thread.
    pub fn intern(region: &Arc<Region>) -> Result<Handle> {
        identity::intern(region, |region| Self { region })
    }

    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    pub fn owner(&self) -> Owner {
        Owner::Region(Arc::clone(&self.region))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "as the macros call it on every class"
    )]
    fn target(&self) -> Result<&Region> {
        Ok(&self.region)
    }

    fn whole(&self) -> Result<OwnedSlice> {
        self.owner().whole()
    }
}

byte_access! { GuestRegionMmap }
volatile_transfer! { GuestRegionMmap }
mapping! { GuestRegionMmap }
pages_of_mapping! { GuestRegionMmap }
references! { GuestRegionMmap }

#[napi]
impl GuestRegionMmap {
    /// Puts a mapping at a guest address. The region takes `mapping` over: the object stays readable, but cannot be
    /// given to another region. (`GuestRegionMmap::new`)
    ///
    /// @throws `ERR_MOVED` if the mapping is part of a region; `ERR_INVALID_GUEST_REGION` if the region would reach
    /// 2^64, and then the mapping is not taken over
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "mapping: MmapRegion, guestBase: U64"
    )]
    pub fn new(this: This, mapping: Value, guest_base: Value) -> Result<Self> {
        check_new::<Self>("GuestRegionMmap", &this)?;
        let mapping = mapping.instance::<MmapRegion>("mapping")?;
        let guest_base = GuestAddress(guest_base.u64("guestBase")?);
        let region = mapping.shared().move_into_region(guest_base)?;
        owners::note_region(&region);
        identity::register(&region, this.object.raw())?;
        Ok(Self { region })
    }

    /// Maps `size` bytes, of a file or anonymous, and puts them at a guest address. (`GuestRegionMmap::from_range`)
    ///
    /// @param addr guest address of the first byte
    /// @param size bytes, more than 0
    /// @param file the file that is mapped, as in a `GuestRange`; null or absent for anonymous memory
    /// @throws `ERR_INVALID_GUEST_REGION`, `ERR_OUT_OF_RANGE` for `private` without a file, and what `MmapRegion.fromFile`
    /// throws
    ///
    /// @example
    /// ```ts
    /// import { GuestRegionMmap, PROT_READ } from 'vm-memory'
    ///
    /// const rom = GuestRegionMmap.fromRange(0xf000_0000, 0x1000, null, { prot: PROT_READ })
    /// console.log(rom.readU8(0)) // 0
    /// ```
    #[napi(
        catch_unwind,
        ts_args_type = "addr: U64, size: Usize, file?: FileOffset | FileLike | null, options?: RangeOptions",
        ts_return_type = "GuestRegionMmap"
    )]
    pub fn from_range(addr: Value, size: Value, file: Value, options: Value) -> Result<Handle> {
        let addr = GuestAddress(addr.u64("addr")?);
        let size = size.usize("size")?;
        let file = Files::default().take(file)?;
        let options = RangeOptions::from_value(options)?;
        let region = Arc::new(options.map(options.plan(size, file)?, addr)?);
        owners::note_region(&region);
        Self::intern(&region)
    }

    /// The guest address of the first byte. (`start_addr`)
    #[napi(getter, catch_unwind, ts_return_type = "bigint")]
    pub fn start_addr(&self) -> BigU64 {
        BigU64(self.region.start_addr().raw_value())
    }

    /// The guest address of the last byte. (`last_addr`)
    #[napi(getter, catch_unwind, ts_return_type = "bigint")]
    pub fn last_addr(&self) -> BigU64 {
        BigU64(self.region.last_addr().raw_value())
    }

    /// Returns `offset` if it is within the region, or null. (`check_address`)
    #[napi(
        catch_unwind,
        ts_args_type = "offset: Usize",
        ts_return_type = "number | null"
    )]
    pub fn check_address(&self, offset: Value) -> Result<Option<Number>> {
        let offset = offset.u64("offset")?;
        Ok(number(
            self.region.check_address(MemoryRegionAddress(offset)),
        ))
    }

    /// Checks whether `offset` is within the region. (`address_in_range`)
    #[napi(catch_unwind, ts_args_type = "offset: Usize")]
    pub fn address_in_range(&self, offset: Value) -> Result<bool> {
        let offset = offset.u64("offset")?;
        Ok(self.region.address_in_range(MemoryRegionAddress(offset)))
    }

    /// Returns `base + offset` if that offset is within the region, or null. (`checked_offset`)
    #[napi(
        catch_unwind,
        ts_args_type = "base: Usize, offset: Usize",
        ts_return_type = "number | null"
    )]
    pub fn checked_offset(&self, base: Value, offset: Value) -> Result<Option<Number>> {
        let base = MemoryRegionAddress(base.u64("base")?);
        let offset = offset.usize("offset")?;
        Ok(number(self.region.checked_offset(base, offset)))
    }

    /// Returns the offset of a guest address in the region, or null if the address is not in the region.
    /// (`to_region_addr`)
    #[napi(
        catch_unwind,
        ts_args_type = "addr: U64",
        ts_return_type = "number | null"
    )]
    pub fn to_region_addr(&self, addr: Value) -> Result<Option<Number>> {
        let addr = GuestAddress(addr.u64("addr")?);
        Ok(number(self.region.to_region_addr(addr)))
    }

    /// Returns the host address of an offset. The host address dangles once the region is unmapped.
    /// (`get_host_address`)
    ///
    /// @throws `ERR_INVALID_BACKEND_ADDRESS` if the offset is not within the region; `ERR_DISPOSED` after `release`
    #[napi(
        catch_unwind,
        ts_args_type = "offset: Usize",
        ts_return_type = "bigint"
    )]
    pub fn get_host_address(&self, offset: Value) -> Result<BigU64> {
        let offset = MemoryRegionAddress(offset.u64("offset")?);
        self.region.bitmap().lease().check()?;
        let address = self
            .region
            .get_host_address(offset)
            .map_err(|error| Error::from(error).at(offset.raw_value(), None))?;
        Ok(BigU64(address.addr() as u64))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn get_slice(&self, offset: Value, count: Value) -> Result<VolatileSlice> {
        let (offset, count) = (offset.usize("offset")?, count.usize("count")?);
        let slice = slice_of(&self.region, offset, count).map_err(|error| {
            let beyond = || Some(hints::beyond(self.region.size(), offset as u64, count));
            hints::of_place(error.at(offset as u64, count), beyond)
        })?;
        Ok(VolatileSlice::of(slice))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn as_volatile_slice(&self) -> Result<VolatileSlice> {
        slice_of(&self.region, 0, self.region.size()).map(VolatileSlice::of)
    }
}

/// Turns an offset within a region into a value for JavaScript.
fn number(offset: Option<MemoryRegionAddress>) -> Option<Number> {
    offset
        .and_then(|offset| usize::try_from(offset.raw_value()).ok())
        .map(Number)
}

impl Parts for Region {
    fn part(&self, offset: usize, count: usize) -> Result<OwnedSlice> {
        slice_of(&arc_of(self), offset, count)
    }

    fn error(error: VolatileMemoryError) -> Error {
        GuestMemoryError::from(error).into()
    }
}

/// Does what upstream's `GuestMemoryRegion::get_slice` does. The slice keeps the region mapped.
pub fn slice_of(region: &Arc<Region>, offset: usize, count: usize) -> Result<OwnedSlice> {
    Owner::Region(Arc::clone(region))
        .slice(offset, count)
        .map_err(|error| match error {
            Error::VolatileMemory(error) => GuestMemoryError::from(error).into(),
            error => error,
        })
}

/// An immutable set of regions, ascending by guest address, that do not overlap.
///
/// (`GuestMemory` and `GuestMemoryMmap`)
///
/// @example
/// ```ts
/// import { GuestMemoryMmap } from 'vm-memory'
///
/// const memory = GuestMemoryMmap.fromRanges([
///   [0x0000, 0x1000],
///   [0x8000, 0x1000],
/// ])
/// memory.writeU32(7, 0x8000)
/// console.log(memory.numRegions, memory.readU32(0x8000), memory.addressInRange(0x4000)) // 2 7 false
/// ```
#[napi]
pub struct GuestMemoryMmap {
    memory: Arc<Memory>,
}

impl GuestMemoryMmap {
    /// Returns the object that stands for a memory in this thread.
    pub fn intern(memory: &Arc<Memory>) -> Result<Handle> {
        identity::intern(memory, |memory| Self { memory })
    }

    /// Makes the object of a new memory.
    pub fn make(memory: Memory) -> Result<Handle> {
        Self::intern(&Arc::new(memory))
    }

    #[expect(clippy::unnecessary_wraps, reason = "a guard may have let go of it")]
    pub fn target(&self) -> Result<Arc<Memory>> {
        Ok(Arc::clone(&self.memory))
    }
}

/// A `GuestRange`, checked.
struct Range {
    start: GuestAddress,
    size: usize,
    file: Option<vm_memory::FileOffset>,
}

impl Range {
    fn from_value(value: Value, files: &mut Files) -> Result<Self> {
        let length = value.array_length("range")?;
        if !(2..=3).contains(&length) {
            return Err(value.must_be("range", "[start, size] or [start, size, file]"));
        }
        Ok(Self {
            start: GuestAddress(value.element(0)?.u64("start")?),
            size: value.element(1)?.usize("size")?,
            file: if length == 3 {
                files.take(value.element(2)?)?
            } else {
                None
            },
        })
    }
}

/// Takes the elements from an array argument.
fn elements<T>(
    array: Value,
    name: &str,
    mut element: impl FnMut(Value) -> Result<T>,
) -> Result<Vec<T>> {
    (0..array.array_length(name)?)
        .map(|index| element(array.element(index)?))
        .collect()
}

/// Does what upstream's `from_ranges_with_files` does: makes all mappings before anything is validated.
fn memory_from_ranges(ranges: Value, options: Value) -> Result<Handle> {
    let mut files = Files::default();
    let ranges = elements(ranges, "ranges", |range| {
        Range::from_value(range, &mut files)
    })?;
    let options = RangeOptions::from_value(options)?;
    let plans = ranges
        .into_iter()
        .map(|range| Ok((range.start, options.plan(range.size, range.file)?)))
        .collect::<Result<Vec<_>>>()?;
    let regions = plans
        .into_iter()
        .map(|(start, plan)| options.map(plan, start))
        .collect::<Result<Vec<_>>>()?;
    let order: Vec<_> = regions.iter().map(hints::range_of).collect();
    let memory = Memory::from_regions(regions).map_err(|error| hints::of_regions(error, &order))?;
    memory
        .iter()
        .for_each(|region| owners::note_region(&arc_of(region)));
    GuestMemoryMmap::make(memory)
}

byte_access! { GuestMemoryMmap }
volatile_transfer! { GuestMemoryMmap }
guest_memory! { GuestMemoryMmap }
writes! { GuestMemoryMmap }
pages_of_memory! { GuestMemoryMmap }

#[napi]
impl GuestMemoryMmap {
    /// Makes an empty memory. (`GuestMemoryMmap::new`)
    #[napi(constructor, catch_unwind)]
    pub fn new(this: This) -> Result<Self> {
        // Guards are maps to `instanceof`, and some of them wrap nothing.
        check_plain("GuestMemoryMmap", &this)?;
        check_new::<Self>("GuestMemoryMmap", &this)?;
        let memory = Arc::new(Memory::default());
        identity::register(&memory, this.object.raw())?;
        Ok(Self { memory })
    }

    /// Does nothing: a map lives as long as anybody has it. It is here so that `using memory = space.memory()` and
    /// `memory.dispose()` suit every address space, a map as well as an atomic. Not upstream.
    #[napi(catch_unwind)]
    #[allow(
        clippy::unused_self,
        reason = "a method, as that of guards is; where the macro repeats it, nothing is expected"
    )]
    pub fn dispose(&self) {}

    /// Maps a region for each range: anonymous memory, or a file if the range has one. (`from_ranges`)
    ///
    /// @param ranges ascending by start, without overlap: `[start, size]` or `[start, size, file]`
    /// @throws `ERR_NO_MEMORY_REGION` if there are no ranges, `ERR_UNSORTED_MEMORY_REGIONS`,
    /// `ERR_MEMORY_REGION_OVERLAP`, `ERR_INVALID_GUEST_REGION`, `ERR_OUT_OF_RANGE` for `private` and a range without a file,
    /// and what `MmapRegion.fromFile` throws
    ///
    /// @example
    /// ```ts
    /// import { GuestMemoryMmap } from 'vm-memory'
    ///
    /// const memory = GuestMemoryMmap.fromRanges(
    ///   [
    ///     [0, 0xc000_0000],
    ///     [0x1_0000_0000n, 0x4000_0000],
    ///   ],
    ///   { bitmap: true },
    /// )
    /// console.log(memory.numRegions, memory.lastAddr.toString(16)) // 2 13fffffff
    /// ```
    #[napi(
        catch_unwind,
        ts_args_type = "ranges: readonly GuestRange[], options?: RangeOptions",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn from_ranges(ranges: Value, options: Value) -> Result<Handle> {
        memory_from_ranges(ranges, options)
    }

    /// Does what `fromRanges` does. (`from_ranges_with_files`)
    ///
    /// @throws what `fromRanges` throws
    #[napi(
        catch_unwind,
        ts_args_type = "ranges: readonly GuestRange[], options?: RangeOptions",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn from_ranges_with_files(ranges: Value, options: Value) -> Result<Handle> {
        memory_from_ranges(ranges, options)
    }

    /// Maps a snapshot that `save` has written, copy-on-write and at once, however large it is: pages are read when they are
    /// touched, what is written stays in memory, and the file stays as it is. Do not change the file while it is mapped. With
    /// `copy`, reads it into anonymous memory now. Tables and files of Firecracker are good, too. Not upstream.
    ///
    /// ```ts
    /// const { table } = await memory.save(file)
    /// const restored = GuestMemoryMmap.fromSnapshot(file, table)
    /// restored.changedRanges() // what was written since
    /// ```
    ///
    /// @param file an open file that may be read; its cursor stays where it is, and it may be closed afterwards
    /// @param table where the regions lie in the file
    /// @throws `ERR_SNAPSHOT` for a table that is not sorted, overlaps, has a region of no size or one that starts at no page of
    /// the file, or goes beyond the end of the file; `ERR_IO` with `errno` (`EBADF` for a file that may not be read); `ERR_MMAP`
    #[napi(
        catch_unwind,
        ts_args_type = "file: FileLike, table: SnapshotTable, options?: MappingOptions & { copy?: boolean }",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn from_snapshot(file: Value, table: Value, options: Value) -> Result<Handle> {
        let is_copied = snapshot::is_copied(options)?;
        let options = Options::from_value(options)?;
        let build = |plan| options.build(plan);
        Self::make(snapshot::restore(file, table, is_copied, build)?)
    }

    /// Makes a memory of regions that exist already. The regions are shared with other memories, not moved.
    /// (`from_regions` and `from_arc_regions`)
    ///
    /// @param regions ascending by start, without overlap
    /// @throws `ERR_NO_MEMORY_REGION` if there are no regions, `ERR_UNSORTED_MEMORY_REGIONS`,
    /// `ERR_MEMORY_REGION_OVERLAP`
    #[napi(
        catch_unwind,
        ts_args_type = "regions: readonly GuestRegionMmap[]",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn from_regions(regions: Value) -> Result<Handle> {
        let regions = elements(regions, "regions", |region| {
            Ok(Arc::clone(
                region.instance::<GuestRegionMmap>("region")?.region(),
            ))
        })?;
        let order: Vec<_> = regions
            .iter()
            .map(|region| hints::range_of(region))
            .collect();
        let memory =
            Memory::from_arc_regions(regions).map_err(|error| hints::of_regions(error, &order))?;
        Self::make(memory)
    }

    /// Returns the memory whose `share` made the ticket, in any thread of the process. A ticket is good once. Not
    /// upstream.
    ///
    /// @throws `ERR_INVALID_TICKET` for an unknown or used ticket, or one of a `GuestMemoryAtomic`
    #[napi(
        catch_unwind,
        ts_args_type = "ticket: SharedMemory<'GuestMemoryMmap'>",
        ts_return_type = "GuestMemoryMmap"
    )]
    pub fn from_shared(ticket: Value) -> Result<Handle> {
        let id = ticket_id(ticket, "GuestMemoryMmap")?;
        let memory = TICKETS
            .take_memory(&id)
            .ok_or_else(|| BindingError::invalid_ticket("GuestMemoryMmap"))?;
        Self::intern(&memory)
    }

    /// Makes another memory of the same regions. (`Clone`)
    #[napi(catch_unwind, ts_return_type = "GuestMemoryMmap")]
    pub fn clone(&self) -> Result<Handle> {
        Self::make(Memory::clone(&self.memory))
    }
}
