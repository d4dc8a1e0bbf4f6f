//! Errors as JavaScript sees them: how each becomes an object, and how that is thrown.

use std::ptr;

use napi::{JsError, Status, sys};

use crate::node::environment;
use crate::node::error::{
    BindingError, Class, Description, Error, Fault, Field, Range, Result, Upstream, check,
};
use crate::node::object::{define, string};

/// The attributes of a property that `console.log` does not show.
const UNLISTED: sys::napi_property_attributes =
    sys::PropertyAttributes::writable | sys::PropertyAttributes::configurable;
/// The attributes of a property that `console.log` shows.
const LISTED: sys::napi_property_attributes = UNLISTED | sys::PropertyAttributes::enumerable;

impl Error {
    /// Makes the JavaScript object for this error. Takes a pending exception as it is.
    pub fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
        if let Self::Node(_) = self
            && let Some(exception) = take_pending_exception(env)
        {
            return Ok(exception);
        }
        if let Self::Detailed { error, details } = self {
            let value = error.into_value(env)?;
            for (name, field) in details {
                let (name, field) = field.into_property(env, name)?;
                define(env, value, name, field, LISTED)?;
            }
            return Ok(value);
        }
        if let Self::Fault(fault) = self {
            return fault.into_value(env);
        }
        let message = string(env, &self.to_string())?;
        match &self {
            Self::GuestMemory(error) => error.describe().make(env, message),
            Self::Mmap(error) => error.describe().make(env, message),
            Self::MmapRegion(error) => error.describe().make(env, message),
            Self::VolatileMemory(error) => error.describe().make(env, message),
            Self::Binding(error) => make(env, error.row.class, error.row.code, message),
            Self::Detailed { .. } | Self::Fault(_) | Self::Node(_) => {
                make(env, Class::Error, None, message)
            }
        }
    }

    /// Throws this error in JavaScript. Returns the error that tells the glue that an exception is pending.
    pub fn throw(self) -> napi::Error {
        let env = environment::current();
        // A pending exception stays; an environment that cannot even make an error is ending.
        if !(matches!(self, Self::Node(_)) && is_exception_pending(env))
            && let Ok(value) = self.into_value(env)
        {
            // SAFETY: `env` is the environment of this thread, `value` was just made in it.
            unsafe { sys::napi_throw(env, value) };
        }
        napi::Error::from_status(Status::PendingException)
    }
}

/// Turns an error of an exported function into one of the glue, which throws it.
impl From<Error> for JsError {
    fn from(error: Error) -> Self {
        Self::from(error.throw())
    }
}

/// Adds the `cause` of an error.
pub fn add_cause(env: sys::napi_env, error: sys::napi_value, cause: sys::napi_value) -> Result<()> {
    define(env, error, "cause", cause, UNLISTED)
}

impl Fault {
    fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
        let value = BindingError::memory_fault(&self).into_value(env)?;
        let (name, offset) = Field::Count(self.offset).into_property(env, "offset")?;
        define(env, value, name, offset, LISTED)?;
        define(env, value, "reason", string(env, self.reason)?, LISTED)?;
        if let Some(addr) = self.addr {
            let (name, addr) = Field::Address(addr).into_property(env, "addr")?;
            define(env, value, name, addr, LISTED)?;
        }
        Ok(value)
    }
}

impl Description<'_> {
    fn make(self, env: sys::napi_env, message: sys::napi_value) -> Result<sys::napi_value> {
        let Self(row, fields) = self;
        let error = make(env, row.class, row.code, message)?;
        // As on `Error.prototype`, the name is not listed.
        define(env, error, "name", string(env, row.name)?, UNLISTED)?;
        for ((name, _), field) in row.properties.iter().zip(fields) {
            let (name, value) = field.into_property(env, name)?;
            define(env, error, name, value, LISTED)?;
        }
        Ok(error)
    }
}

impl Field<'_> {
    /// Returns the value, and its name if that is not the name in the row.
    fn into_property(
        self,
        env: sys::napi_env,
        name: &'static str,
    ) -> Result<(&'static str, sys::napi_value)> {
        let mut value = ptr::null_mut();
        // SAFETY: `env` is the environment of this thread, `value` is written by each call.
        check(unsafe {
            match self {
                Self::Text(text) => return Ok((name, string(env, &text)?)),
                Self::Ranges(ranges) => {
                    return Ok((
                        name,
                        pair(env, ranges.map(|range| pair_of_addresses(env, range)))?,
                    ));
                }
                Self::Errno(errno) => sys::napi_create_int32(env, errno, &raw mut value),
                Self::Address(address) => {
                    sys::napi_create_bigint_uint64(env, address, &raw mut value)
                }
                Self::Count(count) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a count is a number, however large"
                    )]
                    let count = count as f64;
                    sys::napi_create_double(env, count, &raw mut value)
                }
                Self::System(error) => match error.raw_os_error() {
                    Some(errno) => sys::napi_create_int32(env, errno, &raw mut value),
                    None => return Ok(("kind", string(env, &format!("{:?}", error.kind()))?)),
                },
            }
        })?;
        Ok((name, value))
    }
}

/// Makes an array of two values.
fn pair(
    env: sys::napi_env,
    [first, second]: [Result<sys::napi_value>; 2],
) -> Result<sys::napi_value> {
    let mut array = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread, and so are the values.
    unsafe {
        check(sys::napi_create_array_with_length(env, 2, &raw mut array))?;
        check(sys::napi_set_element(env, array, 0, first?))?;
        check(sys::napi_set_element(env, array, 1, second?))?;
    }
    Ok(array)
}

fn pair_of_addresses(env: sys::napi_env, range: Range) -> Result<sys::napi_value> {
    pair(
        env,
        range.map(|address| Ok(Field::Address(address).into_property(env, "")?.1)),
    )
}

fn make(
    env: sys::napi_env,
    class: Class,
    code: Option<&str>,
    message: sys::napi_value,
) -> Result<sys::napi_value> {
    let code = code.map_or(Ok(ptr::null_mut()), |code| string(env, code))?;
    let mut error = ptr::null_mut();
    // SAFETY: `message` is a string of this environment, and `code` one or null, which means none.
    check(unsafe {
        match class {
            Class::Error => sys::napi_create_error(env, code, message, &raw mut error),
            Class::TypeError => sys::napi_create_type_error(env, code, message, &raw mut error),
            Class::RangeError => sys::napi_create_range_error(env, code, message, &raw mut error),
        }
    })?;
    Ok(error)
}

fn is_exception_pending(env: sys::napi_env) -> bool {
    let mut pending = false;
    // SAFETY: `env` is the environment of this thread.
    unsafe { sys::napi_is_exception_pending(env, &raw mut pending) };
    pending
}

fn take_pending_exception(env: sys::napi_env) -> Option<sys::napi_value> {
    let mut exception = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread; without an exception the call is not made.
    let taken = is_exception_pending(env)
        && unsafe { sys::napi_get_and_clear_last_exception(env, &raw mut exception) }
            == sys::Status::napi_ok;
    taken.then_some(exception)
}
