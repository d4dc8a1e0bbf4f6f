//! Dirty tracking (upstream `bitmap`).

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::This;
use napi::sys::TypedarrayType;
use operations::napi;
use vm_memory::bitmap::{ArcSlice, AtomicBitmap as UpstreamBitmap, Bitmap};

use crate::memory::tracking::{Tracked, TrackedSlice, host_page_size, is_possible};
use crate::node::buffer::{Buffer, new_typed_array};
use crate::node::error::{BindingError, Result};
use crate::node::identity::{self, Handle};
use crate::node::object::{check_new, no_constructor};
use crate::node::value::{Number, Value};

/// The bits of an `AtomicBitmap` object. While no mapping has them, they belong to the object alone, and can be
/// enlarged. As part of a mapping they are shared with other threads.
pub struct Bits {
    tracked: RefCell<Tracked>,
    /// Whether the bitmap has become part of a builder or a mapping.
    is_part: Cell<bool>,
}

impl Bits {
    fn new(tracked: Tracked, is_part: bool) -> Rc<Self> {
        Rc::new(Self {
            tracked: RefCell::new(tracked),
            is_part: Cell::new(is_part),
        })
    }

    /// Lets `look` see the bitmap, which JavaScript must not be able to enlarge meanwhile.
    pub fn with<R>(&self, look: impl FnOnce(&UpstreamBitmap) -> R) -> R {
        look(&self.tracked.borrow().bitmap)
    }
}

/// One bit for each page of memory, set when the page was written; safe to use from several threads.
///
/// Every write through the methods of this package marks the bytes that were written. Writes through `buffer`,
/// `asUint8Array` and `views` mark nothing: mark those with `markDirty`. (`AtomicBitmap`)
///
/// @example
/// ```ts
/// import { AtomicBitmap } from 'vm-memory'
///
/// const bitmap = new AtomicBitmap(0x4000, 0x1000)
/// bitmap.markDirty(0x1800, 1)
/// console.log(bitmap.len, bitmap.isBitSet(1), bitmap.getAndReset()[0]) // 4 true 2n
/// ```
#[napi]
pub struct AtomicBitmap {
    bits: Rc<Bits>,
}

impl AtomicBitmap {
    fn alone(tracked: Tracked) -> Self {
        Self {
            bits: Bits::new(tracked, false),
        }
    }

    /// Makes a bitmap for the bytes of an argument.
    fn try_alone(byte_size: Value, page_size: NonZeroUsize) -> Result<Self> {
        let bytes = byte_size.usize("byteSize")?;
        if !is_possible(bytes, page_size) {
            return Err(
                byte_size.out_of_range("byteSize", "such that there is memory for the bits")
            );
        }
        Ok(Self::alone(Tracked::new(bytes, page_size)))
    }

    /// Checks that there is memory for a copy of the bits. If there is none, upstream's allocation ends the process.
    fn check_copy(&self) -> Result<()> {
        let tracked = self.bits.tracked.borrow();
        if is_possible(tracked.bitmap.byte_size(), tracked.page_size) {
            return Ok(());
        }
        Err(std::io::Error::from_raw_os_error(libc::ENOMEM).into())
    }

    /// Returns what the object has in common with all that is asked of it elsewhere.
    pub fn bits(&self) -> &Rc<Bits> {
        &self.bits
    }

    fn bitmap(&self) -> Arc<UpstreamBitmap> {
        Arc::clone(&self.bits.tracked.borrow().bitmap)
    }

    /// Returns the object that stands for the bitmap of a mapping in this thread.
    pub fn of_mapping(tracked: Tracked) -> Result<Handle> {
        let bitmap = Arc::clone(&tracked.bitmap);
        identity::intern(&bitmap, |_| Self {
            bits: Bits::new(tracked, true),
        })
    }

    /// Makes a bitmap part of a builder. The same object goes on showing the bitmap.
    pub fn give_away(value: Value) -> Result<Tracked> {
        let bitmap = value.instance::<Self>("bitmap")?;
        if bitmap.bits.is_part.replace(true) {
            return Err(BindingError::moved("AtomicBitmap"));
        }
        identity::register(&bitmap.bitmap(), value.raw())?;
        Ok(bitmap.bits.tracked.borrow().clone())
    }
}

