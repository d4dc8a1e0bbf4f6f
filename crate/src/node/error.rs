//! Every error that JavaScript sees, in one table.
//!
//! What vm-memory refuses keeps its Display text and becomes an `Error` with the upstream type as
//! `name`, the upstream variant as `code` and the variant's fields as properties. What the binding
//! refuses on its own is a [`BindingError`]. [`crate::node::throw`] makes JavaScript objects of both.
//!
//! An error is written once: as the arm of a `match` that takes it apart, or as the function that makes
//! it. Both stand in a macro that also makes a [`Row`] of it. The declarations (`VmMemoryError`,
//! `BindingErrorCode`), `docs/errors.md` and the fuzzer are held to these rows.

use std::fmt;
use std::io;

use napi::{Status, sys};
use vm_memory::mmap::{Error as MmapError, MmapRegionError};
use vm_memory::{Address, GuestMemoryError, VolatileMemoryError};

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

/// What the binding refuses on its own.
#[derive(Debug)]
pub struct BindingError {
    pub row: &'static Row,
    message: String,
}

/// An error that JavaScript can see: a row of the table.
#[derive(Debug)]
pub struct Row {
    /// The upstream type, or the class: what `name` says.
    pub name: &'static str,
    /// Its class.
    pub class: Class,
    /// None where the engine has none either, and where the error in it is shown.
    pub code: Option<&'static str>,
    /// Names and kinds, in the order of the variant's fields.
    pub properties: &'static [(&'static str, Property)],
    /// The upstream variant; None of an error that is the binding's own.
    pub variant: Option<&'static str>,
    /// When the binding makes it; empty where upstream says so.
    pub when: &'static str,
}

/// The JavaScript class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `Error`
    Error,
    /// `TypeError`
    TypeError,
    /// `RangeError`
    RangeError,
}

/// A kind of property that errors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// A host or guest address, a bigint.
    Address,
    /// A length or a count, a number.
    Count,
    /// `errno` where the operating system gave one, else `kind`, by its name in Rust.
    System,
}

/// The value of a property.
pub enum Field<'error> {
    Address(u64),
    Count(usize),
    System(&'error io::Error),
}

/// An upstream error, taken apart for JavaScript: its row, and a value for each property there.
pub struct Description<'error>(pub &'static Row, pub Vec<Field<'error>>);

/// An enum of upstream's errors.
pub trait Upstream {
    const ROWS: &'static [Row];

    fn describe(&self) -> Description<'_>;
}

/// Lists all rows of the table.
pub fn errors() -> impl Iterator<Item = &'static Row> {
    UPSTREAM
        .iter()
        .flat_map(|rows| *rows)
        .chain(BindingError::ROWS)
}

/// Takes enums apart: `Variant => CODE [property: Kind(value)]`, or `Variant(inner) => (inner)`.
macro_rules! upstream_errors {
    ($($enum:ident = $path:literal {$(
        $variant:ident $(($inner:ident))? $({ $($field:ident),+ })? =>
            $($code:ident $([$($property:ident: $kind:ident($value:expr)),+])?)?
            $(($shown:ident))?;
    )+})+) => {
        const UPSTREAM: &[&[Row]] = &[$(<$enum as Upstream>::ROWS),+];

        $(impl Upstream for $enum {
            const ROWS: &'static [Row] = &[$(upstream_errors!(
                @row $enum, concat!($path, "::", stringify!($variant)),
                $($code $($($property $kind)+)?)?
            )),+];

            fn describe(&self) -> Description<'_> {
                match self {$(
                    $enum::$variant $(($inner))? $({ $($field),+ })? => {
                        $(Description(
                            &upstream_errors!(
                                @row $enum, concat!($path, "::", stringify!($variant)),
                                $code $($($property $kind)+)?
                            ),
                            vec![$($(Field::$kind($value)),+)?],
                        ))?
                        $($shown.describe())?
                    }
                )+}
            }
        })+
    };
    (@row $enum:ident, $variant:expr, $($code:ident $($property:ident $kind:ident)*)?) => {
        Row {
            name: stringify!($enum),
            class: Class::Error,
            code: upstream_errors!(@code $($code)?),
            properties: &[$($((stringify!($property), Property::$kind)),*)?],
            variant: Some($variant),
            when: "",
        }
    };
    (@code) => { None };
    (@code $code:ident) => { Some(stringify!($code)) };
}

