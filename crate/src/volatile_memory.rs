//! Windows on memory by offset (upstream `volatile_memory.rs`).

use operations::napi;
use vm_memory::VolatileMemoryError;

use crate::bitmap::BitmapSlice;
use crate::bytes::{self, byte_access};
use crate::io::{self, Operation, Parts, Transfer, VolatileIo, volatile_transfer};
use crate::memory::mapping::{Access, OwnedSlice};
use crate::memory::target::{Target, read_some, write_some};
use crate::memory::zero_copy;
use crate::node::buffer::TypedArray;
use crate::node::error::{BindingError, Error, Result};
use crate::node::identity::Handle;
use crate::node::object::no_constructor;
use crate::node::scalar::ScalarValue;
use crate::node::value::{BigU64, MAX_SAFE_INTEGER, Number, Value};
use crate::volatile_ref::{AtomicRef, VolatileArrayRef, VolatileRef, references};

/// Adds `base` and `offset`. (`compute_offset`)
///
/// @throws `ERR_OVERFLOW` with `base` and `offset` if the sum overflows 64 bits; `ERR_OUT_OF_RANGE` if the sum fits 64
/// bits, but is not a safe integer
#[napi(
    catch_unwind,
    ts_args_type = "base: Usize, offset: Usize",
    ts_return_type = "number"
)]
pub fn compute_offset(base: Value, offset: Value) -> Result<Number> {
    let (base, offset) = (base.usize("base")?, offset.usize("offset")?);
    let sum = vm_memory::volatile_memory::compute_offset(base, offset)?;
    if sum as u64 > MAX_SAFE_INTEGER {
        return Err(BindingError::out_of_range(format!(
            "The sum of base and offset, {sum}, is no safe integer"
        )));
    }
    Ok(Number(sum))
}

/// A window on memory, accessed by offset. It keeps its region mapped for as long as it lives.
///
/// (`VolatileSlice`)
///
/// @example
/// ```ts
/// import { GuestMemoryMmap } from 'vm-memory'
///
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
/// const queue = memory.getSlice(0x100, 16)
/// queue.writeU16(3, 2)
/// console.log(queue.len, memory.readU16(0x102)) // 16 3
/// ```
#[napi]
pub struct VolatileSlice {
    slice: OwnedSlice,
}

impl VolatileSlice {
    pub fn of(slice: OwnedSlice) -> Self {
        Self { slice }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "as the macros call it on every class"
    )]
    fn target(&self) -> Result<&OwnedSlice> {
        Ok(&self.slice)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "as the macros call it on every class"
    )]
    pub fn whole(&self) -> Result<OwnedSlice> {
        Ok(self.slice.clone())
    }

    /// Runs a transfer on the whole slice.
    fn transfer_all(&self, operation: Operation, io: Value) -> Result<usize> {
        let io = VolatileIo::from_value(io, operation.argument())?;
        let count = self.slice.slice.len();
        self.slice
            .transfer(operation, 0, io, count)
            .map_err(|error| error.at(0, count))
    }

    fn derive(
        &self,
        part: std::result::Result<crate::memory::mapping::Slice, VolatileMemoryError>,
    ) -> Result<Self> {
        self.slice.derive(part).map(Self::of)
    }
}

no_constructor! { VolatileSlice }
byte_access! { VolatileSlice }
volatile_transfer! { VolatileSlice }

#[napi]
impl VolatileSlice {
    #[napi(getter, skip_typescript, catch_unwind)]
    pub fn len(&self) -> Number {
        Number(self.slice.slice.len())
    }

    #[napi(getter, skip_typescript, catch_unwind)]
    pub fn is_empty(&self) -> bool {
        self.slice.slice.is_empty()
    }

