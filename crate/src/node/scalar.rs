//! Integers as JavaScript and memory see them: names of types, values, arrays of values.
//!
//! Each name stands for one type that upstream can read and write ([`vm_memory::ByteValued`]). [`with_scalar!`] runs
//! generic code with that type, so that upstream's own generic methods do the work.

use std::ptr;

use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};
use vm_memory::{Be16, Be32, Be64, BeSize, ByteValued, Le16, Le32, Le64, LeSize};

use crate::node::error::{Result, check};
use crate::node::value::{Value, integer};

/// The longest name of a type, with room to see that a longer one was given.
const NAME_LENGTH: usize = 16;

macro_rules! scalars {
    ($($variant:ident $name:literal $T:ty,)*) => {
        /// The name of an integer type (`ScalarType` in TypeScript).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scalar {
            $($variant,)*
        }

        impl Scalar {
            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the size in bytes.
            pub fn size(self) -> usize {
                match self {
                    $(Self::$variant => size_of::<$T>(),)*
                }
            }

            /// Returns the alignment in a struct.
            pub fn alignment(self) -> usize {
                match self {
                    $(Self::$variant => align_of::<$T>(),)*
                }
            }
        }

        /// Runs generic code with the type that a [`Scalar`] names.
        macro_rules! with_scalar {
            ($scalar:expr, $alias:ident => $body:expr) => {
                match $scalar {
                    $($crate::node::scalar::Scalar::$variant => {
                        type $alias = $T;
                        $body
                    })*
                }
            };
        }
    };
}

scalars! {
    U8 "u8" u8,
    I8 "i8" i8,
    U16 "u16" u16,
    I16 "i16" i16,
    U32 "u32" u32,
    I32 "i32" i32,
    U64 "u64" u64,
    I64 "i64" i64,
    Usize "usize" usize,
    Isize "isize" isize,
    U128 "u128" u128,
    I128 "i128" i128,
    Le16 "le16" vm_memory::Le16,
    Le32 "le32" vm_memory::Le32,
    Le64 "le64" vm_memory::Le64,
    LeSize "leSize" vm_memory::LeSize,
    Be16 "be16" vm_memory::Be16,
    Be32 "be32" vm_memory::Be32,
    Be64 "be64" vm_memory::Be64,
    BeSize "beSize" vm_memory::BeSize,
}
pub(crate) use with_scalar;

impl Scalar {
    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        value
            .short_string(&mut [0; NAME_LENGTH])
            .and_then(Self::from_name)
            .ok_or_else(|| value.must_be(name, "the name of an integer type, such as 'u32'"))
    }

    /// Returns the class of the typed array that holds such values; None for those of 128 bits.
    pub fn typed_array(self) -> Option<sys::napi_typedarray_type> {
        use sys::TypedarrayType as Kind;
        Some(match self {
            Self::U8 => Kind::uint8_array,
            Self::I8 => Kind::int8_array,
            Self::U16 | Self::Le16 | Self::Be16 => Kind::uint16_array,
            Self::I16 => Kind::int16_array,
            Self::U32 | Self::Le32 | Self::Be32 => Kind::uint32_array,
            Self::I32 => Kind::int32_array,
            Self::U64 | Self::Usize | Self::Le64 | Self::LeSize | Self::Be64 | Self::BeSize => {
                Kind::biguint64_array
            }
            Self::I64 | Self::Isize => Kind::bigint64_array,
            Self::U128 | Self::I128 => return None,
        })
    }
}

/// Runs generic code with the type that an [`Atomic`] names.
macro_rules! with_atomic {
    ($scalar:expr, $alias:ident => $body:expr) => {
        with_atomic!(@ $scalar, $alias => $body,
            U8 u8, I8 i8, U16 u16, I16 i16, U32 u32, I32 i32, U64 u64, I64 i64,
            Usize usize, Isize isize)
    };
    (@ $scalar:expr, $alias:ident => $body:expr, $($variant:ident $T:ty),*) => {
        match $scalar.scalar() {
            $($crate::node::scalar::Scalar::$variant => {
                type $alias = $T;
                $body
            })*
            // `Atomic` is made of the types above only.
            other => Err($crate::node::error::BindingError::invalid_arg_type(format!(
                "There is no atomic access of type '{}'", other.name()
            ))),
        }
    };
}
pub(crate) use with_atomic;

/// The name of an integer type with atomic access (`AtomicType` in TypeScript).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atomic(Scalar);

