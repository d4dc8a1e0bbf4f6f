//! `Bytes`: access to memory by copy (upstream `bytes.rs`).
//!
//! The functions here are generic over what is accessed: memory by guest address, a region by
//! offset, a slice by offset. [`byte_access!`] makes methods of them.

use std::sync::atomic::Ordering as AtomicOrdering;

use napi::{ValueType, sys};
use vm_memory::Bytes;

use crate::memory::mapping::Access;
use crate::memory::object;
use crate::memory::target::{
    Target, check_atomic, fill_all, read_all, read_some, write_all, write_some,
};
use crate::node::buffer::Buffer;
use crate::node::error::{Error, Result};
use crate::node::layout::{Element, Kind};
use crate::node::scalar::{Atomic, Integer, with_atomic, with_scalar};
use crate::node::value::{Number, Value};
use crate::ordering::Ordering;

pub fn read<T: Target>(target: &T, buffer: Value, address: Value) -> Result<Number> {
    let buffer = Buffer::from_value(buffer, "buf")?;
    let address = T::address(address)?;
    read_some(target, buffer, address).map(Number)
}

pub fn write<T: Target>(target: &T, buffer: Value, address: Value) -> Result<Number> {
    let buffer = Buffer::from_value(buffer, "buf")?;
    let address = T::address(address)?;
    write_some(target, buffer, address).map(Number)
}

pub fn read_slice<T: Target>(target: &T, buffer: Value, address: Value) -> Result<()> {
    let buffer = Buffer::from_value(buffer, "buf")?;
    let address = T::address(address)?;
    read_all(target, buffer, address)
}

pub fn write_slice<T: Target>(target: &T, buffer: Value, address: Value) -> Result<()> {
    let buffer = Buffer::from_value(buffer, "buf")?;
    let address = T::address(address)?;
    write_all(target, buffer, address)
}

/// Sets bytes to one value.
pub fn fill<T: Target>(target: &T, value: Value, address: Value, count: Value) -> Result<()> {
    if value.kind() != ValueType::Number {
        return Err(value.must_be("value", "a number"));
    }
    let value = u8::from_value(value, "value")?;
    let address = T::address(address)?;
    let count = count.usize("count")?;
    fill_all(target, value, address, count)
}

/// Does what `Bytes::read_obj` does for one scalar.
pub fn read_scalar<T: Target, V: Integer>(target: &T, address: Value) -> Result<V> {
    let address = T::address(address)?;
    target.access(address, size_of::<V>(), Access::Read, || {
        target.bytes().read_obj(address).map_err(Into::into)
    })
}

/// Does what `Bytes::write_obj` does for one scalar.
pub fn write_scalar<T: Target, V: Integer>(target: &T, value: Value, address: Value) -> Result<()> {
    let value = V::from_value(value, "value")?;
    let address = T::address(address)?;
    target.access(address, size_of::<V>(), Access::Write, || {
        target.bytes().write_obj(value, address).map_err(Into::into)
    })
}

pub fn read_obj<T: Target>(target: &T, kind: Value, address: Value) -> Result<Value> {
    let env = address.env();
    match Kind::from_value(kind, "type")? {
        Kind::One(Element::Scalar(scalar)) => with_scalar!(scalar, V => {
            read_scalar::<T, V>(target, address)?.into_value(env)
        })
        .map(|raw| Value::new(env, raw)),
        kind => object::read(target, &kind, T::address(address)?, env),
    }
}

pub fn write_obj<T: Target>(target: &T, kind: Value, value: Value, address: Value) -> Result<()> {
    match Kind::from_value(kind, "type")? {
        Kind::One(Element::Scalar(scalar)) => {
            with_scalar!(scalar, V => write_scalar::<T, V>(target, value, address))
        }
        // The address first: reading the elements and fields may run user code.
        kind => object::write(target, &kind, value, T::address(address)?),
    }
}

pub fn load<T: Target>(target: &T, kind: Value, address: Value, order: Value) -> Result<Value> {
    let kind = Atomic::from_value(kind, "type")?;
    let env = address.env();
    let address = T::address(address)?;
    let order = Ordering::from_value(order)?;
    with_atomic!(kind, V => {
        check_atomic::<T, V>(target, address)?;
        let order = order.of_load()?;
        let value: V = target.access(address, size_of::<V>(), Access::Read, || {
            target.bytes().load(address, order).map_err(Into::into)
        })?;
        value.into_value(env)
    })
    .map(|raw: sys::napi_value| Value::new(env, raw))
}

pub fn store<T: Target>(
    target: &T,
    kind: Value,
    value: Value,
    address: Value,
    order: Value,
) -> Result<()> {
    let kind = Atomic::from_value(kind, "type")?;
    with_atomic!(kind, V => {
        let value = V::from_value(value, "value")?;
        let address = T::address(address)?;
        let order = Ordering::from_value(order)?;
        check_atomic::<T, V>(target, address)?;
        let order: AtomicOrdering = order.of_store()?;
        target.access(address, size_of::<V>(), Access::Write, || {
            target.bytes().store(value, address, order).map_err(Into::<Error>::into)
        })
    })
}

/// Makes the methods of `ByteAccess` on a class that has a method `target`, which returns what is accessed.
macro_rules! byte_access {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn read(&self, buf: Value, addr: Value) -> Result<Number> {
                bytes::read(&*self.target()?, buf, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write(&self, buf: Value, addr: Value) -> Result<Number> {
                bytes::write(&*self.target()?, buf, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_slice(&self, buf: Value, addr: Value) -> Result<()> {
                bytes::read_slice(&*self.target()?, buf, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_slice(&self, buf: Value, addr: Value) -> Result<()> {
                bytes::write_slice(&*self.target()?, buf, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn fill(&self, value: Value, addr: Value, count: Value) -> Result<()> {
                bytes::fill(&*self.target()?, value, addr, count)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_obj(&self, kind: Value, addr: Value) -> Result<Value> {
                bytes::read_obj(&*self.target()?, kind, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_obj(&self, kind: Value, value: Value, addr: Value) -> Result<()> {
                bytes::write_obj(&*self.target()?, kind, value, addr)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn load(&self, kind: Value, addr: Value, order: Value) -> Result<Value> {
                bytes::load(&*self.target()?, kind, addr, order)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn store(&self, kind: Value, value: Value, addr: Value, order: Value) -> Result<()> {
                bytes::store(&*self.target()?, kind, value, addr, order)
            }
        }

        byte_access!(@scalars $class
            u8 read_u8 write_u8, i8 read_i8 write_i8,
            u16 read_u16 write_u16, i16 read_i16 write_i16,
            u32 read_u32 write_u32, i32 read_i32 write_i32,
            u64 read_u64 write_u64, i64 read_i64 write_i64);
    };
    (@scalars $class:ident $($T:ident $read:ident $write:ident),*) => {
        #[operations::napi]
        impl $class {
            $(
                #[napi(skip_typescript, catch_unwind)]
                pub fn $read(&self, addr: Value) -> Result<ScalarValue<$T>> {
                    bytes::read_scalar(&*self.target()?, addr).map(ScalarValue)
                }

                #[napi(skip_typescript, catch_unwind)]
                pub fn $write(&self, value: Value, addr: Value) -> Result<()> {
                    bytes::write_scalar::<_, $T>(&*self.target()?, value, addr)
                }
            )*
        }
    };
}
pub(crate) use byte_access;
