//! Every error that JavaScript sees is made here.
//!
//! What vm-memory refuses keeps its Display text and becomes an `Error` with the upstream type as
//! `name`, the upstream variant as `code` and the variant's fields as properties. What the binding
//! refuses on its own is a [`BindingError`].

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::ptr;

use napi::{JsError, Status, sys};
use vm_memory::mmap::{Error as MmapError, MmapRegionError};
use vm_memory::{Address, GuestMemoryError, VolatileMemoryError};

use crate::node::environment;

/// What exported functions return: the glue throws the error.
pub type Result<T> = std::result::Result<T, Error>;

/// Anything that ends a call.
#[derive(Debug)]
pub enum Error {
    GuestMemory(GuestMemoryError),
    Mmap(MmapError),
    MmapRegion(MmapRegionError),
    VolatileMemory(VolatileMemoryError),
    Binding(BindingError),
    /// A Node-API call failed; a JavaScript exception may be pending.
    Node(sys::napi_status),
}

/// The JavaScript class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Error,
    TypeError,
    RangeError,
}

/// What the binding refuses on its own.
#[derive(Debug)]
pub struct BindingError {
    class: Class,
    code: Option<&'static CStr>,
    message: String,
}

impl BindingError {
    fn coded(class: Class, code: &'static CStr, message: impl Into<String>) -> Error {
        Error::Binding(Self {
            class,
            code: Some(code),
            message: message.into(),
        })
    }

    /// An argument of a wrong type.
    pub fn invalid_arg_type(message: impl Into<String>) -> Error {
        Self::coded(Class::TypeError, c"ERR_INVALID_ARG_TYPE", message)
    }

    /// A value of the right type outside its range.
    pub fn out_of_range(message: impl Into<String>) -> Error {
        Self::coded(Class::RangeError, c"ERR_OUT_OF_RANGE", message)
    }

    /// A guard or a `FileOffset` used after it was given up.
    pub fn disposed(class: &str) -> Error {
        Self::coded(
            Class::Error,
            c"ERR_DISPOSED",
            format!("This {class} was disposed of, replaced or consumed"),
        )
    }

    /// An object that has become part of another one.
    pub fn moved(what: &str) -> Error {
        Self::coded(
            Class::Error,
            c"ERR_MOVED",
            format!("This {what} has become part of something else"),
        )
    }

    /// No ticket, a used one, or one of something else.
    pub fn invalid_ticket(class: &str) -> Error {
        Self::coded(
            Class::Error,
            c"ERR_INVALID_TICKET",
            format!(
                "This is no ticket for a {class}: unknown in this process, used, for another class, or of a thread that has ended"
            ),
        )
    }

    /// The update lock is asked for by the thread that holds it or has asked for it already.
    pub fn lock_held(operation: &str) -> Error {
        Self::coded(
            Class::Error,
            c"ERR_LOCK_HELD",
            format!("{operation} would wait for a lock that this thread holds or has asked for"),
        )
    }

    /// The update lock was not to be had in time.
    pub fn lock_timeout(operation: &str, limit: std::time::Duration) -> Error {
        Self::coded(
            Class::Error,
            c"ERR_LOCK_TIMEOUT",
            format!(
                "{operation} did not get the lock within {} ms",
                limit.as_millis()
            ),
        )
    }

    /// Protection of a mapping forbids the access.
    pub fn protection(message: impl Into<String>) -> Error {
        Self::coded(Class::Error, c"ERR_PROTECTION", message)
    }

    /// The engine has no buffers of that length.
    pub fn buffer_too_large(length: usize) -> Error {
        Self::coded(
            Class::RangeError,
            c"ERR_BUFFER_TOO_LARGE",
            format!("This runtime cannot make a buffer of {length} bytes"),
        )
    }

    /// This runtime or platform cannot do it.
    pub fn unsupported(message: impl Into<String>) -> Error {
        Self::coded(Class::Error, c"ERR_UNSUPPORTED", message)
    }

    /// A class called without `new`, or one that has no constructor.
    pub fn illegal_constructor(message: String) -> Error {
        Error::Binding(Self {
            class: Class::TypeError,
            code: None,
            message,
        })
    }
}

impl Error {
    /// Whether the engine has no buffers of the length asked for.
    pub fn is_buffer_too_large(&self) -> bool {
        matches!(self, Self::Binding(error) if error.code == Some(c"ERR_BUFFER_TOO_LARGE"))
    }
}

/// Gives an error of the operating system the shape of [`GuestMemoryError::IOError`].
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::GuestMemory(GuestMemoryError::IOError(error))
    }
}

impl From<GuestMemoryError> for Error {
    fn from(error: GuestMemoryError) -> Self {
        Self::GuestMemory(error)
    }
}

impl From<MmapError> for Error {
    fn from(error: MmapError) -> Self {
        Self::Mmap(error)
    }
}

