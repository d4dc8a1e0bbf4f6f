//! What a value looks like in memory: a scalar, a struct, or an array of either.
//!
//! Structs lie as `#[repr(C)]` lays them out, each field at the next multiple of its alignment. They are made of bytes that
//! were read in one copy, and become bytes that are written in one copy, so that upstream sees plain bytes.

use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::TypeTag;
use napi::{ValueType, sys};

use crate::node::array::{self, ArrayBytes, append, array_of, scalar_of, scalars_of};
use crate::node::buffer::TypedArray;
use crate::node::error::{BindingError, Result, check};
use crate::node::object;
use crate::node::scalar::{Integer, Scalar, with_scalar};
use crate::node::value::{MAX_SAFE_INTEGER, Value};

/// Zeros for what lies between two fields, which is less than an alignment.
const PADDING: [u8; 16] = [0; 16];

/// How deep structs may lie in one another. They are walked by recursion.
const DEEPEST: usize = 64;

/// What an array has many of.
#[derive(Clone, Debug)]
pub enum Element {
    Scalar(Scalar),
    Struct(Arc<Layout>),
}

/// What `readObj` and `writeObj` take (`ByteValued` in TypeScript).
#[derive(Clone, Debug)]
pub enum Kind {
    One(Element),
    Array(Element, usize),
}

#[derive(Debug)]
struct Field {
    /// The name in UTF-16.
    name: Box<[u16]>,
    /// What errors call a value for this field.
    label: String,
    offset: usize,
    kind: Kind,
}

/// The layout of a struct.
#[derive(Debug)]
pub struct Layout {
    fields: Vec<Field>,
    size: usize,
    alignment: usize,
    /// How many structs lie in one another, this one counted.
    depth: usize,
}

/// What an object of a struct type wraps.
pub struct StructType(pub Arc<Layout>);

impl TypeTag for StructType {
    fn type_tag() -> sys::napi_type_tag {
        // The address of a static tells copies of this addon from one another: none may be asked for the layouts of another.
        static HERE: u8 = 0;
        sys::napi_type_tag {
            lower: 0x766d_2d73_7472_7563,
            upper: (&raw const HERE).addr() as u64,
        }
    }
}

impl Element {
    fn from_value(value: Value, name: &str) -> Result<Self> {
        if value.kind() == ValueType::Object
            && let Some(StructType(layout)) = value.wrapped()
        {
            return Ok(Self::Struct(Arc::clone(layout)));
        }
        Scalar::from_value(value, name).map(Self::Scalar)
    }

    fn size(&self) -> usize {
        match self {
            Self::Scalar(scalar) => scalar.size(),
            Self::Struct(layout) => layout.size,
        }
    }

    fn alignment(&self) -> usize {
        match self {
            Self::Scalar(scalar) => scalar.alignment(),
            Self::Struct(layout) => layout.alignment,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::Struct(layout) => layout.depth,
        }
    }

    fn make(&self, env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
        match self {
            Self::Scalar(scalar) => scalar_of(env, *scalar, bytes),
            Self::Struct(layout) => layout.make(env, bytes),
        }
    }

    fn append(&self, value: Value, name: &str, bytes: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Scalar(scalar) => with_scalar!(*scalar, T => {
                let value = T::from_value(value, name)?;
                append(bytes, vm_memory::ByteValued::as_slice(&value))
            }),
            Self::Struct(layout) => layout.append(value, name, bytes),
        }
    }
}