    /// The bitmap of this slice, by offset in the slice; null if the memory is not tracked. (`bitmap`)
    #[napi(getter, catch_unwind, ts_return_type = "BitmapSlice | null")]
    pub fn bitmap(&self) -> Result<Option<BitmapSlice>> {
        self.slice.lease.check()?;
        Ok(BitmapSlice::of_memory(self.slice.slice.bitmap()))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn get_slice(&self, offset: Value, count: Value) -> Result<VolatileSlice> {
        let (offset, count) = (offset.usize("offset")?, count.usize("count")?);
        self.derive(self.slice.slice.subslice(offset, count))
    }

    #[napi(skip_typescript, catch_unwind)]
    pub fn as_volatile_slice(&self) -> Result<VolatileSlice> {
        self.slice.lease.check()?;
        Ok(Self::of(self.slice.clone()))
    }

    /// Returns a slice of the first `mid` bytes, and one of the rest. (`split_at`)
    ///
    /// @throws `ERR_OUT_OF_BOUNDS` if there are fewer bytes; its `addr` is a host address
    #[napi(
        catch_unwind,
        ts_args_type = "mid: Usize",
        ts_return_type = "[VolatileSlice, VolatileSlice]"
    )]
    pub fn split_at(&self, mid: Value) -> Result<(VolatileSlice, VolatileSlice)> {
        let mid = mid.usize("mid")?;
        self.slice.lease.check()?;
        let (start, end) = self.slice.slice.split_at(mid)?;
        Ok((self.derive(Ok(start))?, self.derive(Ok(end))?))
    }

    /// Returns a slice of `count` bytes that starts at `offset`. (`subslice`)
    ///
    /// @throws `ERR_OUT_OF_BOUNDS`, whose `addr` is the end of the slice that was asked for; `ERR_OVERFLOW`
    #[napi(
        catch_unwind,
        ts_args_type = "offset: Usize, count: Usize",
        ts_return_type = "VolatileSlice"
    )]
    pub fn subslice(&self, offset: Value, count: Value) -> Result<VolatileSlice> {
        let (offset, count) = (offset.usize("offset")?, count.usize("count")?);
        self.derive(self.slice.slice.subslice(offset, count))
    }

    /// Returns a slice of all but the first `count` bytes. (`offset`)
    ///
    /// @throws `ERR_OUT_OF_BOUNDS` if there are fewer bytes; its `addr` is a host address; `ERR_OVERFLOW`
    #[napi(
        catch_unwind,
        ts_args_type = "count: Usize",
        ts_return_type = "VolatileSlice"
    )]
    pub fn offset(&self, count: Value) -> Result<VolatileSlice> {
        self.derive(self.slice.slice.offset(count.usize("count")?))
    }

    /// Copies elements from memory to the start of `dst`, as many as both have. (`copy_to`)
    ///
    /// @returns how many elements were copied
    /// @throws `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "dst: NodeJS.TypedArray",
        ts_return_type = "number"
    )]
    pub fn copy_to(&self, dst: Value) -> Result<Number> {
        let dst = TypedArray::from_value(dst, "dst")?;
        copy_to(&self.slice, dst)
    }

    /// Copies elements from the start of `src` to memory. Ignores elements that do not fit. (`copy_from`)
    ///
    /// @throws `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "src: NodeJS.TypedArray")]
    pub fn copy_from(&self, src: Value) -> Result<()> {
        let src = TypedArray::from_value(src, "src")?;
        copy_from(&self.slice, src)
    }

    /// Copies bytes to another slice, as many as both have. The slices may overlap. (`copy_to_volatile_slice`)
    ///
    /// @throws `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "dst: VolatileSlice")]
    pub fn copy_to_volatile_slice(&self, dst: Value) -> Result<()> {
        copy_to_volatile_slice(&self.slice, dst)
    }

    /// Returns the host address of the first byte. It dangles once the region is unmapped. (`ptr_guard`)
    #[napi(catch_unwind, ts_return_type = "bigint")]
    pub fn as_ptr(&self) -> Result<BigU64> {
        self.slice.lease.check()?;
        Ok(BigU64(self.slice.start().addr() as u64))
    }

    /// Returns a zero-copy view of the whole slice. `bitmap` does not see writes through the view: mark those with
    /// `bitmap.markDirty`.
    ///
    /// @throws `ERR_PROTECTION` unless the memory is mapped for reading and writing
    #[napi(catch_unwind, ts_return_type = "Uint8Array")]
    pub fn as_uint8_array(&self) -> Result<Handle> {
        zero_copy::view_of_slice(&self.slice)
    }

    /// Reads bytes into memory: with one read(2) at the file's cursor, or from the start of `src` if that is bytes.
    /// (`ReadVolatile::read_volatile`)
    ///
    /// @returns how many bytes were read; 0 at the end of the file
    /// @throws `ERR_IO` with `errno`; `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "src: VolatileIo",
        ts_return_type = "number"
    )]
    pub fn read_volatile(&self, src: Value) -> Result<Number> {
        self.transfer_all(Operation::Read, src).map(Number)
    }

    /// Reads bytes until the whole slice is filled. (`ReadVolatile::read_exact_volatile`)
    ///
    /// @throws `ERR_IO` with `kind` `UnexpectedEof` if `src` has fewer bytes; else as `readVolatile`
    #[napi(catch_unwind, ts_args_type = "src: VolatileIo")]
    pub fn read_exact_volatile(&self, src: Value) -> Result<()> {
        self.transfer_all(Operation::ReadExact, src).map(|_| ())
    }

    /// Writes bytes of memory: with one write(2) at the file's cursor, or to the start of `dst` if that is bytes.
    /// (`WriteVolatile::write_volatile`)
    ///
    /// @returns how many bytes were written
    /// @throws `ERR_IO` with `errno`; `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "dst: VolatileIo",
        ts_return_type = "number"
    )]
    pub fn write_volatile(&self, dst: Value) -> Result<Number> {
        self.transfer_all(Operation::Write, dst).map(Number)
    }

    /// Writes all bytes of the slice. (`WriteVolatile::write_all_volatile`)
    ///
    /// @throws `ERR_IO` with `kind` `WriteZero` if `dst` takes no more; else as `writeVolatile`
    #[napi(catch_unwind, ts_args_type = "dst: VolatileIo")]
    pub fn write_all_volatile(&self, dst: Value) -> Result<()> {
        self.transfer_all(Operation::WriteAll, dst).map(|_| ())
    }
}

