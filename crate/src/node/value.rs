//! Arguments of JavaScript, checked before anything is touched.
//!
//! Arguments arrive as a [`Value`]. The exported function itself takes each one by a method that names it. So the order
//! of checks is visible, an error says which argument it is about, and nothing is converted silently. (The conversions
//! of the glue wrap large numbers.)

use std::fmt;
use std::ptr;

use napi::bindgen_prelude::{
    FromNapiValue, JavaScriptClassExt, ToNapiValue, TypeName, TypeTag, ValidateNapiValue,
};
use napi::{Env, Unknown, ValueType, sys};

use crate::node::environment;
use crate::node::error::{BindingError, Error, Result, check};

/// The largest integer that a double holds together with all smaller ones (2^53 - 1).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Any JavaScript value, valid until the call that got it returns.
#[derive(Clone, Copy)]
pub struct Value {
    env: sys::napi_env,
    raw: sys::napi_value,
}

impl TypeName for Value {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Value {}

impl FromNapiValue for Value {
    unsafe fn from_napi_value(env: sys::napi_env, raw: sys::napi_value) -> napi::Result<Self> {
        Ok(Self { env, raw })
    }
}

impl ToNapiValue for Value {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.raw)
    }
}

impl Value {
    /// Wraps a value that was just made or given by the engine.
    pub fn new(env: sys::napi_env, raw: sys::napi_value) -> Self {
        Self { env, raw }
    }

    /// Returns the global object.
    pub fn global() -> Result<Self> {
        let env = environment::current();
        let mut global = ptr::null_mut();
        // SAFETY: `env` is the environment of this thread.
        check(unsafe { sys::napi_get_global(env, &raw mut global) })?;
        Ok(Self::new(env, global))
    }

    /// Makes the object of an error, for promises that are rejected with it.
    pub fn of_error(error: Error) -> Result<Self> {
        let env = environment::current();
        error.into_value(env).map(|raw| Self::new(env, raw))
    }

    pub fn raw(self) -> sys::napi_value {
        self.raw
    }

    pub fn env(self) -> sys::napi_env {
        self.env
    }

    pub fn kind(self) -> ValueType {
        let mut kind = 0;
        // SAFETY: `raw` is a value of `env`, the environment of this thread.
        match unsafe { sys::napi_typeof(self.env, self.raw, &raw mut kind) } {
            sys::Status::napi_ok => ValueType::from(kind),
            _ => ValueType::Unknown,
        }
    }

    pub fn is_undefined(self) -> bool {
        self.kind() == ValueType::Undefined
    }

    /// Returns None if the argument is absent. `null` is not absence.
    pub fn optional(self) -> Option<Self> {
        (!self.is_undefined()).then_some(self)
    }

    /// Returns None if the argument is absent or `null`.
    pub fn nullable(self) -> Option<Self> {
        (!matches!(self.kind(), ValueType::Undefined | ValueType::Null)).then_some(self)
    }

    fn invalid_type(self, name: &str, expected: &str) -> Error {
        BindingError::invalid_arg_type(format!(
            "The \"{name}\" argument must be {expected}. Received {self}"
        ))
    }

    /// Makes the error for a value outside the range of the argument.
    pub fn out_of_range(self, name: &str, range: &str) -> Error {
        BindingError::out_of_range(format!(
            "The value of \"{name}\" is out of range. It must be {range}. Received {self}"
        ))
    }

    /// Takes the value of a number.
    pub fn double(self) -> Option<f64> {
        let mut double = 0.0;
        // SAFETY: as in `kind`.
        let status = unsafe { sys::napi_get_value_double(self.env, self.raw, &raw mut double) };
        (status == sys::Status::napi_ok).then_some(double)
    }

    /// Takes the 128 bits of the magnitude of a bigint, and its sign; `Err` if it has more bits.
    pub fn bigint(self) -> Option<std::result::Result<(bool, u128), TooWide>> {
        let mut negative = 0;
        let mut count = 2;
        let mut words = [0_u64; 2];
        // SAFETY: `words` has room for the `count` words asked for.
        let status = unsafe {
            sys::napi_get_value_bigint_words(
                self.env,
                self.raw,
                &raw mut negative,
                &raw mut count,
                words.as_mut_ptr(),
            )
        };
        match status {
            sys::Status::napi_ok if count > 2 => Some(Err(TooWide)),
            sys::Status::napi_ok => {
                let magnitude = u128::from(words[0]) | (u128::from(words[1]) << 64);
                Some(Ok((negative != 0, magnitude)))
            }
            _ => None,
        }
    }