impl Kind {
    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        if !value.is_array() {
            return Element::from_value(value, name).map(Self::One);
        }
        if value.array_length(name)? != 2 {
            return Err(value.must_be(name, "a type or [type, length]"));
        }
        let element = Element::from_value(value.element(0)?, &format!("{name}[0]"))?;
        let length = value.element(1)?.usize(&format!("{name}[1]"))?;
        let kind = Self::Array(element, length);
        kind.checked_size().ok_or_else(|| {
            BindingError::out_of_range(match &kind {
                Self::Array(Element::Scalar(scalar), _) => format!(
                    "An array of {length} elements of type '{}' is too long",
                    scalar.name()
                ),
                _ => format!("An array of {length} structs is too long"),
            })
        })?;
        Ok(kind)
    }

    /// Returns the size in bytes; None if it would not fit the address space.
    fn checked_size(&self) -> Option<usize> {
        match self {
            Self::One(element) => Some(element.size()),
            Self::Array(element, length) => length.checked_mul(element.size()),
        }
        .filter(|size| isize::try_from(*size).is_ok())
    }

    /// Returns the size in bytes. It was checked when the kind was made.
    pub fn size(&self) -> usize {
        self.checked_size().unwrap_or(usize::MAX)
    }

    fn element(&self) -> &Element {
        match self {
            Self::One(element) | Self::Array(element, _) => element,
        }
    }

    /// Makes the value of the bytes that memory has.
    pub fn make(&self, env: sys::napi_env, bytes: &[u8]) -> Result<Value> {
        match self {
            Self::One(element) => element.make(env, bytes).map(|raw| Value::new(env, raw)),
            Self::Array(Element::Scalar(scalar), _) => scalars_of(env, *scalar, bytes),
            Self::Array(element, _) => {
                array_of(env, element.size(), bytes, |bytes| element.make(env, bytes))
            }
        }
    }

    /// Takes the bytes of a value as memory shall have them. Runs user code if the value has getters.
    pub fn bytes_of(&self, value: Value) -> Result<ArrayBytes> {
        const NAME: &str = "value";
        if let Self::Array(Element::Scalar(scalar), length) = self {
            return array::bytes_of(value, NAME, *scalar, *length);
        }
        let mut bytes = Vec::new();
        self.append(value, NAME, &mut bytes)?;
        Ok(ArrayBytes::Owned(bytes))
    }

    fn append(&self, value: Value, name: &str, bytes: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::One(element) => element.append(value, name, bytes),
            Self::Array(Element::Scalar(scalar), length) => {
                let elements = array::bytes_of(value, name, *scalar, *length)?;
                match elements {
                    ArrayBytes::Borrowed(buffer) => append(bytes, &buffer.to_vec()?),
                    ArrayBytes::Owned(elements) => append(bytes, &elements),
                }
            }
            Self::Array(element, length) => {
                array::check_array(value, name, *length)?;
                array::for_each_element(value, name, *length, |value| {
                    element.append(value, name, bytes)
                })
            }
        }
    }
}

impl Layout {
    /// Lays out fields. `packed`: one directly behind the other.
    fn new(fields: Vec<(Box<[u16]>, Kind)>, packed: bool, value: Value) -> Result<Self> {
        let too_large = || value.out_of_range("fields", "a struct of at most 2^53 - 1 bytes");
        let mut layout = Self {
            fields: Vec::with_capacity(fields.len()),
            size: 0,
            alignment: 1,
            depth: 1,
        };
        for (name, kind) in fields {
            let alignment = if packed {
                1
            } else {
                kind.element().alignment()
            };
            layout.alignment = layout.alignment.max(alignment);
            layout.depth = layout.depth.max(kind.element().depth() + 1);
            let offset = layout.size.checked_next_multiple_of(alignment);
            let offset = offset.ok_or_else(too_large)?;
            layout.size = offset.checked_add(kind.size()).ok_or_else(too_large)?;
            layout.fields.push(Field {
                label: format!("value.{}", String::from_utf16_lossy(&name)),
                name,
                offset,
                kind,
            });
        }
        let size = layout.size.checked_next_multiple_of(layout.alignment);
        layout.size = size
            .filter(|size| *size as u64 <= MAX_SAFE_INTEGER)
            .ok_or_else(too_large)?;
        if layout.size == 0 {
            return Err(value.out_of_range("fields", "a struct with something in it"));
        }
        if layout.depth > DEEPEST {
            let range = format!("at most {DEEPEST} structs in one another");
            return Err(value.out_of_range("fields", &range));
        }
        Ok(layout)
    }

    /// Makes an object of the bytes that memory has.
    fn make(&self, env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
        let object = object::plain(env)?;
        for field in &self.fields {
            let value = field
                .kind
                .make(env, &bytes[field.offset..][..field.kind.size()])?;
            let name = object::string_utf16(env, &field.name)?;
            object::define_key(env, object, name, value.raw(), object::ORDINARY)?;
        }
        Ok(object)
    }

