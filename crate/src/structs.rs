//! Types of structs, which upstream reads and writes as `ByteValued`.

use operations::napi;

use crate::node::cloning;
use crate::node::error::Result;
use crate::node::identity::{Handle, stamp};
use crate::node::layout;
use crate::node::object::freeze;
use crate::node::value::Value;

/// Makes the type of a struct, for `readObj` and `writeObj`: `struct({ addr: 'le64', len: 'le32' })`.
///
/// The fields lie as `#[repr(C)]` lays them out: each at the next multiple of its alignment, and the size is a multiple of
/// the greatest one. Endian types are aligned as the integers that they are made of. A struct is read and written in one
/// copy, and its padding is written as zeros. The type is frozen, and good for all memory. (`ByteValued` on a struct)
///
/// @param fields a type for each field, in the order in which they lie in memory: a scalar, an array, or another struct
/// @param options.packed whether fields lie directly behind one another and the alignment is 1 (`#[repr(C, packed)]`)
/// @throws `ERR_INVALID_ARG_TYPE` for a field of no type; `ERR_OUT_OF_RANGE` if there is nothing in the struct, if its
/// size is no safe integer, for more than 64 structs in one another, and for a name that is an integer, since objects
/// do not keep such names in their order
///
/// @example
/// ```ts
/// import { GuestMemoryMmap, struct } from 'vm-memory'
///
/// const Descriptor = struct({ addr: 'le64', len: 'le32', flags: 'le16', next: 'le16' })
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
/// memory.writeObj(Descriptor, { addr: 0x8000, len: 512, flags: 1, next: 2 }, 0)
/// console.log(Descriptor.size, memory.readObj(Descriptor, 0).len) // 16 512
/// ```
#[napi(
    js_name = "struct",
    catch_unwind,
    ts_generic_types = "const F extends StructFields",
    ts_args_type = "fields: F, options?: { packed?: boolean }",
    ts_return_type = "StructType<F>"
)]
pub fn make_struct(fields: Value, options: Value) -> Result<Handle> {
    let packed = match options.options("options")? {
        Some(options) => match options.property(c"packed")?.optional() {
            Some(packed) => packed.boolean("options.packed")?,
            None => false,
        },
        None => false,
    };
    let object = layout::make_type(fields, packed)?;
    stamp(object);
    cloning::refuse(object);
    freeze(fields.env(), object).map(Handle)
}
