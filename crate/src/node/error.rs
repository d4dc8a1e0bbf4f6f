//! Every error that JavaScript sees, in one table.
//!
//! An error of vm-memory keeps its Display text and becomes an `Error`: the upstream type is its `name`, the upstream
//! variant its `code`, and the fields of the variant are properties. Errors of the binding itself are
//! [`BindingError`]s. [`crate::node::throw`] makes JavaScript objects of both.
//!
//! An error is written once: as the arm of a `match` that takes it apart, or as the function that makes
//! it. Both stand in a macro that also makes a [`Row`] of it. The declarations (`VmMemoryError`,
//! `BindingErrorCode`), `docs/errors.md` and the fuzzer are held to these rows.

use std::borrow::Cow;
use std::fmt;
use std::io;

use napi::{Status, sys};
use vm_memory::mmap::{Error as MmapError, MmapRegionError};
use vm_memory::{Address, GuestMemoryError, VolatileMemoryError};

/// The result of exported functions. The glue throws the error.
pub type Result<T> = std::result::Result<T, Error>;

/// Anything that ends a call.
#[derive(Debug)]
pub enum Error {
    GuestMemory(GuestMemoryError),
    Mmap(MmapError),
    MmapRegion(MmapRegionError),
    VolatileMemory(VolatileMemoryError),
    Binding(BindingError),
    /// An error with what its text does not say: properties beside those of its row.
    Detailed {
        error: Box<Error>,
        details: Vec<Detail>,
    },
    /// The host has lost memory: the error tells what.
    Fault(Fault),
    /// A Node-API call failed; a JavaScript exception may be pending.
    Node(sys::napi_status),
}

/// Memory that the host has lost.
#[derive(Debug)]
pub struct Fault {
    /// The first lost byte that was touched, in its mapping.
    pub offset: usize,
    /// Why it was lost, as JavaScript sees it.
    pub reason: &'static str,
    /// Its guest address, where it was touched by that.
    pub addr: Option<u64>,
}

/// An error of the binding itself.
#[derive(Debug)]
pub struct BindingError {
    pub row: &'static Row,
    message: String,
}

/// An error that JavaScript can see: a row of the table.
#[derive(Debug)]
pub struct Row {
    /// The `name` that JavaScript sees: the upstream type, or the class.
    pub name: &'static str,
    /// The JavaScript class.
    pub class: Class,
    /// None for errors that have no code in the engine either, and for variants that show the error inside them.
    pub code: Option<&'static str>,
    /// The names and kinds of the properties, in the order of the variant's fields.
    pub properties: &'static [(&'static str, Property)],
    /// The upstream variant; None for an error of the binding itself.
    pub variant: Option<&'static str>,
    /// When the binding makes the error; empty if upstream says so.
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
    /// The `errno` that the operating system gave, or else `kind`, by its name in Rust.
    System,
}

/// The value of a property.
#[derive(Debug)]
pub enum Field<'error> {
    Address(u64),
    Count(usize),
    System(&'error io::Error),
    /// The error number of the operating system.
    Errno(i32),
    Text(Cow<'static, str>),
    Ranges([Range; 2]),
}

/// A property that an error has beside those of its row.
pub type Detail = (&'static str, Field<'static>);

/// The first and the last address of a part of memory.
pub type Range = [u64; 2];

/// An upstream error, taken apart for JavaScript: its row, and a value for each property of the row.
pub struct Description<'error>(pub &'static Row, pub Vec<Field<'error>>);

/// An enum of errors of upstream.
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

/// Makes a function of [`BindingError`] for each error. The function makes the text from its arguments.
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
    /// An argument has a wrong type.
    fn invalid_arg_type(message: impl Into<String>) -> TypeError ERR_INVALID_ARG_TYPE { message }

    /// A value has the right type, but is outside its range.
    fn out_of_range(message: impl Into<String>) -> RangeError ERR_OUT_OF_RANGE { message }

    /// A guard or a `FileOffset` is used after it was given up.
    fn disposed(class: &str) -> Error ERR_DISPOSED {
        format!("This {class} was disposed of, replaced or consumed")
    }

    /// A region or a mapping is used after it was released, in whatever thread.
    fn released() -> Error ERR_DISPOSED {
        "The mapping was released: its memory was given back to the host"
    }

    /// A mapping is tracked by a `WriteTracker` already, in whatever thread.
    fn tracked() -> Error ERR_MOVED {
        "The writes to a mapping of this memory are tracked already: one tracker has it at a time"
    }

    /// An object has become part of another one.
    fn moved(what: &str) -> Error ERR_MOVED {
        format!("This {what} has become part of something else")
    }

    /// The ticket is unknown, was used already, or stands for an object of another class.
    fn invalid_ticket(class: &str) -> Error ERR_INVALID_TICKET {
        format!(
            "This is no ticket for a {class}: unknown in this process, used, for another class, \
             or of a thread that has ended"
        )
    }

    /// A thread asks for an update lock that it holds, or waits for already.
    fn lock_held(operation: &str) -> Error ERR_LOCK_HELD {
        format!("{operation} would wait for a lock that this thread holds or has asked for")
    }

    /// The update lock could not be taken in time.
    fn lock_timeout(operation: &str, limit: std::time::Duration) -> Error ERR_LOCK_TIMEOUT {
        format!("{operation} did not get the lock within {} ms", limit.as_millis())
    }

    /// Somebody kept a guard on an old map for longer than the time that was given.
    fn grace_timeout(limit: std::time::Duration) -> Error ERR_LOCK_TIMEOUT {
        format!("synchronize(): a guard on an old map was still held after {} ms", limit.as_millis())
    }

    /// The protection of a mapping forbids the access.
    fn protection(message: impl Into<String>) -> Error ERR_PROTECTION { message }

    /// The engine cannot make a buffer of this length.
    fn buffer_too_large(length: usize) -> RangeError ERR_BUFFER_TOO_LARGE {
        format!("This runtime cannot make a buffer of {length} bytes")
    }

    /// The host has lost a page of memory that recovers from that. `offset` is the first lost byte that was touched, in its
    /// mapping, `reason` tells why it was lost, and `addr` is its guest address, where it was touched by that.
    fn memory_fault(fault: &Fault) -> Error ERR_MEMORY_FAULT {
        format!(
            "The host has lost the memory at offset 0x{:x} of its mapping ({}): see healFaults()",
            fault.offset, fault.reason
        )
    }

    /// A table does not fit the file or the memory of a snapshot, or the memory is mapped from the file that it would be saved to.
    fn snapshot(message: impl Into<String>) -> Error ERR_SNAPSHOT { message }

    /// This runtime, platform or kernel cannot do it. `errno` is there where the kernel said so.
    fn unsupported(message: impl Into<String>) -> Error ERR_UNSUPPORTED { message }

    /// A class is called without `new`, or has no constructor.
    fn illegal_constructor(message: String) -> TypeError { message }
}