    /// Appends the bytes of an object's fields, with zeros between them.
    fn append(&self, value: Value, name: &str, bytes: &mut Vec<u8>) -> Result<()> {
        if value.kind() != ValueType::Object {
            return Err(value.must_be(name, "an object with the fields of the struct"));
        }
        let start = bytes.len();
        let pad = |bytes: &mut Vec<u8>, offset: usize| {
            append(bytes, &PADDING[..start + offset - bytes.len()])
        };
        for field in &self.fields {
            pad(bytes, field.offset)?;
            let key = object::string_utf16(value.env(), &field.name)?;
            field
                .kind
                .append(value.property_of(key)?, &field.label, bytes)?;
        }
        pad(bytes, self.size)
    }
}

/// Checks whether a name is one that objects keep before all others, in the order of numbers.
fn is_index(name: &[u16]) -> bool {
    let digits = name.iter().all(|unit| (0x30..=0x39).contains(unit));
    let canonical = name.len() == 1 || name.first() != Some(&0x30);
    digits
        && canonical
        && String::from_utf16_lossy(name)
            .parse::<u32>()
            .is_ok_and(|index| index < u32::MAX)
}

/// Makes the type of a struct, with properties that nobody can change.
pub fn make_type(fields: Value, packed: bool) -> Result<sys::napi_value> {
    // Nobody means elements by fields, and there may be many of them.
    let has_elements = fields.is_array() || TypedArray::try_from_value(fields).is_some();
    if fields.kind() != ValueType::Object || has_elements {
        return Err(fields.must_be("fields", "an object with a type for each field"));
    }
    let env = fields.env();
    let (own_fields, own_offsets) = (object::plain(env)?, object::plain(env)?);
    let names = fields.own_names()?;
    let mut kinds = Vec::new();
    for index in 0..names.array_length("fields")? {
        let key = names.element(index)?;
        let name = key.utf16()?;
        if is_index(&name) {
            return Err(key.out_of_range("fields", "an object whose names are no integers"));
        }
        let label = format!("fields.{}", String::from_utf16_lossy(&name));
        let given = own_copy(fields.property_of(key.raw())?)?;
        let kind = Kind::from_value(given, &label)?;
        let own = match &kind {
            Kind::One(_) => given.raw(),
            Kind::Array(_, length) => frozen_array(given, *length)?,
        };
        object::define_key(env, own_fields, key.raw(), own, object::CONSTANT)?;
        kinds.push((name.into_boxed_slice(), kind));
    }
    let layout = Layout::new(kinds, packed, fields)?;
    for field in &layout.fields {
        let name = object::string_utf16(env, &field.name)?;
        let offset = object::number(env, field.offset)?;
        object::define_key(env, own_offsets, name, offset, object::CONSTANT)?;
    }
    let object = object::plain(env)?;
    let properties = [
        ("fields", object::freeze(env, own_fields)?),
        ("size", object::number(env, layout.size)?),
        ("alignment", object::number(env, layout.alignment)?),
        ("offsets", object::freeze(env, own_offsets)?),
    ];
    for (name, value) in properties {
        object::define(env, object, name, value, object::CONSTANT)?;
    }
    object::wrap(env, object, StructType(Arc::new(layout)))?;
    Ok(object)
}

/// Copies an array of two elements: they are read once, since they may be getters. Returns everything else as it is.
fn own_copy(given: Value) -> Result<Value> {
    if !given.is_array() || given.array_length("fields")? != 2 {
        return Ok(given);
    }
    let env = given.env();
    let mut copy = ptr::null_mut();
    // SAFETY: `env` is the environment that called, and so are the values.
    unsafe {
        check(sys::napi_create_array_with_length(env, 2, &raw mut copy))?;
        for index in 0..2 {
            let element = given.element(index)?;
            check(sys::napi_set_element(env, copy, index, element.raw()))?;
        }
    }
    Ok(Value::new(env, copy))
}

/// Freezes an array of this crate, whose length is a number from now on.
fn frozen_array(array: Value, length: usize) -> Result<sys::napi_value> {
    let env = array.env();
    let length = object::number(env, length)?;
    // SAFETY: `env` is the environment that called, and so are the values.
    check(unsafe { sys::napi_set_element(env, array.raw(), 1, length) })?;
    object::freeze(env, array.raw())
}
