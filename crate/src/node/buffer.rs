//! Bytes of JavaScript, as arguments.
//!
//! The bytes may be a view on guest memory, or shared with other threads. So no Rust slice is ever formed over them:
//! all copies go through upstream's volatile slices, which allow overlap.

use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{ValueType, sys};
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{ReadVolatile, VolatileMemoryError, VolatileSlice, WriteVolatile};

use crate::node::environment::current;
use crate::node::error::{BindingError, Result};
use crate::node::intrinsics;
use crate::node::value::{Number, Value};

/// The bytes of a typed array or a `DataView`, valid until JavaScript runs again.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    start: *mut u8,
    length: usize,
}

/// The elements of a typed array, valid until JavaScript runs again.
#[derive(Clone, Copy, Debug)]
pub struct TypedArray {
    pub kind: sys::napi_typedarray_type,
    pub bytes: Buffer,
    pub element_size: usize,
}

impl TypedArray {
    /// Takes the elements of a typed array; None for everything else.
    pub fn try_from_value(value: Value) -> Option<Self> {
        let mut is_typed_array = false;
        // SAFETY: `value` is a value of this environment.
        unsafe { sys::napi_is_typedarray(value.env(), value.raw(), &raw mut is_typed_array) };
        if !is_typed_array {
            return None;
        }
        let mut kind = 0;
        let mut length = 0;
        let mut data = ptr::null_mut();
        let mut array_buffer = ptr::null_mut();
        // SAFETY: it is a typed array; what is not asked for is null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                value.env(),
                value.raw(),
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                &raw mut array_buffer,
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || is_detached(value.env(), array_buffer) {
            return None;
        }
        let element_size = element_size(kind)?;
        Some(Self {
            kind,
            bytes: Buffer {
                start: data.cast(),
                length: length * element_size,
            },
            element_size,
        })
    }

    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        Self::try_from_value(value).ok_or_else(|| value.must_be(name, "a typed array"))
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.bytes.length / self.element_size
    }
}

fn element_size(kind: sys::napi_typedarray_type) -> Option<usize> {
    use sys::TypedarrayType as Kind;
    match kind {
        Kind::int8_array | Kind::uint8_array | Kind::uint8_clamped_array => Some(1),
        Kind::int16_array | Kind::uint16_array => Some(2),
        Kind::int32_array | Kind::uint32_array | Kind::float32_array => Some(4),
        Kind::float64_array | Kind::bigint64_array | Kind::biguint64_array => Some(8),
        // Newer engines have kinds of two bytes that Node-API does not name.
        _ => None,
    }
}

fn is_detached(env: sys::napi_env, array_buffer: sys::napi_value) -> bool {
    let mut detached = false;
    // SAFETY: `array_buffer` is a buffer of this environment; of a shared one the answer is an
    // error or no.
    unsafe { sys::napi_is_detached_arraybuffer(env, array_buffer, &raw mut detached) };
    detached
}

impl Buffer {
    /// Takes the bytes of a view; None for everything else, such as an `ArrayBuffer` itself.
    pub fn try_from_value(value: Value) -> Option<Self> {
        if value.kind() != ValueType::Object {
            return None;
        }
        if let Some(array) = TypedArray::try_from_value(value) {
            return Some(array.bytes);
        }
        let mut is_data_view = false;
        // SAFETY: `value` is a value of this environment.
        unsafe { sys::napi_is_dataview(value.env(), value.raw(), &raw mut is_data_view) };
        if !is_data_view {
            return None;
        }
        let mut length = 0;
        let mut data = ptr::null_mut();
        let mut array_buffer = ptr::null_mut();
        // SAFETY: it is a `DataView`; what is not asked for is null.
        let status = unsafe {
            sys::napi_get_dataview_info(
                value.env(),
                value.raw(),
                &raw mut length,
                &raw mut data,
                &raw mut array_buffer,
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || is_detached(value.env(), array_buffer) {
            return None;
        }
        Some(Self {
            start: data.cast(),
            length,
        })
    }

    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        Self::try_from_value(value)
            .ok_or_else(|| value.must_be(name, "a typed array or a DataView that is not detached"))
    }

    /// Shows the bytes of a Rust buffer, which must outlive the result.
    pub fn of(bytes: &mut [u8]) -> Self {
        Self {
            start: bytes.as_mut_ptr(),
            length: bytes.len(),
        }
    }

    /// Shows the bytes of a Rust buffer of words, which must outlive the result.
    pub fn of_words(words: &mut [u64]) -> Self {
        Self {
            start: words.as_mut_ptr().cast(),
            length: size_of_val(words),
        }
    }

    /// Shows bytes that lie anywhere.
    ///
    /// # Safety
    ///
    /// There are `length` bytes at `start` for as long as the result is used.
    pub unsafe fn at(start: *mut u8, length: usize) -> Self {
        Self { start, length }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// Returns the bytes behind the first `count` bytes, which must exist.
    pub fn skip(self, count: usize) -> Self {
        debug_assert!(count <= self.length);
        Self {
            // A pointer that is never used when nothing is left.
            start: self.start.wrapping_add(count),
            length: self.length - count,
        }
    }

    /// Returns the first `count` bytes, or all if there are fewer.
    pub fn first(self, count: usize) -> Self {
        Self {
            start: self.start,
            length: self.length.min(count),
        }
    }

    /// Checks whether some of these bytes lie in the `length` bytes at the host address `start`.
    pub fn overlaps(&self, start: *const u8, length: usize) -> bool {
        let (own, other) = (self.start.addr(), start.addr());
        own < other.saturating_add(length) && other < own.saturating_add(self.length)
    }

    /// Returns these bytes as upstream's slice.
    pub fn as_volatile_slice(&self) -> VolatileSlice<'_> {
        // SAFETY: the view that these bytes were taken from keeps them alive, and they are used
        // before JavaScript runs again, so that it cannot be detached or resized. The slice is
        // only accessed by raw pointers.
        unsafe { VolatileSlice::new(self.start, self.length) }
    }

    /// Copies the bytes.
    pub fn to_vec(self) -> Result<Vec<u8>> {
        let mut copy = zeroed(self.length)?;
        Self::of(&mut copy).copy_from(self);
        Ok(copy)
    }

    /// Copies bytes of `other` to these, as many as both have.
    pub fn copy_from(self, other: Self) {
        other
            .as_volatile_slice()
            .copy_to_volatile_slice(self.as_volatile_slice());
    }
}

impl Buffer {
    /// Copies bytes of this process, as many as both have. Only for memory that JavaScript has not seen yet.
    pub fn fill_from(self, bytes: &[u8]) {
        let count = self.length.min(bytes.len());
        // SAFETY: both have `count` bytes. They do not overlap: what is behind a reference is no memory of JavaScript.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, count) };
    }