    /// Takes a u64: a safe integer or a bigint, not negative.
    pub fn u64(self, name: &str) -> Result<u64> {
        const RANGE: &str = "an integer from 0 to 2^64 - 1, safe if it is a number";
        if let Some(double) = self.double() {
            return integer(double)
                .and_then(|integer| u64::try_from(integer).ok())
                .ok_or_else(|| self.out_of_range(name, RANGE));
        }
        match self.bigint() {
            Some(Ok((false, magnitude))) => {
                u64::try_from(magnitude).map_err(|_| self.out_of_range(name, RANGE))
            }
            Some(_) => Err(self.out_of_range(name, RANGE)),
            None => Err(self.invalid_type(name, "a number or a bigint")),
        }
    }

    /// Takes a length, a count, or an offset within memory.
    pub fn usize(self, name: &str) -> Result<usize> {
        let value = self.u64(name)?;
        usize::try_from(value).map_err(|_| self.out_of_range(name, "a size of this platform"))
    }

    /// Takes flags of the C library.
    pub fn flags(self, name: &str) -> Result<i32> {
        let double = self
            .double()
            .ok_or_else(|| self.invalid_type(name, "a number"))?;
        integer(double)
            .and_then(|integer| i32::try_from(integer).ok())
            .ok_or_else(|| self.out_of_range(name, "an integer of 32 bits"))
    }

    pub fn boolean(self, name: &str) -> Result<bool> {
        let mut value = false;
        // SAFETY: as in `kind`.
        match unsafe { sys::napi_get_value_bool(self.env, self.raw, &raw mut value) } {
            sys::Status::napi_ok => Ok(value),
            _ => Err(self.invalid_type(name, "a boolean")),
        }
    }

    /// Takes a time in milliseconds; None for no limit.
    pub fn milliseconds(self, name: &str) -> Result<Option<std::time::Duration>> {
        let double = self
            .double()
            .ok_or_else(|| self.invalid_type(name, "a number"))?;
        if double.is_nan() || double < 0.0 {
            return Err(self.out_of_range(name, "a number of milliseconds, not negative"));
        }
        // What is longer than a duration can be is no limit.
        Ok(std::time::Duration::try_from_secs_f64(double / 1000.0).ok())
    }

    /// Returns the number of UTF-16 units of a string; None for other values.
    fn string_length(self) -> Option<usize> {
        let mut length = 0;
        // SAFETY: without a buffer the call only tells the length.
        let status = unsafe {
            sys::napi_get_value_string_utf16(
                self.env,
                self.raw,
                ptr::null_mut(),
                0,
                &raw mut length,
            )
        };
        (status == sys::Status::napi_ok).then_some(length)
    }

