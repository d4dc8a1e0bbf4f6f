//! Arrays of scalars (`[type, length]`, upstream `[T; n]`) as typed arrays.

use napi::{ValueType, sys};

use crate::memory::target::{Target, read_all};
use crate::node::buffer::{Buffer, TypedArray, new_typed_array, zeroed};
use crate::node::error::{BindingError, Error, Result, check};
use crate::node::scalar::{Integer, Scalar, with_scalar};
use crate::node::scope::Scope;
use crate::node::value::Value;

/// Takes `[type, length]` apart.
pub fn parse(kind: Value) -> Result<(Scalar, usize)> {
    if kind.array_length("type")? != 2 {
        return Err(kind.must_be("type", "a type or [type, length]"));
    }
    let scalar = Scalar::from_value(kind.element(0)?, "type[0]")?;
    let length = kind.element(1)?.usize("type[1]")?;
    byte_length(scalar, length)?;
    Ok((scalar, length))
}

/// Reads `length` scalars: `Bytes::read_obj::<[T; length]>`.
pub fn read<T: Target>(
    target: &T,
    scalar: Scalar,
    length: usize,
    address: T::Address,
    env: sys::napi_env,
) -> Result<Value> {
    let size = byte_length(scalar, length)?;
    // An array is only made when there is something to fill it with: a length out of thin air
    // must not take memory.
    let available = target.available(address, size)?;
    if available != size {
        target.permit(address, size, crate::memory::mapping::Access::Read)?;
        return Err(T::partial(size, available).into());
    }
    let Some(kind) = scalar.typed_array() else {
        let mut bytes = zeroed(size)?;
        read_all(target, Buffer::of(&mut bytes), address)?;
        return array_of_bigints(env, scalar, &bytes);
    };
    let (array, elements) = new_typed_array(kind, length)?;
    read_all(target, elements.bytes, address)?;
    swap(scalar, elements.bytes);
    Ok(array)
}

/// How many elements are read or written in one scope of handles. With scopes of this length, `['u128', 2 ** 22]` takes
/// 175 ns for each element, and a short array 125; with one scope for all it took 226, since each collection visits every
/// handle, and more the longer the array.
const ELEMENTS_IN_SCOPE: usize = 4096;

/// Calls `act` with the index of each element, in scopes of handles.
fn for_each_index(
    env: sys::napi_env,
    length: usize,
    mut act: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    for start in (0..length).step_by(ELEMENTS_IN_SCOPE) {
        let _scope = Scope::open(env)?;
        for index in start..length.min(start + ELEMENTS_IN_SCOPE) {
            act(index)?;
        }
    }
    Ok(())
}

fn array_of_bigints(env: sys::napi_env, scalar: Scalar, bytes: &[u8]) -> Result<Value> {
    let mut array = std::ptr::null_mut();
    // SAFETY: `env` is the environment that called.
    check(unsafe { sys::napi_create_array(env, &raw mut array) })?;
    let size = scalar.size();
    for_each_index(env, bytes.len() / size, |index| {
        let element = &bytes[index * size..][..size];
        let value = with_scalar!(scalar, T => {
            let mut value = std::mem::MaybeUninit::<T>::zeroed();
            // SAFETY: the element has the size of the type, any bytes of which are a value.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    element.as_ptr(),
                    value.as_mut_ptr().cast(),
                    size_of::<T>(),
                );
                value.assume_init()
            }
            .into_value(env)?
        });
        let index = u32::try_from(index).map_err(|_| BindingError::buffer_too_large(index))?;
        // SAFETY: array and value are of this environment.
        check(unsafe { sys::napi_set_element(env, array, index, value) })
    })?;
    Ok(Value::new(env, array))
}

/// Turns the elements of an array from memory's order of bytes into the host's, or back.
fn swap(scalar: Scalar, elements: Buffer) {
    let foreign = match scalar {
        Scalar::Be16 | Scalar::Be32 | Scalar::Be64 | Scalar::BeSize => {
            cfg!(target_endian = "little")
        }
        Scalar::Le16 | Scalar::Le32 | Scalar::Le64 | Scalar::LeSize => cfg!(target_endian = "big"),
        _ => false,
    };
    if foreign {
        elements.reverse_each(scalar.size());
    }
}

/// The bytes of an array as memory holds them.
pub enum ArrayBytes {
    /// The bytes of a typed array, used in place.
    Borrowed(Buffer),
    Owned(Vec<u8>),
}

impl ArrayBytes {
    pub fn buffer(&mut self) -> Buffer {
        match self {
            Self::Borrowed(buffer) => *buffer,
            Self::Owned(bytes) => Buffer::of(bytes),
        }
    }
}

fn check_length(expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(BindingError::out_of_range(format!(
        "The value of \"value\" is out of range. It must have {expected} elements. Received {found}"
    )))
}

/// Takes the bytes of `length` scalars, from anything like an array.
pub fn bytes_of(value: Value, scalar: Scalar, length: usize) -> Result<ArrayBytes> {
    if value.kind() != ValueType::Object {
        return Err(value.must_be("value", "an array or a typed array"));
    }
    if let Some(array) = TypedArray::try_from_value(value)
        && Some(array.kind) == scalar.typed_array()
    {
        check_length(length, array.len())?;
        let mut copy = ArrayBytes::Borrowed(array.bytes);
        if matches!(
            scalar,
            Scalar::Be16 | Scalar::Be32 | Scalar::Be64 | Scalar::BeSize
        ) {
            copy = ArrayBytes::Owned(array.bytes.to_vec()?);
            swap(scalar, copy.buffer());
        }
        return Ok(copy);
    }
    let found = value.property(c"length")?;
    if found.kind() != ValueType::Number {
        return Err(value.must_be("value", "an array or a typed array"));
    }
    check_length(length, found.usize("value.length")?)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(byte_length(scalar, length)?)
        .map_err(|_| Error::from(std::io::Error::from_raw_os_error(libc::ENOMEM)))?;
    for_each_index(value.env(), length, |index| {
        let index = u32::try_from(index)
            .map_err(|_| value.must_be("value", "a typed array, being so long"))?;
        with_scalar!(scalar, T => {
            let element = T::from_value(value.element(index)?, "value")?;
            bytes.extend_from_slice(vm_memory::ByteValued::as_slice(&element));
        });
        Ok(())
    })?;
    Ok(ArrayBytes::Owned(bytes))
}

/// Refuses a count of bytes that would not fit the address space.
fn byte_length(scalar: Scalar, length: usize) -> Result<usize> {
    length
        .checked_mul(scalar.size())
        .filter(|bytes| isize::try_from(*bytes).is_ok())
        .ok_or_else(|| {
            BindingError::out_of_range(format!(
                "An array of {length} elements of type '{}' is too long",
                scalar.name()
            ))
        })
}