    /// Reverses the bytes of each element; a rest that is none stays. Only for memory that JavaScript has not seen yet.
    pub fn reverse_each(self, element_size: usize) {
        for offset in (0..self.length / element_size).map(|index| index * element_size) {
            for index in 0..element_size / 2 {
                // SAFETY: both bytes are within the element, which is within the buffer.
                unsafe {
                    let element = self.start.add(offset);
                    std::ptr::swap(element.add(index), element.add(element_size - 1 - index));
                }
            }
        }
    }
}

/// Allocates zeros, or returns the error of the operating system if there is no memory for them.
pub fn zeroed(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| std::io::Error::from_raw_os_error(libc::ENOMEM))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Up to this length, upstream copies by single accesses if both sides are aligned, so that a reader never sees half of
/// a scalar.
const WORD: usize = size_of::<usize>();

/// A side that is aligned.
#[repr(align(8))]
struct Word([u8; WORD]);

/// Does what upstream's implementation for `&[u8]` does: takes bytes from the front, and advances.
impl ReadVolatile for Buffer {
    fn read_volatile<B: BitmapSlice>(
        &mut self,
        memory: &mut VolatileSlice<B>,
    ) -> std::result::Result<usize, VolatileMemoryError> {
        let source = self.first(memory.len());
        let total = source.len();
        let mut target = memory.subslice(0, total)?;
        if total <= WORD {
            let Word(word) = &mut Word([0; WORD]);
            Self::of(word).copy_from(source);
            (&word[..total]).read_volatile(&mut target)?;
        } else {
            source.as_volatile_slice().copy_to_volatile_slice(target);
        }
        *self = self.skip(total);
        Ok(total)
    }

    fn read_exact_volatile<B: BitmapSlice>(
        &mut self,
        memory: &mut VolatileSlice<B>,
    ) -> std::result::Result<(), VolatileMemoryError> {
        if memory.len() > self.length {
            return Err(VolatileMemoryError::IOError(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                "failed to fill whole buffer",
            )));
        }
        self.read_volatile(memory).map(|_| ())
    }
}

/// Does what upstream's implementation for `&mut [u8]` does: fills bytes from the front, and advances.
impl WriteVolatile for Buffer {
    fn write_volatile<B: BitmapSlice>(
        &mut self,
        memory: &VolatileSlice<B>,
    ) -> std::result::Result<usize, VolatileMemoryError> {
        let target = self.first(memory.len());
        let total = target.len();
        let source = memory.subslice(0, total)?;
        if total <= WORD {
            let Word(word) = &mut Word([0; WORD]);
            (&mut word[..total]).write_volatile(&source)?;
            target.copy_from(Self::of(&mut word[..total]));
        } else {
            source.copy_to_volatile_slice(target.as_volatile_slice());
        }
        *self = self.skip(total);
        Ok(total)
    }

    fn write_all_volatile<B: BitmapSlice>(
        &mut self,
        memory: &VolatileSlice<B>,
    ) -> std::result::Result<(), VolatileMemoryError> {
        if self.write_volatile(memory)? == memory.len() {
            Ok(())
        } else {
            Err(VolatileMemoryError::IOError(std::io::Error::new(
                std::io::ErrorKind::WriteZero,
                "failed to write whole buffer",
            )))
        }
    }
}

/// Makes a typed array of zeros, and returns it with its elements.
///
/// It is made by its constructor, which throws where an allocation by Node-API would end the
/// process. The constructor may be anybody's: what comes back is looked at.
pub fn new_typed_array(
    kind: sys::napi_typedarray_type,
    length: usize,
) -> Result<(Value, TypedArray)> {
    let env = current();
    // SAFETY: `env` is the environment that called.
    let length_value = unsafe { Number::to_napi_value(env, Number(length))? };
    let made = intrinsics::construct(kind, &[length_value]).map_err(|error| {
        // The engine's own error has no code.
        drop(error.into_value(env));
        BindingError::buffer_too_large(length)
    })?;
    let array = made.and_then(|made| Some((made, TypedArray::try_from_value(made)?)));
    match array {
        Some((made, elements)) if elements.kind == kind && elements.len() == length => {
            Ok((made, elements))
        }
        _ => Err(BindingError::unsupported(
            "The constructors of typed arrays are not those of the language",
        )),
    }
}