    /// Takes a string of less than `N` - 1 bytes, and writes it to `buffer`; `None` for longer strings and other values.
    pub fn short_string<const N: usize>(self, buffer: &mut [u8; N]) -> Option<&str> {
        // Longer ones are not looked at: a string that was put together takes memory when it is read for the first time,
        // and the engine ends the process when there is none.
        if self.string_length()? >= N {
            return None;
        }
        let mut length = 0;
        // SAFETY: the call writes at most `N` bytes, the last of them a zero.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                self.env,
                self.raw,
                buffer.as_mut_ptr().cast(),
                N,
                &raw mut length,
            )
        };
        // A string that fills the buffer may have been cut.
        if status != sys::Status::napi_ok || length + 1 >= N {
            return None;
        }
        str::from_utf8(&buffer[..length]).ok()
    }

    pub fn is_promise(self) -> bool {
        let mut is_promise = false;
        // SAFETY: as in `kind`.
        unsafe { sys::napi_is_promise(self.env, self.raw, &raw mut is_promise) };
        is_promise
    }

    pub fn is_array(self) -> bool {
        let mut is_array = false;
        // SAFETY: as in `kind`.
        unsafe { sys::napi_is_array(self.env, self.raw, &raw mut is_array) };
        is_array
    }

    /// Returns the number of elements of an array.
    pub fn array_length(self, name: &str) -> Result<u32> {
        let mut length = 0;
        // SAFETY: as in `kind`.
        match unsafe { sys::napi_get_array_length(self.env, self.raw, &raw mut length) } {
            sys::Status::napi_ok => Ok(length),
            _ => Err(self.invalid_type(name, "an array")),
        }
    }

    /// Gets an element. Runs user code if the object has getters.
    pub fn element(self, index: u32) -> Result<Self> {
        let mut element = ptr::null_mut();
        // SAFETY: as in `kind`.
        check(unsafe { sys::napi_get_element(self.env, self.raw, index, &raw mut element) })?;
        Ok(Self::new(self.env, element))
    }

    /// Gets a property of an object. Runs user code if the object has getters.
    pub fn property(self, name: &std::ffi::CStr) -> Result<Self> {
        let mut value = ptr::null_mut();
        // SAFETY: as in `kind`; the name ends with a zero.
        check(unsafe {
            sys::napi_get_named_property(self.env, self.raw, name.as_ptr(), &raw mut value)
        })?;
        Ok(Self::new(self.env, value))
    }

    /// Gets a property by a key of JavaScript. Runs user code if the object has getters.
    pub fn property_of(self, key: sys::napi_value) -> Result<Self> {
        let mut value = ptr::null_mut();
        // SAFETY: as in `kind`; the key is of the same environment.
        check(unsafe { sys::napi_get_property(self.env, self.raw, key, &raw mut value) })?;
        Ok(Self::new(self.env, value))
    }

    /// Returns an array of the names of an object's own enumerable properties. Runs user code if the object is a proxy.
    pub fn own_names(self) -> Result<Self> {
        let mut names = ptr::null_mut();
        // SAFETY: as in `kind`.
        check(unsafe {
            sys::napi_get_all_property_names(
                self.env,
                self.raw,
                sys::KeyCollectionMode::own_only,
                sys::KeyFilter::enumerable | sys::KeyFilter::skip_symbols,
                sys::KeyConversion::numbers_to_strings,
                &raw mut names,
            )
        })?;
        Ok(Self::new(self.env, names))
    }

    /// Takes the units of a string.
    pub fn utf16(self) -> Result<Vec<u16>> {
        let mut length = self.string_length().unwrap_or_default();
        // One more for the zero that the call writes at the end.
        let mut units = vec![0; length + 1];
        // SAFETY: `units` has room for the number of units that the call is told.
        check(unsafe {
            sys::napi_get_value_string_utf16(
                self.env,
                self.raw,
                units.as_mut_ptr(),
                units.len(),
                &raw mut length,
            )
        })?;
        units.truncate(length);
        Ok(units)
    }

    /// Takes an object of options. Functions and primitives are refused.
    pub fn options(self, name: &str) -> Result<Option<Self>> {
        match self.kind() {
            ValueType::Undefined => Ok(None),
            ValueType::Object => Ok(Some(self)),
            _ => Err(self.invalid_type(name, "an object")),
        }
    }

    pub fn function(self, name: &str) -> Result<Self> {
        match self.kind() {
            ValueType::Function => Ok(self),
            _ => Err(self.invalid_type(name, "a function")),
        }
    }

    /// Calls this function. An exception that it throws stays pending.
    pub fn call(self, arguments: &[sys::napi_value]) -> Result<Self> {
        let mut undefined = ptr::null_mut();
        // SAFETY: as in `kind`.
        check(unsafe { sys::napi_get_undefined(self.env, &raw mut undefined) })?;
        self.call_on(Self::new(self.env, undefined), arguments)
    }

    /// Calls this function as a method of `receiver`. An exception that it throws stays pending.
    pub fn call_on(self, receiver: Self, arguments: &[sys::napi_value]) -> Result<Self> {
        let mut result = ptr::null_mut();
        // SAFETY: the arguments are values of this environment and outlive the call.
        check(unsafe {
            sys::napi_call_function(
                self.env,
                receiver.raw,
                self.raw,
                arguments.len(),
                arguments.as_ptr(),
                &raw mut result,
            )
        })?;
        Ok(Self::new(self.env, result))
    }

    /// Returns what is wrapped by an object, if that is a `T`.
    pub fn wrapped<'call, T: TypeTag>(self) -> Option<&'call T> {
        let mut tagged = false;
        let mut native = ptr::null_mut();
        // SAFETY: `raw` is a value of `env`, and other values than objects are refused.
        let status = unsafe {
            sys::napi_check_object_type_tag(self.env, self.raw, &T::type_tag(), &raw mut tagged)
        };
        if status != sys::Status::napi_ok || !tagged {
            return None;
        }
        // SAFETY: as above.
        let status = unsafe { sys::napi_unwrap(self.env, self.raw, &raw mut native) };
        if status != sys::Status::napi_ok || native.is_null() {
            return None;
        }
        // SAFETY: the tag says that a `T` was wrapped. The engine keeps the object alive until the
        // call that got it as an argument returns, and nobody has a `&mut T`: no exported method
        // takes one.
        Some(unsafe { &*native.cast::<T>() })
    }

    /// Checks whether this is an instance of the class as JavaScript sees it, with or without a native half.
    pub fn is_instance_of<T: JavaScriptClassExt>(self) -> Result<bool> {
        // SAFETY: `raw` is a value of `env`.
        let unknown = unsafe { Unknown::from_raw_unchecked(self.env, self.raw) };
        Ok(T::instance_of(&Env::from_raw(self.env), &unknown)?)
    }

    /// Makes the error that says what the argument must be.
    pub fn must_be(self, name: &str, expected: &str) -> Error {
        self.invalid_type(name, expected)
    }
}

