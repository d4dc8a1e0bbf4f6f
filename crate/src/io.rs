//! `ReadVolatile` and `WriteVolatile`: moving bytes between memory and files or buffers without a
//! copy in between (upstream `io.rs`).

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use napi::ValueType;
use vm_memory::{
    Address, GuestAddress, GuestMemory, GuestMemoryError, ReadVolatile, VolatileMemoryError,
    WriteVolatile,
};

use crate::memory::counted_file::{CountedFile, protection_in, protection_of};
use crate::memory::faults::watch::{fault_of_call, watch_buffer};
use crate::memory::lease::{Lease, Range};
use crate::memory::mapping::{Access, Memory, OwnedSlice, Protection, Slice};
use crate::memory::sections::Section;
use crate::memory::target::{Pieces, Place, Target, is_entangled};
use crate::node::buffer::Buffer;
use crate::node::error::{Error, Result};
use crate::node::value::{Value, integer};

/// Takes the descriptor of an open file from an argument: a number, or an object that has one as `fd` (`FileLike`).
pub fn descriptor(value: Value, name: &str) -> Result<RawFd> {
    const RANGE: &str = "a descriptor, an integer from 0 to 2^31 - 1";
    let number = match value.kind() {
        ValueType::Number => value,
        ValueType::Object => value.property(c"fd")?,
        _ => return Err(value.must_be(name, "a descriptor or an object with a descriptor `fd`")),
    };
    let double = number
        .double()
        .ok_or_else(|| number.must_be(name, "a descriptor or an object with a descriptor `fd`"))?;
    integer(double)
        .and_then(|integer| RawFd::try_from(integer).ok())
        .filter(|fd| *fd >= 0)
        .ok_or_else(|| number.out_of_range(name, RANGE))
}

/// Duplicates a descriptor. Other programs do not inherit the duplicate.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: the call takes numbers and refuses those that are no descriptors.
    let duplicate = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if duplicate < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// The source of a volatile read, or the target of a volatile write (`VolatileIo`).
pub enum VolatileIo {
    /// A descriptor of the caller, used for one call.
    File(BorrowedFd<'static>),
    /// Bytes in memory, used from their start.
    Bytes(Buffer),
}

impl VolatileIo {
    pub fn from_value(value: Value, name: &str) -> Result<Self> {
        if let Some(buffer) = Buffer::try_from_value(value) {
            return Ok(Self::Bytes(buffer));
        }
        let fd = descriptor(value, name)?;
        // SAFETY: it is not -1. That the caller keeps it open during the call is theirs to see to;
        // otherwise the system calls answer EBADF, or act on what took its place.
        Ok(Self::File(unsafe { BorrowedFd::borrow_raw(fd) }))
    }

    /// Enters a section for a transfer that is no system call.
    fn section(&self) -> Option<Section> {
        match self {
            Self::File(_) => None,
            Self::Bytes(_) => Some(Section::enter()),
        }
    }

    /// Returns how many of `count` bytes of memory a transfer may touch by itself. (The kernel refuses a forbidden
    /// access, so a transfer from or to a file touches none.)
    fn touched(&self, count: usize) -> usize {
        match self {
            Self::File(_) => 0,
            Self::Bytes(buffer) => buffer.len().min(count),
        }
    }
}

/// The transfers between memory and a file or bytes: all of them upstream's, which has each on guest memory
/// (`read_volatile_from`) and on a single slice (`ReadVolatile::read_volatile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    ReadExact,
    Write,
    WriteAll,
}

impl Operation {
    /// Returns what is done to memory.
    fn access(self) -> Access {
        match self {
            Self::Read | Self::ReadExact => Access::Write,
            Self::Write | Self::WriteAll => Access::Read,
        }
    }