impl Parts for OwnedSlice {
    fn part(&self, offset: usize, count: usize) -> Result<OwnedSlice> {
        self.derive(self.slice.subslice(offset, count))
    }

    fn error(error: VolatileMemoryError) -> Error {
        error.into()
    }
}

/// Counts the bytes of as many elements as fit both.
pub fn common_bytes(slice: &OwnedSlice, array: &TypedArray) -> usize {
    array.len().min(slice.slice.len() / array.element_size) * array.element_size
}

/// Does what upstream's `copy_to` does. The array may be a view on the same memory.
pub fn copy_to(slice: &OwnedSlice, array: TypedArray) -> Result<Number> {
    let count = common_bytes(slice, &array);
    read_some(slice, array.bytes.first(count), 0)?;
    Ok(Number(count / array.element_size))
}

/// Does what upstream's `copy_from` does. The array may be a view on the same memory.
pub fn copy_from(slice: &OwnedSlice, array: TypedArray) -> Result<()> {
    let count = common_bytes(slice, &array);
    write_some(slice, array.bytes.first(count), 0)?;
    Ok(())
}

/// Does what upstream's `copy_to_volatile_slice` does.
pub fn copy_to_volatile_slice(slice: &OwnedSlice, dst: Value) -> Result<()> {
    let dst = &dst.instance::<VolatileSlice>("dst")?.slice;
    let count = slice.slice.len().min(dst.slice.len());
    slice.access(0, count, Access::Read, || {
        dst.access(0, count, Access::Write, || {
            slice.slice.copy_to_volatile_slice(dst.slice.clone());
            Ok(())
        })
    })
}

references! { VolatileSlice }