/// A bigint of more than 128 bits.
#[derive(Debug)]
pub struct TooWide;

/// Returns the integer that a double holds, if it is a safe one.
pub fn integer(double: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "exact: 2^53 - 1")]
    const MAX: f64 = MAX_SAFE_INTEGER as f64;
    if double.fract() != 0.0 || !(-MAX..=MAX).contains(&double) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer within the range of i64"
    )]
    Some(double as i64)
}

/// Writes the value as error messages show it: primitives as they are written, objects by kind.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let kind = self.kind();
        match kind {
            ValueType::Object => {
                return f.write_str(if self.is_array() {
                    "an array"
                } else if self.is_promise() {
                    "a Promise"
                } else {
                    "an object"
                });
            }
            ValueType::Function => return f.write_str("a function"),
            ValueType::Symbol => return f.write_str("a symbol"),
            _ => {}
        }
        let mut text = ptr::null_mut();
        // SAFETY: turning a primitive other than a symbol into a string runs no user code.
        unsafe { sys::napi_coerce_to_string(self.env, self.raw, &raw mut text) };
        match Value::new(self.env, text).short_string(&mut [0; SHOWN]) {
            Some(text) if kind == ValueType::String => write!(f, "'{text}'"),
            Some(text) if kind == ValueType::BigInt => write!(f, "{text}n"),
            Some(text) => f.write_str(text),
            None if kind == ValueType::String => f.write_str("a long string"),
            None => f.write_str("a long number"),
        }
    }
}

/// A count or an offset that JavaScript gets as a number.
pub struct Number(pub usize);

impl TypeName for Number {
    fn type_name() -> &'static str {
        "number"
    }

    fn value_type() -> ValueType {
        ValueType::Number
    }
}

impl ToNapiValue for Number {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "sizes of mappings and offsets in them are below 2^53 on every platform there is"
        )]
        let double = value.0 as f64;
        // SAFETY: `env` is the environment that called.
        unsafe { f64::to_napi_value(env, double) }
    }
}

/// An address or another u64 that JavaScript gets as a bigint.
pub struct BigU64(pub u64);

impl TypeName for BigU64 {
    fn type_name() -> &'static str {
        "bigint"
    }

    fn value_type() -> ValueType {
        ValueType::BigInt
    }
}

impl ToNapiValue for BigU64 {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        let mut bigint = ptr::null_mut();
        // SAFETY: `env` is the environment that called.
        check(unsafe { sys::napi_create_bigint_uint64(env, value.0, &raw mut bigint) })
            .map_err(Error::throw)?;
        Ok(bigint)
    }
}