impl Atomic {
    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        match Scalar::from_value(value, name) {
            Ok(
                scalar @ (Scalar::U8
                | Scalar::I8
                | Scalar::U16
                | Scalar::I16
                | Scalar::U32
                | Scalar::I32
                | Scalar::U64
                | Scalar::I64
                | Scalar::Usize
                | Scalar::Isize),
            ) => Ok(Self(scalar)),
            _ => Err(value.must_be(name, "the name of an atomic integer type, such as 'u32'")),
        }
    }

    pub fn scalar(self) -> Scalar {
        self.0
    }
}

/// A value of memory that is a number or a bigint in JavaScript.
pub trait Integer: ByteValued {
    /// Takes the value from an argument; an error if it does not fit the type.
    fn from_value(value: Value, name: &str) -> Result<Self>;
    fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value>;
}

/// Returns the exact integer of a number or a bigint, as sign and magnitude.
fn exact(value: Value, name: &str, range: &dyn Fn() -> String) -> Result<(bool, u128)> {
    if let Some(double) = value.double() {
        return integer(double)
            .map(|integer| (integer < 0, u128::from(integer.unsigned_abs())))
            .ok_or_else(|| value.out_of_range(name, &range()));
    }
    match value.bigint() {
        Some(Ok(exact)) => Ok(exact),
        Some(Err(_)) => Err(value.out_of_range(name, &range())),
        None => Err(value.must_be(name, "a number or a bigint")),
    }
}

/// Widths that are numbers in JavaScript.
macro_rules! number {
    ($($T:ident)*) => {$(
        impl Integer for $T {
            fn from_value(value: Value, name: &str) -> Result<Self> {
                from_exact!($T, value, name)
            }

            fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
                let mut number = ptr::null_mut();
                // SAFETY: `env` is the environment that called.
                check(unsafe {
                    sys::napi_create_double(env, f64::from(self), &raw mut number)
                })?;
                Ok(number)
            }
        }
    )*};
}

/// Widths that are bigints in JavaScript.
macro_rules! bigint {
    ($($T:ident)*) => {$(
        impl Integer for $T {
            fn from_value(value: Value, name: &str) -> Result<Self> {
                from_exact!($T, value, name)
            }

            #[expect(clippy::cast_possible_truncation, reason = "taken apart into words")]
            fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
                let negative = self.min(0) != 0;
                #[allow(clippy::cast_lossless, reason = "there is no `From` for usize")]
                let magnitude = self.abs_diff(0) as u128;
                let words = [magnitude as u64, (magnitude >> 64) as u64];
                let mut bigint = ptr::null_mut();
                // SAFETY: `env` is the environment that called; two words are read.
                check(unsafe {
                    sys::napi_create_bigint_words(
                        env,
                        i32::from(negative),
                        words.len(),
                        words.as_ptr(),
                        &raw mut bigint,
                    )
                })?;
                Ok(bigint)
            }
        }
    )*};
}

macro_rules! from_exact {
    ($T:ident, $value:expr, $name:expr) => {{
        let range = || format!("an integer from {} to {}", $T::MIN, $T::MAX);
        let (negative, magnitude) = exact($value, $name, &range)?;
        let fits = if negative {
            // Not negated as i128, which cannot hold the magnitude of its least value.
            0_i128
                .checked_sub_unsigned(magnitude)
                .and_then(|signed| $T::try_from(signed).ok())
        } else {
            $T::try_from(magnitude).ok()
        };
        fits.ok_or_else(|| $value.out_of_range($name, &range()))
    }};
}

number! { u8 i8 u16 i16 u32 i32 }
bigint! { u64 i64 usize isize u128 i128 }

/// Types that hold the bytes of another one in a fixed order.
macro_rules! endian {
    ($($T:ident $native:ident,)*) => {$(
        impl Integer for $T {
            fn from_value(value: Value, name: &str) -> Result<Self> {
                <$native as Integer>::from_value(value, name).map(Self::from)
            }

            fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
                self.to_native().into_value(env)
            }
        }
    )*};
}

endian! {
    Le16 u16, Le32 u32, Le64 u64, LeSize usize,
    Be16 u16, Be32 u32, Be64 u64, BeSize usize,
}

/// Turns a scalar into a value for JavaScript.
pub struct ScalarValue<T>(pub T);

impl<T> TypeName for ScalarValue<T> {
    fn type_name() -> &'static str {
        "number | bigint"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl<T: Integer> ToNapiValue for ScalarValue<T> {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        value
            .0
            .into_value(env)
            .map_err(crate::node::error::Error::throw)
    }
}