impl From<MmapRegionError> for Error {
    fn from(error: MmapRegionError) -> Self {
        Self::MmapRegion(error)
    }
}

impl From<VolatileMemoryError> for Error {
    fn from(error: VolatileMemoryError) -> Self {
        Self::VolatileMemory(error)
    }
}

impl From<napi::Error> for Error {
    fn from(error: napi::Error) -> Self {
        Self::Node(error.status as sys::napi_status)
    }
}

/// Passes on the status of a Node-API call.
pub fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(Error::Node(status))
    }
}

/// A property of an error.
enum Field {
    /// A host or guest address.
    Address(u64),
    /// A length or a count.
    Count(usize),
    Errno(i32),
    Kind(io::ErrorKind),
}

/// An upstream error, taken apart for JavaScript.
struct Description {
    name: &'static CStr,
    code: &'static CStr,
    fields: Vec<(&'static CStr, Field)>,
}

impl Description {
    fn new(name: &'static CStr, code: &'static CStr) -> Self {
        Self {
            name,
            code,
            fields: Vec::new(),
        }
    }

    fn with(mut self, name: &'static CStr, field: Field) -> Self {
        self.fields.push((name, field));
        self
    }

    /// `errno` where the operating system gave one, else the kind that Rust gave.
    fn with_io(self, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => self.with(c"errno", Field::Errno(errno)),
            None => self.with(c"kind", Field::Kind(error.kind())),
        }
    }

    fn of_guest_memory(error: &GuestMemoryError) -> Self {
        let new = |code| Self::new(c"GuestMemoryError", code);
        match error {
            GuestMemoryError::InvalidGuestAddress(addr) => {
                new(c"ERR_INVALID_GUEST_ADDRESS").with(c"addr", Field::Address(addr.raw_value()))
            }
            GuestMemoryError::IOError(error) => new(c"ERR_IO").with_io(error),
            GuestMemoryError::PartialBuffer {
                expected,
                completed,
            } => new(c"ERR_PARTIAL_BUFFER")
                .with(c"expected", Field::Count(*expected))
                .with(c"completed", Field::Count(*completed)),
            GuestMemoryError::InvalidBackendAddress => new(c"ERR_INVALID_BACKEND_ADDRESS"),
            GuestMemoryError::HostAddressNotAvailable => new(c"ERR_HOST_ADDRESS_NOT_AVAILABLE"),
            GuestMemoryError::CallbackOutOfRange => new(c"ERR_CALLBACK_OUT_OF_RANGE"),
            GuestMemoryError::GuestAddressOverflow => new(c"ERR_GUEST_ADDRESS_OVERFLOW"),
        }
    }

    fn of_mmap(error: &MmapError) -> Self {
        let new = |code| Self::new(c"MmapError", code);
        match error {
            MmapError::InvalidGuestRegion => new(c"ERR_INVALID_GUEST_REGION"),
            // What is wrong is the mapping, and it says so itself.
            MmapError::MmapRegion(error) => Self::of_mmap_region(error),
            MmapError::NoMemoryRegion => new(c"ERR_NO_MEMORY_REGION"),
            MmapError::MemoryRegionOverlap => new(c"ERR_MEMORY_REGION_OVERLAP"),
            MmapError::UnsortedMemoryRegions => new(c"ERR_UNSORTED_MEMORY_REGIONS"),
        }
    }

    fn of_mmap_region(error: &MmapRegionError) -> Self {
        let new = |code| Self::new(c"MmapRegionError", code);
        match error {
            MmapRegionError::InvalidOffsetLength => new(c"ERR_INVALID_OFFSET_LENGTH"),
            MmapRegionError::InvalidPointer => new(c"ERR_INVALID_POINTER"),
            MmapRegionError::MapFixed => new(c"ERR_MAP_FIXED"),
            MmapRegionError::MappingOverlap => new(c"ERR_MAPPING_OVERLAP"),
            MmapRegionError::MappingPastEof => new(c"ERR_MAPPING_PAST_EOF"),
            MmapRegionError::Mmap(error) => new(c"ERR_MMAP").with_io(error),
            MmapRegionError::SeekEnd(error) => new(c"ERR_SEEK_END").with_io(error),
            MmapRegionError::SeekStart(error) => new(c"ERR_SEEK_START").with_io(error),
        }
    }

