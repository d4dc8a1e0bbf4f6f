//! References to values in memory (upstream `volatile_memory.rs`).

use operations::napi;
use vm_memory::VolatileMemory;

use crate::bitmap::BitmapSlice;
use crate::memory::mapping::{Access, OwnedSlice};
use crate::memory::target::{Target, check_atomic};
use crate::node::buffer::TypedArray;
use crate::node::error::Result;
use crate::node::object::no_constructor;
use crate::node::scalar::{Atomic, Integer, Scalar, with_atomic, with_scalar};
use crate::node::value::{Number, Value};
use crate::ordering::Ordering;
use crate::volatile_memory::{VolatileSlice, copy_from, copy_to, copy_to_volatile_slice};

/// Makes the methods of `VolatileMemory` that return references, on a class that has a method `whole`.
macro_rules! references {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn get_ref(&self, kind: Value, offset: Value) -> Result<VolatileRef> {
                let (kind, offset) = (
                    $crate::node::scalar::Scalar::from_value(kind, "type")?,
                    offset.usize("offset")?,
                );
                VolatileRef::at(&self.whole()?, kind, offset)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_array_ref(
                &self,
                kind: Value,
                offset: Value,
                n: Value,
            ) -> Result<VolatileArrayRef> {
                let kind = $crate::node::scalar::Scalar::from_value(kind, "type")?;
                let (offset, length) = (offset.usize("offset")?, n.usize("n")?);
                VolatileArrayRef::at(&self.whole()?, kind, offset, length)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn get_atomic_ref(&self, kind: Value, offset: Value) -> Result<AtomicRef> {
                let (kind, offset) = (
                    $crate::node::scalar::Atomic::from_value(kind, "type")?,
                    offset.usize("offset")?,
                );
                AtomicRef::at(&self.whole()?, kind, offset)
            }
        }
    };
}
pub(crate) use references;

/// A reference to one value in memory. The value may be unaligned, and accesses are not atomic.
///
/// (`VolatileRef`)
///
/// @example
/// ```ts
/// import { GuestMemoryMmap } from 'vm-memory'
///
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
/// const status = memory.getSlice(0x100, 4).getRef('u32', 0)
/// status.store(5)
/// console.log(status.load(), memory.readU32(0x100)) // 5 5
/// ```
#[napi]
pub struct VolatileRef {
    scalar: Scalar,
    /// Exactly the bytes of the value.
    slice: OwnedSlice,
}

no_constructor! { VolatileRef }

impl VolatileRef {
    /// Makes a reference to all bytes of a slice, which may have been released.
    pub fn of(slice: OwnedSlice, scalar: Scalar) -> Self {
        Self { scalar, slice }
    }

    /// Does what upstream's `VolatileMemory::get_ref` does.
    pub fn at(slice: &OwnedSlice, scalar: Scalar, offset: usize) -> Result<Self> {
        slice.lease.check()?;
        let part = with_scalar!(scalar, T => {
            slice.slice.get_ref::<T>(offset)?;
            slice.slice.subslice(offset, size_of::<T>())
        });
        Ok(Self::of(slice.derive(part)?, scalar))
    }

    fn load_value(&self, env: napi::sys::napi_env) -> Result<Value> {
        let raw = with_scalar!(self.scalar, T => {
            let value = self.slice.access(0, size_of::<T>(), Access::Read, || {
                Ok(self.slice.slice.get_ref::<T>(0)?.load())
            })?;
            value.into_value(env)
        })?;
        Ok(Value::new(env, raw))
    }

    fn store_value(&self, value: Value) -> Result<()> {
        with_scalar!(self.scalar, T => {
            let value = T::from_value(value, "value")?;
            self.slice.access(0, size_of::<T>(), Access::Write, || {
                self.slice.slice.get_ref::<T>(0)?.store(value);
                Ok(())
            })
        })
    }
}

#[napi]
impl VolatileRef {
    /// The type of the value.
    #[napi(getter, js_name = "type", catch_unwind, ts_return_type = "T")]
    pub fn kind(&self) -> &'static str {
        self.scalar.name()
    }

    /// The number of bytes of the value. (`len`)
    #[napi(getter, catch_unwind, ts_return_type = "number")]
    pub fn len(&self) -> Number {
        Number(self.scalar.size())
    }

    /// The bitmap of the value, by offset from its first byte; null if the memory is not tracked. (`bitmap`)
    #[napi(getter, catch_unwind, ts_return_type = "BitmapSlice | null")]
    pub fn bitmap(&self) -> Result<Option<BitmapSlice>> {
        self.slice.lease.check()?;
        Ok(BitmapSlice::of_memory(self.slice.slice.bitmap()))
    }

    /// Reads the value. (`load`)
    ///
    /// @returns a number up to 32 bits, a bigint from 64 bits on
    /// @throws `ERR_PROTECTION`
    #[napi(catch_unwind, ts_return_type = "ValueOf<T>")]
    pub fn load(&self, env: napi::Env) -> Result<Value> {
        self.load_value(env.raw())
    }

    /// Writes the value, and marks it dirty. (`store`)
    ///
    /// @throws `ERR_OUT_OF_RANGE` if the value does not fit the type; `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "value: number | bigint")]
    pub fn store(&self, value: Value) -> Result<()> {
        self.store_value(value)
    }

    /// Returns a slice of the bytes of the value. (`to_slice`)
    #[napi(catch_unwind, ts_return_type = "VolatileSlice")]
    pub fn to_slice(&self) -> Result<VolatileSlice> {
        self.slice.lease.check()?;
        Ok(VolatileSlice::of(self.slice.clone()))
    }
}