    /// Returns the name of the argument that is read from, or written to.
    pub fn argument(self) -> &'static str {
        match self {
            Self::Read | Self::ReadExact => "src",
            Self::Write | Self::WriteAll => "dst",
        }
    }

    /// Returns the name of the method that does this off the JavaScript thread.
    pub fn async_name(self) -> &'static str {
        match self {
            Self::Read => "readVolatileFromAsync",
            Self::ReadExact => "readExactVolatileFromAsync",
            Self::Write => "writeVolatileToAsync",
            Self::WriteAll => "writeAllVolatileToAsync",
        }
    }

    /// Tells the transfers that move all bytes or fail. They answer with nothing.
    pub fn moves_all(self) -> bool {
        matches!(self, Self::ReadExact | Self::WriteAll)
    }

    /// Transfers between guest memory and `io`, and returns how many bytes were moved.
    fn run<Io: ReadVolatile + WriteVolatile>(
        self,
        memory: &Memory,
        address: GuestAddress,
        io: &mut Io,
        count: usize,
    ) -> std::result::Result<usize, GuestMemoryError> {
        let all = |()| count;
        match self {
            Self::Read => memory.read_volatile_from(address, io, count),
            Self::ReadExact => memory.read_exact_volatile_from(address, io, count).map(all),
            Self::Write => memory.write_volatile_to(address, io, count),
            Self::WriteAll => memory.write_all_volatile_to(address, io, count).map(all),
        }
    }

    /// Transfers between a slice and `io`, and returns how many bytes were moved.
    fn run_on_slice<Io: ReadVolatile + WriteVolatile>(
        self,
        slice: &mut Slice,
        io: &mut Io,
    ) -> std::result::Result<usize, VolatileMemoryError> {
        let count = slice.len();
        let all = |()| count;
        match self {
            Self::Read => io.read_volatile(slice),
            Self::ReadExact => io.read_exact_volatile(slice).map(all),
            Self::Write => io.write_volatile(slice),
            Self::WriteAll => io.write_all_volatile(slice).map(all),
        }
    }
}

/// Memory that bytes are moved from and to, by `readVolatileFrom` and the three methods like it.
pub trait Transfer {
    type Address: Place;

    fn address(value: Value) -> Result<Self::Address>;

    /// Transfers `count` bytes at `address`, and returns how many bytes were moved.
    fn transfer(
        &self,
        operation: Operation,
        address: Self::Address,
        io: VolatileIo,
        count: usize,
    ) -> Result<usize>;
}

/// What regions and slices have in common: they do one volatile access to `getSlice(addr, count)`.
pub trait Parts {
    fn part(&self, offset: usize, count: usize) -> Result<OwnedSlice>;

    /// Returns the error that JavaScript gets for a failed volatile access.
    fn error(error: VolatileMemoryError) -> Error;
}

impl<P: Parts> Transfer for P {
    type Address = usize;

    fn address(value: Value) -> Result<usize> {
        value.usize("addr")
    }

    fn transfer(
        &self,
        operation: Operation,
        address: usize,
        io: VolatileIo,
        count: usize,
    ) -> Result<usize> {
        let mut part = self.part(address, count)?;
        let _section = io.section();
        part.permit(0, io.touched(count), operation.access())?;
        let watches = part.watch(0, count)?;
        let result = match io {
            VolatileIo::File(fd) => {
                let called = Called::of(&part.lease)?;
                let mut file = CountedFile::new(fd, protection_of(&part));
                let result = operation.run_on_slice(&mut part.slice, &mut file);
                let moved = file.moved();
                called.check(moved)?;
                result.map_err(|error| {
                    let error = Self::error(error);
                    let start = part.start().wrapping_add(moved);
                    let permission = part.protection.permit(operation.access(), String::new);
                    lost_memory(&error, permission, start, count - moved, None)
                        .unwrap_or(error)
                        .after(moved)
                })
            }
            VolatileIo::Bytes(mut buffer) => watch_buffer(buffer, || {
                let length = buffer.len();
                let result = operation.run_on_slice(&mut part.slice, &mut buffer);
                result.map_err(|error| Self::error(error).after(length - buffer.len()))
            }),
        };
        watches.end()?;
        result
    }
}

impl Transfer for Memory {
    type Address = GuestAddress;

    fn address(value: Value) -> Result<GuestAddress> {
        value.u64("addr").map(GuestAddress)
    }

    fn transfer(
        &self,
        operation: Operation,
        address: GuestAddress,
        io: VolatileIo,
        count: usize,
    ) -> Result<usize> {
        let _section = io.section();
        self.permit(address, io.touched(count), operation.access())?;
        match io {
            VolatileIo::File(fd) => transfer_file(self, operation, address, fd, count),
            VolatileIo::Bytes(buffer) => {
                let watches = self.watch(address, count)?;
                let result = watch_buffer(buffer, || {
                    transfer_bytes(self, operation, address, buffer, count)
                });
                watches.end()?;
                result
            }
        }
    }
}