#[napi]
impl AtomicBitmap {
    /// Makes a bitmap that belongs to no mapping, with all pages clean. (`AtomicBitmap::new`)
    ///
    /// @param byteSize bytes that are tracked
    /// @param pageSize bytes for each bit, more than 0
    /// @throws `ERR_OUT_OF_RANGE` for a page size of 0, and if there is no memory for the bits
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "byteSize: Usize, pageSize: Usize"
    )]
    pub fn new(this: This, byte_size: Value, page_size: Value) -> Result<Self> {
        check_new::<Self>("AtomicBitmap", &this)?;
        let page = NonZeroUsize::new(page_size.usize("pageSize")?)
            .ok_or_else(|| page_size.out_of_range("pageSize", "more than 0"))?;
        Self::try_alone(byte_size, page)
    }

    /// Makes a bitmap that belongs to no mapping, with a bit for each page of the host. (`NewBitmap::with_len`)
    ///
    /// @param byteSize bytes that are tracked
    /// @throws `ERR_OUT_OF_RANGE` if there is no memory for the bits
    #[napi(
        catch_unwind,
        ts_args_type = "byteSize: Usize",
        ts_return_type = "AtomicBitmap"
    )]
    pub fn with_len(byte_size: Value) -> Result<Handle> {
        identity::object_of(Self::try_alone(byte_size, host_page_size())?)
    }

    /// The number of pages. (`len`)
    #[napi(getter, catch_unwind, ts_return_type = "number")]
    pub fn len(&self) -> Number {
        Number(self.bitmap().len())
    }

    /// The number of bytes that are tracked. (`byte_size`)
    #[napi(getter, catch_unwind, ts_return_type = "number")]
    pub fn byte_size(&self) -> Number {
        Number(self.bitmap().byte_size())
    }

    /// Checks whether the page with this index is dirty. Returns false beyond the end. (`is_bit_set`)
    #[napi(catch_unwind, ts_args_type = "index: Usize")]
    pub fn is_bit_set(&self, index: Value) -> Result<bool> {
        Ok(self.bitmap().is_bit_set(index.usize("index")?))
    }

    /// Checks whether the page at this offset, in bytes, is dirty. Returns false beyond the end. (`is_addr_set`)
    #[napi(catch_unwind, ts_args_type = "addr: Usize")]
    pub fn is_addr_set(&self, addr: Value) -> Result<bool> {
        Ok(self.bitmap().is_addr_set(addr.usize("addr")?))
    }

    /// Marks the page with this index as dirty. Does nothing beyond the end. (`set_bit`)
    #[napi(catch_unwind, ts_args_type = "index: Usize")]
    pub fn set_bit(&self, index: Value) -> Result<()> {
        self.bitmap().set_bit(index.usize("index")?);
        Ok(())
    }

    /// Marks the page with this index as clean. Does nothing beyond the end. (`reset_bit`)
    #[napi(catch_unwind, ts_args_type = "index: Usize")]
    pub fn reset_bit(&self, index: Value) -> Result<()> {
        self.bitmap().reset_bit(index.usize("index")?);
        Ok(())
    }

    /// Marks the pages of `len` bytes at offset `start` as dirty. Ignores pages beyond the end. (`set_addr_range`)
    #[napi(catch_unwind, ts_args_type = "start: Usize, len: Usize")]
    pub fn set_addr_range(&self, start: Value, len: Value) -> Result<()> {
        let (start, len) = (start.usize("start")?, len.usize("len")?);
        self.bitmap().set_addr_range(start, len);
        Ok(())
    }

    /// Marks the pages of `len` bytes at offset `start` as clean. Ignores pages beyond the end. (`reset_addr_range`)
    #[napi(catch_unwind, ts_args_type = "start: Usize, len: Usize")]
    pub fn reset_addr_range(&self, start: Value, len: Value) -> Result<()> {
        let (start, len) = (start.usize("start")?, len.usize("len")?);
        self.bitmap().reset_addr_range(start, len);
        Ok(())
    }

    /// Marks all pages as clean. (`reset`)
    #[napi(catch_unwind)]
    pub fn reset(&self) {
        self.bitmap().reset();
    }

    /// Returns the bits, and marks all pages as clean. A word has the bits of 64 pages, the first page in its lowest
    /// bit. (`get_and_reset`)
    ///
    /// @throws `ERR_BUFFER_TOO_LARGE` or `ERR_IO` with `errno` if there is no memory for the bits, which then stay as
    /// they are
    #[napi(catch_unwind, ts_return_type = "BigUint64Array")]
    pub fn get_and_reset(&self) -> Result<Value> {
        let bitmap = self.bitmap();
        // Before the bits are cleared, since it may fail.
        let words = bitmap.len().div_ceil(64);
        let (array, target) = new_typed_array(TypedarrayType::biguint64_array, words)?;
        self.check_copy()?;
        let mut bits = bitmap.get_and_reset();
        target.bytes.copy_from(Buffer::of_words(&mut bits));
        Ok(array)
    }

    /// Copies the bits into a new bitmap, which belongs to no mapping. (`Clone`)
    ///
    /// @throws `ERR_IO` with `errno` if there is no memory for the bits
    #[napi(catch_unwind, ts_return_type = "AtomicBitmap")]
    pub fn clone(&self) -> Result<Handle> {
        self.check_copy()?;
        let tracked = self.bits.tracked.borrow();
        identity::object_of(Self::alone(Tracked {
            bitmap: Arc::new(UpstreamBitmap::clone(&tracked.bitmap)),
            page_size: tracked.page_size,
        }))
    }

    /// Tracks `additionalSize` more bytes, whose pages are clean. (`enlarge`)
    ///
    /// @param additionalSize bytes
    /// @throws `ERR_MOVED` if the bitmap is part of a builder or mapping; `ERR_OUT_OF_RANGE` if there is no memory for
    /// the bits
    #[napi(catch_unwind, ts_args_type = "additionalSize: Usize")]
    pub fn enlarge(&self, additional_size: Value) -> Result<()> {
        let additional = additional_size.usize("additionalSize")?;
        let mut tracked = self.bits.tracked.borrow_mut();
        let page_size = tracked.page_size;
        let byte_size = tracked.bitmap.byte_size();
        let alone = if self.bits.is_part.get() {
            None
        } else {
            Arc::get_mut(&mut tracked.bitmap)
        };
        let bitmap = alone.ok_or_else(|| BindingError::moved("AtomicBitmap"))?;
        byte_size
            .checked_add(additional)
            .filter(|bytes| is_possible(*bytes, page_size))
            .ok_or_else(|| {
                additional_size
                    .out_of_range("additionalSize", "such that there is memory for the bits")
            })?;
        bitmap.enlarge(additional);
        Ok(())
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn mark_dirty(&self, offset: Value, len: Value) -> Result<()> {
        let (offset, len) = (offset.usize("offset")?, len.usize("len")?);
        self.bitmap().mark_dirty(offset, len);
        Ok(())
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn dirty_at(&self, offset: Value) -> Result<bool> {
        Ok(self.bitmap().dirty_at(offset.usize("offset")?))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn slice_at(&self, offset: Value) -> Result<BitmapSlice> {
        Ok(BitmapSlice {
            of: Whole::Object(Rc::clone(&self.bits), offset.usize("offset")?),
        })
    }
}

/// The bitmap that a slice is a part of.
enum Whole {
    /// The bitmap of an `AtomicBitmap` object, which may still be enlarged, and an offset.
    Object(Rc<Bits>, usize),
    /// The bitmap of a mapping.
    Mapping(ArcSlice<UpstreamBitmap>),
}

/// A bitmap seen from an offset, as a slice of memory marks it. (`BitmapSlice`)
///
/// @example
/// ```ts
/// import { AtomicBitmap } from 'vm-memory'
///
/// const bitmap = new AtomicBitmap(0x4000, 0x1000)
/// bitmap.sliceAt(0x2000).markDirty(0, 1)
/// console.log(bitmap.isAddrSet(0x2000)) // true
/// ```
#[napi]
pub struct BitmapSlice {
    of: Whole,
}

no_constructor! { BitmapSlice }

impl BitmapSlice {
    /// Returns the bitmap that a slice of memory marks; None if the memory is not tracked.
    pub fn of_memory(bitmap: &TrackedSlice) -> Option<Self> {
        bitmap.as_ref().map(|slice| Self {
            of: Whole::Mapping(slice.clone()),
        })
    }

    /// Makes upstream's slice, from an offset on.
    fn slice(&self, offset: usize) -> ArcSlice<UpstreamBitmap> {
        match &self.of {
            // As in upstream, an offset that wraps marks something else, or nothing.
            Whole::Object(bits, base) => {
                bits.tracked.borrow().slice_from(base.wrapping_add(offset))
            }
            Whole::Mapping(slice) => slice.slice_at(offset),
        }
    }
}

#[napi]
impl BitmapSlice {
    #[napi(skip_typescript, catch_unwind)]
    pub fn mark_dirty(&self, offset: Value, len: Value) -> Result<()> {
        let (offset, len) = (offset.usize("offset")?, len.usize("len")?);
        self.slice(0).mark_dirty(offset, len);
        Ok(())
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn dirty_at(&self, offset: Value) -> Result<bool> {
        Ok(self.slice(0).dirty_at(offset.usize("offset")?))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn slice_at(&self, offset: Value) -> Result<BitmapSlice> {
        let offset = offset.usize("offset")?;
        Ok(Self {
            of: match &self.of {
                Whole::Object(bits, base) => {
                    Whole::Object(Rc::clone(bits), base.wrapping_add(offset))
                }
                Whole::Mapping(slice) => Whole::Mapping(slice.slice_at(offset)),
            },
        })
    }
}
