//! Values that are more than one scalar: arrays and structs, read and written in one copy.

use napi::sys;

use crate::memory::mapping::Access;
use crate::memory::target::{Place, Target, all, read_all, write_all};
use crate::node::array::swap;
use crate::node::buffer::{Buffer, new_typed_array, zeroed};
use crate::node::error::Result;
use crate::node::layout::{Element, Kind};
use crate::node::value::Value;

/// Does what `Bytes::read_obj` does for a type of this kind.
pub fn read<T: Target>(
    target: &T,
    kind: &Kind,
    address: T::Address,
    env: sys::napi_env,
) -> Result<Value> {
    let size = kind.size();
    // An array is only made when there is something to fill it with: a length out of thin air
    // must not take memory.
    let available = target
        .available(address, size)
        .map_err(|error| error.at(address.number(), size))?;
    if available != size {
        target.permit(address, size, Access::Read)?;
        all::<T>(address, size, available)?;
    }
    if let Kind::Array(Element::Scalar(scalar), length) = kind
        && let Some(class) = scalar.typed_array()
    {
        let (array, elements) = new_typed_array(class, *length)?;
        read_all(target, elements.bytes, address)?;
        swap(*scalar, elements.bytes);
        return Ok(array);
    }
    let mut bytes = zeroed(size)?;
    read_all(target, Buffer::of(&mut bytes), address)?;
    kind.make(env, &bytes)
}

/// Does what `Bytes::write_obj` does for a type of this kind.
pub fn write<T: Target>(target: &T, kind: &Kind, value: Value, address: T::Address) -> Result<()> {
    let mut bytes = kind.bytes_of(value)?;
    write_all(target, bytes.buffer(), address)
}
