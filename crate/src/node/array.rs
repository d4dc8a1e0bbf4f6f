//! Arrays of scalars, as memory holds them and as JavaScript does.

use napi::{ValueType, sys};

use crate::node::buffer::{Buffer, TypedArray, new_typed_array};
use crate::node::error::{BindingError, Error, Result, check};
use crate::node::scalar::{Integer, Scalar, with_scalar};
use crate::node::scope::Scope;
use crate::node::value::Value;

/// How many elements are read or written in one scope of handles. With scopes of this length, `['u128', 2 ** 22]` takes
/// 175 ns for each element, and a short array 125; with one scope for all it took 226, since each collection visits every
/// handle, and more the longer the array.
const ELEMENTS_IN_SCOPE: usize = 4096;

/// Calls `act` with the index of each element, in scopes of handles.
pub fn for_each_index(
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

/// Makes an array of what `element` makes of the bytes of each element.
pub fn array_of(
    env: sys::napi_env,
    size: usize,
    bytes: &[u8],
    element: impl Fn(&[u8]) -> Result<sys::napi_value>,
) -> Result<Value> {
    let mut array = std::ptr::null_mut();
    // SAFETY: `env` is the environment that called.
    check(unsafe { sys::napi_create_array(env, &raw mut array) })?;
    for_each_index(env, bytes.len() / size, |index| {
        let value = element(&bytes[index * size..][..size])?;
        let index = u32::try_from(index).map_err(|_| BindingError::buffer_too_large(index))?;
        // SAFETY: array and value are of this environment.
        check(unsafe { sys::napi_set_element(env, array, index, value) })
    })?;
    Ok(Value::new(env, array))
}

/// Makes the value of a scalar whose bytes memory has.
pub fn scalar_of(env: sys::napi_env, scalar: Scalar, bytes: &[u8]) -> Result<sys::napi_value> {
    with_scalar!(scalar, T => {
        let mut value = std::mem::MaybeUninit::<T>::zeroed();
        let length = bytes.len().min(size_of::<T>());
        // SAFETY: at most the size of the type is copied, any bytes of which are a value.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast(), length);
            value.assume_init()
        }
        .into_value(env)
    })
}

/// Makes an array of the scalars whose bytes memory has: a typed array, if there is one for them.
pub fn scalars_of(env: sys::napi_env, scalar: Scalar, bytes: &[u8]) -> Result<Value> {
    let Some(kind) = scalar.typed_array() else {
        return array_of(env, scalar.size(), bytes, |element| {
            scalar_of(env, scalar, element)
        });
    };
    let (array, elements) = new_typed_array(kind, bytes.len() / scalar.size())?;
    elements.bytes.fill_from(bytes);
    swap(scalar, elements.bytes);
    Ok(array)
}

/// Turns the elements of an array from memory's order of bytes into the host's, or back.
pub fn swap(scalar: Scalar, elements: Buffer) {
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

fn check_length(name: &str, expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(BindingError::out_of_range(format!(
        "The value of \"{name}\" is out of range. It must have {expected} elements. Received {found}"
    )))
}

/// Checks that a value is anything like an array, with `length` elements.
pub fn check_array(value: Value, name: &str, length: usize) -> Result<()> {
    if value.kind() != ValueType::Object {
        return Err(value.must_be(name, "an array or a typed array"));
    }
    let found = value.property(c"length")?;
    if found.kind() != ValueType::Number {
        return Err(value.must_be(name, "an array or a typed array"));
    }
    check_length(name, length, found.usize(&format!("{name}.length"))?)
}

/// Takes the elements of anything like an array.
pub fn for_each_element(
    value: Value,
    name: &str,
    length: usize,
    mut take: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    for_each_index(value.env(), length, |index| {
        let index = u32::try_from(index)
            .map_err(|_| value.must_be(name, "a typed array, being so long"))?;
        take(value.element(index)?)
    })
}

/// Takes the bytes of `length` scalars, from anything like an array.
pub fn bytes_of(value: Value, name: &str, scalar: Scalar, length: usize) -> Result<ArrayBytes> {
    if let Some(array) = TypedArray::try_from_value(value)
        && Some(array.kind) == scalar.typed_array()
    {
        check_length(name, length, array.len())?;
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
    check_array(value, name, length)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(scalar.size().saturating_mul(length))
        .map_err(|_| out_of_memory())?;
    for_each_element(value, name, length, |element| {
        with_scalar!(scalar, T => {
            let element = T::from_value(element, name)?;
            bytes.extend_from_slice(vm_memory::ByteValued::as_slice(&element));
        });
        Ok(())
    })?;
    Ok(ArrayBytes::Owned(bytes))
}

/// Appends bytes, or returns the error of the operating system if there is no memory for them.
pub fn append(bytes: &mut Vec<u8>, more: &[u8]) -> Result<()> {
    bytes.try_reserve(more.len()).map_err(|_| out_of_memory())?;
    bytes.extend_from_slice(more);
    Ok(())
}

fn out_of_memory() -> Error {
    std::io::Error::from_raw_os_error(libc::ENOMEM).into()
}