/// Transfers between guest memory and a file.
pub fn transfer_file(
    memory: &Memory,
    operation: Operation,
    address: GuestAddress,
    fd: BorrowedFd,
    count: usize,
) -> Result<usize> {
    memory.permit(address, 0, operation.access())?;
    let called: Vec<_> = Pieces::new(memory, address, count)
        .map(|(region, ..)| Called::of(region.bitmap().lease()))
        .collect::<Result<_>>()?;
    let watches = memory.watch(address, count)?;
    let mut file = CountedFile::new(fd, protection_in(memory));
    let result = operation.run(memory, address, &mut file, count);
    let moved = file.moved();
    called.iter().try_for_each(|called| called.check(moved))?;
    watches.end().map_err(|error| error.after(moved))?;
    result.map_err(|error| {
        let error = Error::from(error);
        let stopped = address.unchecked_add(moved as u64);
        let piece = Pieces::new(memory, stopped, count.saturating_sub(moved)).next();
        piece
            .and_then(|(region, offset, length)| {
                let permission = Protection(region.prot()).permit(operation.access(), String::new);
                let start = region.as_ptr().wrapping_add(offset);
                let guest = Some(stopped.raw_value());
                lost_memory(&error, permission, start, length, guest)
            })
            .unwrap_or(error)
            .after(moved)
    })
}

/// What a system call works on. It is not waited for when that is released, but the addresses stay mapped.
struct Called {
    lease: Arc<Lease>,
    _range: Arc<Range>,
}

impl Called {
    fn of(lease: &Arc<Lease>) -> Result<Self> {
        Ok(Self {
            lease: Arc::clone(lease),
            _range: lease.range()?,
        })
    }

    /// Refuses what came of the call if the memory was released meanwhile: it may have met zeros that were put in its place.
    fn check(&self, moved: usize) -> Result<()> {
        self.lease.check().map_err(|error| error.after(moved))
    }
}

/// Makes the error of a system call that has stopped at memory which the host has lost; None if it has another reason.
fn lost_memory(
    error: &Error,
    permission: Result<()>,
    start: *const u8,
    length: usize,
    guest: Option<u64>,
) -> Option<Error> {
    let is_fault = match error {
        Error::GuestMemory(GuestMemoryError::IOError(error))
        | Error::VolatileMemory(VolatileMemoryError::IOError(error)) => {
            error.raw_os_error() == Some(libc::EFAULT)
        }
        _ => false,
    };
    permission.ok()?;
    is_fault
        .then(|| fault_of_call(start, length, guest))
        .flatten()
}

/// Transfers between guest memory and bytes. Uses a copy of the bytes if they are part of the memory, and the first
/// bytes that are copied could overwrite others that are still to be copied.
fn transfer_bytes(
    memory: &Memory,
    operation: Operation,
    address: GuestAddress,
    buffer: Buffer,
    count: usize,
) -> Result<usize> {
    let transfer = |mut buffer: Buffer| {
        let length = buffer.len();
        let result = operation.run(memory, address, &mut buffer, count);
        result.map_err(|error| Error::from(error).after(length - buffer.len()))
    };
    if !is_entangled(memory, buffer, address) {
        return transfer(buffer);
    }
    let mut copy = buffer.to_vec()?;
    let result = transfer(Buffer::of(&mut copy));
    if operation.access() == Access::Read {
        // What was read from memory went to the copy.
        buffer.copy_from(Buffer::of(&mut copy));
    }
    result
}

/// Makes the methods of `VolatileTransfer` on a class that has a method `target`, which returns the memory that bytes
/// are moved from and to.
macro_rules! volatile_transfer {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn read_volatile_from(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<Number> {
                let operation = Operation::Read;
                io::transfer(&*self.target()?, operation, addr, src, count).map(Number)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_exact_volatile_from(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<()> {
                let operation = Operation::ReadExact;
                io::transfer(&*self.target()?, operation, addr, src, count).map(|_| ())
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_volatile_to(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<Number> {
                let operation = Operation::Write;
                io::transfer(&*self.target()?, operation, addr, dst, count).map(Number)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_all_volatile_to(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<()> {
                let operation = Operation::WriteAll;
                io::transfer(&*self.target()?, operation, addr, dst, count).map(|_| ())
            }
        }
    };
}
pub(crate) use volatile_transfer;

/// Checks the arguments and runs the transfer.
pub fn transfer<T: Transfer>(
    target: &T,
    operation: Operation,
    address: Value,
    io: Value,
    count: Value,
) -> Result<usize> {
    let address = T::address(address)?;
    let count = count.usize("count")?;
    // Last, since reading `fd` may run user code.
    let io = VolatileIo::from_value(io, operation.argument())?;
    target
        .transfer(operation, address, io, count)
        .map_err(|error| error.at(address.number(), count))
}