/// A reference to values of one type, one after another. They may be unaligned, and accesses are not atomic.
///
/// (`VolatileArrayRef`)
///
/// @example
/// ```ts
/// import { GuestMemoryMmap } from 'vm-memory'
///
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
/// const ring = memory.getSlice(0x100, 8).getArrayRef('u16', 0, 4)
/// ring.store(2, 7)
/// console.log(ring.len, ring.load(2)) // 4 7
/// ```
#[napi]
pub struct VolatileArrayRef {
    scalar: Scalar,
    length: usize,
    /// Exactly the bytes of the values.
    slice: OwnedSlice,
}

no_constructor! { VolatileArrayRef }

impl VolatileArrayRef {
    /// Makes a reference to all bytes of a slice, which may have been released.
    pub fn of(slice: OwnedSlice, scalar: Scalar) -> Self {
        Self {
            scalar,
            length: slice.slice.len() / scalar.size(),
            slice,
        }
    }

    /// Does what upstream's `VolatileMemory::get_array_ref` does.
    pub fn at(slice: &OwnedSlice, scalar: Scalar, offset: usize, length: usize) -> Result<Self> {
        slice.lease.check()?;
        let part = with_scalar!(scalar, T => {
            slice.slice.get_array_ref::<T>(offset, length)?;
            slice.slice.subslice(offset, length * size_of::<T>())
        });
        Ok(Self::of(slice.derive(part)?, scalar))
    }

    /// Returns a reference to an element. Upstream panics beyond the end.
    fn element(&self, index: Value) -> Result<VolatileRef> {
        let position = index.usize("index")?;
        self.slice.lease.check()?;
        if position >= self.length {
            return Err(index.out_of_range("index", &format!("less than {}", self.length)));
        }
        VolatileRef::at(&self.slice, self.scalar, position * self.scalar.size())
    }

    /// Takes a typed array whose elements are as wide as these: upstream's arrays take slices of their own element type
    /// only.
    fn matching(&self, array: Value, name: &str) -> Result<TypedArray> {
        let elements = TypedArray::from_value(array, name)?;
        if elements.element_size == self.scalar.size() {
            return Ok(elements);
        }
        Err(array.must_be(
            name,
            &format!(
                "a typed array with elements of {} bytes",
                self.scalar.size()
            ),
        ))
    }
}

#[napi]
impl VolatileArrayRef {
    /// The type of the values.
    #[napi(getter, js_name = "type", catch_unwind, ts_return_type = "T")]
    pub fn kind(&self) -> &'static str {
        self.scalar.name()
    }

    /// The number of elements. (`len`)
    #[napi(getter, catch_unwind, ts_return_type = "number")]
    pub fn len(&self) -> Number {
        Number(self.length)
    }

    /// Whether there are no elements. (`is_empty`)
    #[napi(getter, catch_unwind)]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of bytes of an element. (`element_size`)
    #[napi(getter, catch_unwind, ts_return_type = "number")]
    pub fn element_size(&self) -> Number {
        Number(self.scalar.size())
    }

    /// The bitmap of the values, by offset in bytes from the first element; null if the memory is not tracked.
    /// (`bitmap`)
    #[napi(getter, catch_unwind, ts_return_type = "BitmapSlice | null")]
    pub fn bitmap(&self) -> Result<Option<BitmapSlice>> {
        self.slice.lease.check()?;
        Ok(BitmapSlice::of_memory(self.slice.slice.bitmap()))
    }

    /// Returns a reference to the element with this index. (`ref_at`)
    ///
    /// @throws `ERR_OUT_OF_RANGE` beyond the end
    #[napi(
        catch_unwind,
        ts_args_type = "index: Usize",
        ts_return_type = "VolatileRef<T>"
    )]
    pub fn ref_at(&self, index: Value) -> Result<VolatileRef> {
        self.element(index)
    }

    /// Reads an element. (`load`)
    ///
    /// @returns a number up to 32 bits, a bigint from 64 bits on
    /// @throws `ERR_OUT_OF_RANGE` beyond the end; `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "index: Usize",
        ts_return_type = "ValueOf<T>"
    )]
    pub fn load(&self, index: Value) -> Result<Value> {
        self.element(index)?.load_value(index.env())
    }

    /// Writes an element, and marks it dirty. (`store`)
    ///
    /// @throws `ERR_OUT_OF_RANGE` beyond the end, or if the value does not fit the type; `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "index: Usize, value: number | bigint")]
    pub fn store(&self, index: Value, value: Value) -> Result<()> {
        self.element(index)?.store_value(value)
    }

    /// Copies elements to the start of `dst`, as many as both have. (`copy_to`)
    ///
    /// @param dst an array whose elements are as wide as these; it gets the bytes as they are in memory
    /// @returns how many elements were copied
    /// @throws `ERR_INVALID_ARG_TYPE` for elements of another width; `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "dst: NodeJS.TypedArray",
        ts_return_type = "number"
    )]
    pub fn copy_to(&self, dst: Value) -> Result<Number> {
        copy_to(&self.slice, self.matching(dst, "dst")?)
    }

    /// Copies elements from the start of `src`, as many as both have, and marks them dirty. (`copy_from`)
    ///
    /// @param src an array whose elements are as wide as these; memory gets their bytes as they are
    /// @throws `ERR_INVALID_ARG_TYPE` for elements of another width; `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "src: NodeJS.TypedArray")]
    pub fn copy_from(&self, src: Value) -> Result<()> {
        copy_from(&self.slice, self.matching(src, "src")?)
    }

    /// Copies bytes to a slice, as many as both have. The two may overlap. (`copy_to_volatile_slice`)
    ///
    /// @throws `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "dst: VolatileSlice")]
    pub fn copy_to_volatile_slice(&self, dst: Value) -> Result<()> {
        copy_to_volatile_slice(&self.slice, dst)
    }

    /// Returns a slice of the bytes of all elements. (`to_slice`)
    #[napi(catch_unwind, ts_return_type = "VolatileSlice")]
    pub fn to_slice(&self) -> Result<VolatileSlice> {
        self.slice.lease.check()?;
        Ok(VolatileSlice::of(self.slice.clone()))
    }
}