upstream_errors! {
    GuestMemoryError = "GuestMemoryError" {
        InvalidGuestAddress(addr) => ERR_INVALID_GUEST_ADDRESS [addr: Address(addr.raw_value())];
        IOError(error) => ERR_IO [errno: System(error)];
        PartialBuffer { expected, completed } =>
            ERR_PARTIAL_BUFFER [expected: Count(*expected), completed: Count(*completed)];
        InvalidBackendAddress => ERR_INVALID_BACKEND_ADDRESS;
        HostAddressNotAvailable => ERR_HOST_ADDRESS_NOT_AVAILABLE;
        CallbackOutOfRange => ERR_CALLBACK_OUT_OF_RANGE;
        GuestAddressOverflow => ERR_GUEST_ADDRESS_OVERFLOW;
    }

    MmapError = "mmap::Error" {
        InvalidGuestRegion => ERR_INVALID_GUEST_REGION;
        // What is wrong is the mapping, and it says so itself.
        MmapRegion(error) => (error);
        NoMemoryRegion => ERR_NO_MEMORY_REGION;
        MemoryRegionOverlap => ERR_MEMORY_REGION_OVERLAP;
        UnsortedMemoryRegions => ERR_UNSORTED_MEMORY_REGIONS;
    }

    MmapRegionError = "mmap::MmapRegionError" {
        InvalidOffsetLength => ERR_INVALID_OFFSET_LENGTH;
        InvalidPointer => ERR_INVALID_POINTER;
        MapFixed => ERR_MAP_FIXED;
        MappingOverlap => ERR_MAPPING_OVERLAP;
        MappingPastEof => ERR_MAPPING_PAST_EOF;
        Mmap(error) => ERR_MMAP [errno: System(error)];
        SeekEnd(error) => ERR_SEEK_END [errno: System(error)];
        SeekStart(error) => ERR_SEEK_START [errno: System(error)];
    }

    VolatileMemoryError = "VolatileMemoryError" {
        OutOfBounds { addr } => ERR_OUT_OF_BOUNDS [addr: Address(*addr as u64)];
        Overflow { base, offset } =>
            ERR_OVERFLOW [base: Address(*base as u64), offset: Address(*offset as u64)];
        TooBig { nelements, size } =>
            ERR_TOO_BIG [nelements: Address(*nelements as u64), size: Address(*size as u64)];
        Misaligned { addr, alignment } =>
            ERR_MISALIGNED [addr: Address(*addr as u64), alignment: Count(*alignment)];
        IOError(error) => ERR_IO [errno: System(error)];
        PartialBuffer { expected, completed } =>
            ERR_PARTIAL_BUFFER [expected: Count(*expected), completed: Count(*completed)];
    }
}

/// Makes a function of [`BindingError`] for each error: of what it is given, it makes the text.
macro_rules! binding_errors {
    ($(
        $(#[doc = $when:literal])+
        fn $name:ident($($argument:ident: $type:ty),*) -> $class:ident $($code:ident)? $text:block
    )+) => {
        impl BindingError {
            const ROWS: &'static [Row] = &[$(
                binding_errors!(@row $class $($code)?, concat!($($when),+))
            ),+];

            $(
                $(#[doc = $when])+
                pub fn $name($($argument: $type),*) -> Error {
                    let row = &binding_errors!(@row $class $($code)?, concat!($($when),+));
                    Error::Binding(Self { row, message: $text.into() })
                }
            )+
        }
    };
    (@row $class:ident $($code:ident)?, $when:expr) => {
        Row {
            name: stringify!($class),
            class: Class::$class,
            code: upstream_errors!(@code $($code)?),
            properties: &[],
            variant: None,
            when: $when,
        }
    };
}

binding_errors! {
    /// An argument of a wrong type.
    fn invalid_arg_type(message: impl Into<String>) -> TypeError ERR_INVALID_ARG_TYPE { message }

    /// A value of the right type outside its range.
    fn out_of_range(message: impl Into<String>) -> RangeError ERR_OUT_OF_RANGE { message }

    /// A guard or a `FileOffset` used after it was given up.
    fn disposed(class: &str) -> Error ERR_DISPOSED {
        format!("This {class} was disposed of, replaced or consumed")
    }

    /// An object that has become part of another one.
    fn moved(what: &str) -> Error ERR_MOVED {
        format!("This {what} has become part of something else")
    }

    /// No ticket, a used one, or one of something else.
    fn invalid_ticket(class: &str) -> Error ERR_INVALID_TICKET {
        format!(
            "This is no ticket for a {class}: unknown in this process, used, for another class, \
             or of a thread that has ended"
        )
    }

    /// The thread asks for an update lock that it holds, or has asked for already.
    fn lock_held(operation: &str) -> Error ERR_LOCK_HELD {
        format!("{operation} would wait for a lock that this thread holds or has asked for")
    }

    /// The update lock could not be taken in time.
    fn lock_timeout(operation: &str, limit: std::time::Duration) -> Error ERR_LOCK_TIMEOUT {
        format!("{operation} did not get the lock within {} ms", limit.as_millis())
    }

    /// Protection of a mapping forbids the access.
    fn protection(message: impl Into<String>) -> Error ERR_PROTECTION { message }

    /// The engine has no buffers of that length.
    fn buffer_too_large(length: usize) -> RangeError ERR_BUFFER_TOO_LARGE {
        format!("This runtime cannot make a buffer of {length} bytes")
    }

    /// This runtime or platform cannot do it.
    fn unsupported(message: impl Into<String>) -> Error ERR_UNSUPPORTED { message }

    /// A class called without `new`, or one that has no constructor.
    fn illegal_constructor(message: String) -> TypeError { message }
}

impl Error {
    /// Checks whether the engine has no buffers of the length asked for.
    pub fn is_buffer_too_large(&self) -> bool {
        matches!(self, Self::Binding(error) if error.row.code == Some("ERR_BUFFER_TOO_LARGE"))
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