    fn of_volatile_memory(error: &VolatileMemoryError) -> Self {
        let new = |code| Self::new(c"VolatileMemoryError", code);
        match error {
            VolatileMemoryError::OutOfBounds { addr } => {
                new(c"ERR_OUT_OF_BOUNDS").with(c"addr", Field::Address(*addr as u64))
            }
            VolatileMemoryError::Overflow { base, offset } => new(c"ERR_OVERFLOW")
                .with(c"base", Field::Address(*base as u64))
                .with(c"offset", Field::Address(*offset as u64)),
            VolatileMemoryError::TooBig { nelements, size } => new(c"ERR_TOO_BIG")
                .with(c"nelements", Field::Address(*nelements as u64))
                .with(c"size", Field::Address(*size as u64)),
            VolatileMemoryError::Misaligned { addr, alignment } => new(c"ERR_MISALIGNED")
                .with(c"addr", Field::Address(*addr as u64))
                .with(c"alignment", Field::Count(*alignment)),
            VolatileMemoryError::IOError(error) => new(c"ERR_IO").with_io(error),
            VolatileMemoryError::PartialBuffer {
                expected,
                completed,
            } => new(c"ERR_PARTIAL_BUFFER")
                .with(c"expected", Field::Count(*expected))
                .with(c"completed", Field::Count(*completed)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GuestMemory(error) => error.fmt(f),
            Self::Mmap(error) => error.fmt(f),
            Self::MmapRegion(error) => error.fmt(f),
            Self::VolatileMemory(error) => error.fmt(f),
            Self::Binding(error) => error.message.fmt(f),
            Self::Node(status) => write!(f, "Node-API call failed: {}", Status::from(*status)),
        }
    }
}

impl Error {
    /// The JavaScript object for this error. A pending exception is taken as it is.
    pub fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
        if let Self::Node(_) = self
            && let Some(exception) = take_pending_exception(env)
        {
            return Ok(exception);
        }
        let message = string(env, &self.to_string())?;
        match &self {
            Self::GuestMemory(error) => Description::of_guest_memory(error).make(env, message),
            Self::Mmap(error) => Description::of_mmap(error).make(env, message),
            Self::MmapRegion(error) => Description::of_mmap_region(error).make(env, message),
            Self::VolatileMemory(error) => {
                Description::of_volatile_memory(error).make(env, message)
            }
            Self::Binding(error) => make(env, error.class, error.code, message),
            Self::Node(_) => make(env, Class::Error, None, message),
        }
    }

    /// Throws this error in JavaScript and returns what tells the glue that it was thrown.
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

/// The glue turns what exported functions return into this and throws it.
impl From<Error> for JsError {
    fn from(error: Error) -> Self {
        Self::from(error.throw())
    }
}

impl Description {
    fn make(self, env: sys::napi_env, message: sys::napi_value) -> Result<sys::napi_value> {
        let error = make(env, Class::Error, Some(self.code), message)?;
        let name = string(env, &self.name.to_string_lossy())?;
        // As on `Error.prototype`, the name is not listed.
        define(
            env,
            error,
            c"name",
            name,
            sys::PropertyAttributes::writable | sys::PropertyAttributes::configurable,
        )?;
        for (name, field) in self.fields {
            let value = field.into_value(env)?;
            define(
                env,
                error,
                name,
                value,
                sys::PropertyAttributes::writable
                    | sys::PropertyAttributes::enumerable
                    | sys::PropertyAttributes::configurable,
            )?;
        }
        Ok(error)
    }
}

impl Field {
    fn into_value(self, env: sys::napi_env) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: `env` is the environment of this thread, `value` is written by each call.
        check(unsafe {
            match self {
                Self::Address(address) => {
                    sys::napi_create_bigint_uint64(env, address, &raw mut value)
                }
                Self::Count(count) => {
                    #[allow(clippy::cast_precision_loss)] // a count is a number, however large
                    let count = count as f64;
                    sys::napi_create_double(env, count, &raw mut value)
                }
                Self::Errno(errno) => sys::napi_create_int32(env, errno, &raw mut value),
                Self::Kind(kind) => return string(env, &format!("{kind:?}")),
            }
        })?;
        Ok(value)
    }
}

/// A JavaScript string.
pub fn string(env: sys::napi_env, text: &str) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the text is valid for its length and copied by the call.
    check(unsafe {
        sys::napi_create_string_utf8(
            env,
            text.as_ptr().cast(),
            text.len().cast_signed(),
            &raw mut value,
        )
    })?;
    Ok(value)
}

fn make(
    env: sys::napi_env,
    class: Class,
    code: Option<&CStr>,
    message: sys::napi_value,
) -> Result<sys::napi_value> {
    let code = code.map_or(Ok(ptr::null_mut()), |code| {
        string(env, &code.to_string_lossy())
    })?;
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

/// Defines rather than sets, so that no setter of `Object.prototype` is called.
pub fn define(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &CStr,
    value: sys::napi_value,
    attributes: sys::napi_property_attributes,
) -> Result<()> {
    let property = sys::napi_property_descriptor {
        utf8name: name.as_ptr(),
        name: ptr::null_mut(),
        method: None,
        getter: None,
        setter: None,
        value,
        attributes,
        data: ptr::null_mut(),
    };
    // SAFETY: one descriptor, which outlives the call, of values of this environment.
    check(unsafe { sys::napi_define_properties(env, object, 1, &raw const property) })
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