/// A reference to one aligned integer, with atomic access.
///
/// (The result of `VolatileMemory::get_atomic_ref`)
///
/// @example
/// ```ts
/// import { GuestMemoryMmap, Ordering } from 'vm-memory'
///
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000]])
/// const index = memory.getSlice(0x100, 2).getAtomicRef('u16', 0)
/// index.store(1, Ordering.Release)
/// console.log(index.load(Ordering.Acquire)) // 1
/// ```
#[napi]
pub struct AtomicRef {
    kind: Atomic,
    /// Exactly the bytes of the integer.
    slice: OwnedSlice,
}

no_constructor! { AtomicRef }

impl AtomicRef {
    /// Makes a reference to all bytes of a slice, which may have been released.
    pub fn of(slice: OwnedSlice, kind: Atomic) -> Self {
        Self { kind, slice }
    }

    /// Does what upstream's `VolatileMemory::get_atomic_ref` does.
    pub fn at(slice: &OwnedSlice, kind: Atomic, offset: usize) -> Result<Self> {
        with_atomic!(kind, T => check_atomic::<_, T>(slice, offset))?;
        let part = slice.slice.subslice(offset, kind.scalar().size());
        Ok(Self::of(slice.derive(part)?, kind))
    }
}

#[napi]
impl AtomicRef {
    /// The type of the integer.
    #[napi(getter, js_name = "type", catch_unwind, ts_return_type = "T")]
    pub fn kind(&self) -> &'static str {
        self.kind.scalar().name()
    }

    /// Reads the integer. (`AtomicInteger::load`)
    ///
    /// @returns a number up to 32 bits, a bigint for 64 bits
    /// @throws `ERR_OUT_OF_RANGE` for `Release` and `AcqRel`; `ERR_PROTECTION`
    #[napi(
        catch_unwind,
        ts_args_type = "order: Ordering",
        ts_return_type = "ValueOf<T>"
    )]
    pub fn load(&self, order: Value) -> Result<Value> {
        let env = order.env();
        let order = Ordering::from_value(order)?.of_load()?;
        let raw = with_atomic!(self.kind, T => {
            let value: T = self.slice.access(0, size_of::<T>(), Access::Read, || {
                Ok(vm_memory::Bytes::load(&self.slice.slice, 0, order)?)
            })?;
            value.into_value(env)
        })?;
        Ok(Value::new(env, raw))
    }

    /// Writes the integer. As upstream, does not mark it dirty: the method `store` of a slice does.
    /// (`AtomicInteger::store`)
    ///
    /// @throws `ERR_OUT_OF_RANGE` for `Acquire` and `AcqRel`, or if the value does not fit the type; `ERR_PROTECTION`
    #[napi(catch_unwind, ts_args_type = "value: number | bigint, order: Ordering")]
    pub fn store(&self, value: Value, order: Value) -> Result<()> {
        with_atomic!(self.kind, T => {
            let value = T::from_value(value, "value")?;
            let order = Ordering::from_value(order)?.of_store()?;
            self.slice.access(0, size_of::<T>(), Access::Write, || {
                self.slice
                    .slice
                    .get_atomic_ref::<<T as vm_memory::AtomicAccess>::A>(0)?
                    .store(value, order);
                Ok(())
            })
        })
    }
}
