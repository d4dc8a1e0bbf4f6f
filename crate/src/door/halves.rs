//! The native halves of slices and references, which are plain objects where `lib/fast/` is in: of released memory, too.

use napi_derive::napi;

use crate::memory::mapping::OwnedSlice;
use crate::mmap_unix::owner_of;
use crate::node::error::Result;
use crate::node::scalar::{Atomic, Scalar};
use crate::node::value::Value;
use crate::volatile_memory::VolatileSlice;
use crate::volatile_ref::{AtomicRef, VolatileArrayRef, VolatileRef};

fn part(object: Value, offset: Value, count: Value) -> Result<OwnedSlice> {
    owner_of(object, "object")?.part(offset.usize("offset")?, count.usize("count")?)
}

/// Makes a slice of some bytes of a region or a mapping.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn slice_half(object: Value, offset: Value, count: Value) -> Result<VolatileSlice> {
    part(object, offset, count).map(VolatileSlice::of)
}

/// Makes a reference to the value that such bytes are.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn ref_half(object: Value, offset: Value, count: Value, kind: Value) -> Result<VolatileRef> {
    let kind = Scalar::from_value(kind, "type")?;
    Ok(VolatileRef::of(part(object, offset, count)?, kind))
}

/// Makes a reference to the values that they are.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn array_ref_half(
    object: Value,
    offset: Value,
    count: Value,
    kind: Value,
) -> Result<VolatileArrayRef> {
    let kind = Scalar::from_value(kind, "type")?;
    Ok(VolatileArrayRef::of(part(object, offset, count)?, kind))
}

/// Makes a reference to the aligned integer that they are.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn atomic_ref_half(
    object: Value,
    offset: Value,
    count: Value,
    kind: Value,
) -> Result<AtomicRef> {
    let kind = Atomic::from_value(kind, "type")?;
    Ok(AtomicRef::of(part(object, offset, count)?, kind))
}