impl Error {
    /// Adds how many bytes a transfer had moved when it failed. Partial transfers tell that already.
    pub fn after(self, completed: usize) -> Self {
        if completed == 0 || self.is_partial() {
            return self;
        }
        self.with("completed", Field::Count(completed))
    }

    /// Adds what the operating system says, if it says a number.
    pub fn caused_by(self, cause: &io::Error) -> Self {
        match cause.raw_os_error() {
            Some(errno) => self.with("errno", Field::Errno(errno)),
            None => self,
        }
    }

    /// Adds where the access was to begin, and how many bytes it was to have, if the text tells neither.
    pub fn at(self, address: u64, count: impl Into<Option<usize>>) -> Self {
        if !self.is_partial() && !self.is_invalid_backend_address() {
            return self;
        }
        let error = self.with("addr", Field::Address(address));
        match count.into() {
            Some(count) => error.with("count", Field::Count(count)),
            None => error,
        }
    }

    /// Adds what to look at, where the text misleads.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with("hint", Field::Text(hint.into()))
    }

    /// Adds the name of the function that was called, if this is an error of the crate.
    pub fn of(self, operation: &'static str) -> Self {
        if self.is_of_crate() {
            return self.with("operation", Field::Text(operation.into()));
        }
        self
    }

    /// Adds a property.
    pub fn with(self, name: &'static str, value: Field<'static>) -> Self {
        match self {
            Self::Detailed { error, mut details } => {
                details.push((name, value));
                Self::Detailed { error, details }
            }
            error => Self::Detailed {
                error: Box::new(error),
                details: vec![(name, value)],
            },
        }
    }

    /// Returns the error without its details.
    fn bare(&self) -> &Self {
        match self {
            Self::Detailed { error, .. } => error.bare(),
            error => error,
        }
    }

    fn is_of_crate(&self) -> bool {
        matches!(
            self.bare(),
            Self::GuestMemory(_) | Self::Mmap(_) | Self::MmapRegion(_) | Self::VolatileMemory(_)
        )
    }

    /// Checks whether this error says that a part of the bytes was moved.
    fn is_partial(&self) -> bool {
        matches!(
            self.bare(),
            Self::GuestMemory(GuestMemoryError::PartialBuffer { .. })
                | Self::VolatileMemory(VolatileMemoryError::PartialBuffer { .. })
        )
    }

    /// Checks whether this error says that there is no such part of a region.
    pub fn is_invalid_backend_address(&self) -> bool {
        matches!(
            self.bare(),
            Self::GuestMemory(GuestMemoryError::InvalidBackendAddress)
        )
    }

    /// Checks whether this error says that the engine cannot make a buffer of the length asked for.
    pub fn is_buffer_too_large(&self) -> bool {
        matches!(self.bare(), Self::Binding(error) if error.row.code == Some("ERR_BUFFER_TOO_LARGE"))
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

/// Turns the status of a Node-API call into a result.
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
            Self::Detailed { error, .. } => error.fmt(f),
            Self::Fault(fault) => BindingError::memory_fault(fault).fmt(f),
            Self::Node(status) => write!(f, "Node-API call failed: {}", Status::from(*status)),
        }
    }
}
