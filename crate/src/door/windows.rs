//! The native part of the fast paths of `lib/`: the layout of memory, windows on it as buffers, and a function that
//! writes to tracked memory without the cost of the glue.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::Ordering;

use napi::sys::{self, TypedarrayType};
use napi_derive::napi;
use vm_memory::{Address, Bytes, GuestMemory, GuestMemoryRegion, VolatileMemoryError};

use crate::door::letter;
use crate::memory::mapping::{Mapping, OwnedSlice, Owner, Region, Slice, arc_of};
use crate::memory::sections::Section;
use crate::memory::zero_copy;
use crate::mmap::{GuestMemoryMmap, GuestRegionMmap};
use crate::mmap_unix::MmapRegion;
use crate::node::buffer::{Buffer, new_typed_array};
use crate::node::error::{BindingError, Result};
use crate::node::identity::Handle;
use crate::node::raw_function::{self, RawFunction};
use crate::node::value::{MAX_SAFE_INTEGER, Value};

/// An object with access to memory, as the pieces that it consists of.
enum Pieces<'call> {
    /// The regions of a map.
    Map(&'call GuestMemoryMmap),
    /// A region or a mapping: one piece, at 0.
    One(Owner),
}

impl Pieces<'_> {
    fn of(object: Value) -> Result<Self> {
        if let Some(map) = object.try_instance::<GuestMemoryMmap>() {
            return Ok(Self::Map(map));
        }
        if let Some(region) = object.try_instance::<GuestRegionMmap>() {
            return Ok(Self::One(region.owner()));
        }
        let mapping = object.instance::<MmapRegion>("object")?;
        Ok(Self::One(mapping.owner()))
    }

    fn piece(self, index: usize) -> Result<OwnedSlice> {
        match self {
            Self::Map(map) => {
                let memory = map.target()?;
                let region = memory.iter().nth(index).ok_or_else(|| {
                    BindingError::out_of_range("There is no such piece of memory")
                })?;
                Owner::Region(arc_of(region)).whole()
            }
            Self::One(owner) => owner.whole(),
        }
    }
}

/// A piece of memory as a fast path sees it.
struct Extent {
    /// The first address of the piece, in the addresses of the class.
    start: u64,
    size: usize,
    prot: i32,
    is_tracked: bool,
    /// Whether it has no windows.
    is_closed: bool,
}

/// Whether fast paths may have windows on memory that recovers from faults. They look at an alarm behind each access, by a plain
/// load, which does where loads are not reordered. (A load may pass a store before it. But a store that meets the zeros of a lost
/// page comes microseconds after the alarm: it waits for the kernel, which maps them and then has them touched first.)
const HAS_FAST_FAULTS: bool = cfg!(target_arch = "x86_64");

impl Extent {
    fn of_region(region: &Region) -> Self {
        Self::of_mapping(region, region.start_addr().raw_value())
    }

    fn of_mapping(mapping: &Mapping, start: u64) -> Self {
        let lease = mapping.bitmap().lease();
        Self {
            start,
            size: mapping.size(),
            prot: mapping.prot(),
            is_tracked: mapping.bitmap().is_some(),
            is_closed: lease.is_closed() || (lease.recovery().is_some() && !HAS_FAST_FAULTS),
        }
    }
}

/// Returns the layout of a map, a region or a mapping.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn layout(object: Value) -> Result<Value> {
    match Pieces::of(object)? {
        Pieces::Map(map) => numbers(map.target()?.iter().map(Extent::of_region)),
        Pieces::One(owner) => numbers(
            owner
                .with(|mapping| Extent::of_mapping(mapping, 0))
                .into_iter(),
        ),
    }
}

/// Returns the layout as numbers: a limit, and then `start, size, windows, tracked` of each piece. From the limit on, nothing is
/// said of memory: a piece that ends beyond the safe integers is left out, and so are all pieces behind it.
fn numbers(extents: impl Iterator<Item = Extent>) -> Result<Value> {
    const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let mut limit = MAX_SAFE_INTEGER;
    let mut numbers = vec![0];
    #[expect(clippy::cast_precision_loss, reason = "safe integers")]
    for extent in extents {
        let end = extent.start.saturating_add(extent.size as u64);
        if end > MAX_SAFE_INTEGER {
            limit = limit.min(extent.start);
            break;
        }
        numbers.extend(
            [
                extent.start as f64,
                extent.size as f64,
                f64::from(extent.prot & READ_WRITE == READ_WRITE && !extent.is_closed),
                f64::from(extent.is_tracked),
            ]
            .map(f64::to_bits),
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a safe integer")]
    let first = (limit as f64).to_bits();
    numbers[0] = first;
    let (array, elements) = new_typed_array(TypedarrayType::float64_array, numbers.len())?;
    elements.bytes.copy_from(Buffer::of_words(&mut numbers));
    Ok(array)
}

/// Makes a buffer of `length` bytes of a piece, which only the fast paths have.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn open_window(object: Value, index: Value, offset: Value, length: Value) -> Result<Handle> {
    let piece = Pieces::of(object)?.piece(index.usize("index")?)?;
    let part = piece
        .slice
        .subslice(offset.usize("offset")?, length.usize("length")?);
    zero_copy::window(&piece.derive(part)?)
}

/// Makes a function that stores a value in a piece of tracked memory and marks its page. Its arguments are in the
/// letter. Returns null if the piece is not tracked.
///
/// One call does both, without the cost of the glue. JavaScript cannot do it in two: the engine may end a thread
/// between them.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn tracked_writer(object: Value, index: Value) -> Result<Option<Handle>> {
    let piece = Pieces::of(object)?.piece(index.usize("index")?)?;
    if piece.slice.bitmap().is_none() {
        return Ok(None);
    }
    raw_function::make(TrackedWriter(piece)).map(Some)
}

/// Added to a kind, which is the size of the value: stores it atomically (`lib/fast/window.ts`).
const ATOMIC: usize = 16;

struct TrackedWriter(OwnedSlice);

impl RawFunction for TrackedWriter {
    const NAME: &'static CStr = c"write";

    fn call(&self, _: Value) -> Result<sys::napi_value> {
        let _section = Section::enter();
        self.0.lease.check()?;
        letter::read()
            .and_then(|letter| store(&self.0.slice, letter.offset, letter.kind, letter.value).ok())
            .ok_or_else(|| BindingError::out_of_range("There is no such place in the window"))?;
        Ok(ptr::null_mut())
    }
}

/// Upstream's `write_obj` or `store`, which mark the page.
fn store(
    slice: &Slice,
    offset: usize,
    kind: usize,
    value: u64,
) -> std::result::Result<(), VolatileMemoryError> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest bits are what is stored"
    )]
    let (byte, half, word) = (value as u8, value as u16, value as u32);
    let order = Ordering::SeqCst;
    match kind {
        1 => slice.write_obj(byte, offset),
        2 => slice.write_obj(half, offset),
        4 => slice.write_obj(word, offset),
        8 => slice.write_obj(value, offset),
        kind if kind == ATOMIC + 1 => slice.store(byte, offset, order),
        kind if kind == ATOMIC + 2 => slice.store(half, offset, order),
        kind if kind == ATOMIC + 4 => slice.store(word, offset, order),
        _ => slice.store(value, offset, order),
    }
}
