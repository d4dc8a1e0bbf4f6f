//! `ReadVolatile` and `WriteVolatile`: moving bytes between memory and files or buffers without a
//! copy in between (upstream `io.rs`).

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use napi::ValueType;
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{
    GuestAddress, GuestMemory, ReadVolatile, VolatileMemoryError, VolatileSlice, WriteVolatile,
};

use crate::memory::mapping::{Access, Memory, OwnedSlice};
use crate::memory::target::{Target, is_entangled};
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

    /// Returns how many of `count` bytes of memory a transfer may touch by itself. (The kernel refuses a forbidden
    /// access, so a transfer from or to a file touches none.)
    pub fn touched(&self, count: usize) -> usize {
        match self {
            Self::File(_) => 0,
            Self::Bytes(buffer) => buffer.len().min(count),
        }
    }
}

impl ReadVolatile for VolatileIo {
    fn read_volatile<B: BitmapSlice>(
        &mut self,
        memory: &mut VolatileSlice<B>,
    ) -> std::result::Result<usize, VolatileMemoryError> {
        match self {
            Self::File(fd) => fd.read_volatile(memory),
            Self::Bytes(buffer) => buffer.read_volatile(memory),
        }
    }

    fn read_exact_volatile<B: BitmapSlice>(
        &mut self,
        memory: &mut VolatileSlice<B>,
    ) -> std::result::Result<(), VolatileMemoryError> {
        match self {
            Self::File(fd) => fd.read_exact_volatile(memory),
            Self::Bytes(buffer) => buffer.read_exact_volatile(memory),
        }
    }
}

impl WriteVolatile for VolatileIo {
    fn write_volatile<B: BitmapSlice>(
        &mut self,
        memory: &VolatileSlice<B>,
    ) -> std::result::Result<usize, VolatileMemoryError> {
        match self {
            Self::File(fd) => fd.write_volatile(memory),
            Self::Bytes(buffer) => buffer.write_volatile(memory),
        }
    }

    fn write_all_volatile<B: BitmapSlice>(
        &mut self,
        memory: &VolatileSlice<B>,
    ) -> std::result::Result<(), VolatileMemoryError> {
        match self {
            Self::File(fd) => fd.write_all_volatile(memory),
            Self::Bytes(buffer) => buffer.write_all_volatile(memory),
        }
    }
}

/// Memory that bytes are moved from and to, by `readVolatileFrom` and the three methods like it.
pub trait Transfer {
    type Address: Copy;

    fn address(value: Value) -> Result<Self::Address>;
    fn read_from(&self, address: Self::Address, io: VolatileIo, count: usize) -> Result<usize>;
    fn read_exact_from(&self, address: Self::Address, io: VolatileIo, count: usize) -> Result<()>;
    fn write_to(&self, address: Self::Address, io: VolatileIo, count: usize) -> Result<usize>;
    fn write_all_to(&self, address: Self::Address, io: VolatileIo, count: usize) -> Result<()>;
}

/// What regions and slices have in common: they do one volatile access to `getSlice(addr, count)`.
pub trait Window {
    fn part(&self, offset: usize, count: usize) -> Result<OwnedSlice>;

    /// Returns the error that JavaScript gets for a failed volatile access.
    fn error(error: VolatileMemoryError) -> Error;
}

impl<W: Window> Transfer for W {
    type Address = usize;

    fn address(value: Value) -> Result<usize> {
        value.usize("addr")
    }

    fn read_from(&self, address: usize, mut io: VolatileIo, count: usize) -> Result<usize> {
        let mut part = self.part(address, count)?;
        part.permit(0, io.touched(count), Access::Write)?;
        io.read_volatile(&mut part.slice).map_err(Self::error)
    }

    fn read_exact_from(&self, address: usize, mut io: VolatileIo, count: usize) -> Result<()> {
        let mut part = self.part(address, count)?;
        part.permit(0, io.touched(count), Access::Write)?;
        io.read_exact_volatile(&mut part.slice).map_err(Self::error)
    }

    fn write_to(&self, address: usize, mut io: VolatileIo, count: usize) -> Result<usize> {
        let part = self.part(address, count)?;
        part.permit(0, io.touched(count), Access::Read)?;
        io.write_volatile(&part.slice).map_err(Self::error)
    }

    fn write_all_to(&self, address: usize, mut io: VolatileIo, count: usize) -> Result<()> {
        let part = self.part(address, count)?;
        part.permit(0, io.touched(count), Access::Read)?;
        io.write_all_volatile(&part.slice).map_err(Self::error)
    }
}

impl Transfer for Memory {
    type Address = GuestAddress;

    fn address(value: Value) -> Result<GuestAddress> {
        value.u64("addr").map(GuestAddress)
    }

    fn read_from(&self, address: GuestAddress, io: VolatileIo, count: usize) -> Result<usize> {
        self.permit(address, io.touched(count), Access::Write)?;
        io.apart_from(self, address, Access::Write, |io| {
            Ok(self.read_volatile_from(address, io, count)?)
        })
    }

    fn read_exact_from(&self, address: GuestAddress, io: VolatileIo, count: usize) -> Result<()> {
        self.permit(address, io.touched(count), Access::Write)?;
        io.apart_from(self, address, Access::Write, |io| {
            Ok(self.read_exact_volatile_from(address, io, count)?)
        })
    }

    fn write_to(&self, address: GuestAddress, io: VolatileIo, count: usize) -> Result<usize> {
        self.permit(address, io.touched(count), Access::Read)?;
        io.apart_from(self, address, Access::Read, |io| {
            Ok(self.write_volatile_to(address, io, count)?)
        })
    }

    fn write_all_to(&self, address: GuestAddress, io: VolatileIo, count: usize) -> Result<()> {
        self.permit(address, io.touched(count), Access::Read)?;
        io.apart_from(self, address, Access::Read, |io| {
            Ok(self.write_all_volatile_to(address, io, count)?)
        })
    }
}

impl VolatileIo {
    /// Runs a transfer at `address`. Uses a copy of the bytes if they are part of the memory, and the first bytes that
    /// are copied could overwrite others that are still to be copied.
    fn apart_from<R>(
        mut self,
        memory: &Memory,
        address: GuestAddress,
        access: Access,
        transfer: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let Self::Bytes(buffer) = self else {
            return transfer(&mut self);
        };
        if !is_entangled(memory, buffer, address) {
            return transfer(&mut self);
        }
        let mut copy = buffer.to_vec()?;
        let result = transfer(&mut Self::Bytes(Buffer::of(&mut copy)));
        if access == Access::Read {
            // What was read from memory went to the copy.
            buffer.copy_from(Buffer::of(&mut copy));
        }
        result
    }
}

/// Makes the methods of `VolatileTransfer` on a class that has a method `target`, which returns the memory that bytes
/// are moved from and to.
macro_rules! volatile_transfer {
    ($class:ident) => {
        #[napi_derive::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn read_volatile_from(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<Number> {
                $crate::io::transfer(
                    &*self.target()?,
                    addr,
                    (src, "src"),
                    count,
                    $crate::io::Transfer::read_from,
                )
                .map(Number)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn read_exact_volatile_from(
                &self,
                addr: Value,
                src: Value,
                count: Value,
            ) -> Result<()> {
                $crate::io::transfer(
                    &*self.target()?,
                    addr,
                    (src, "src"),
                    count,
                    $crate::io::Transfer::read_exact_from,
                )
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_volatile_to(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<Number> {
                $crate::io::transfer(
                    &*self.target()?,
                    addr,
                    (dst, "dst"),
                    count,
                    $crate::io::Transfer::write_to,
                )
                .map(Number)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn write_all_volatile_to(
                &self,
                addr: Value,
                dst: Value,
                count: Value,
            ) -> Result<()> {
                $crate::io::transfer(
                    &*self.target()?,
                    addr,
                    (dst, "dst"),
                    count,
                    $crate::io::Transfer::write_all_to,
                )
            }
        }
    };
}
pub(crate) use volatile_transfer;

/// Checks the arguments and runs the transfer.
pub fn transfer<T: Transfer, R>(
    target: &T,
    address: Value,
    (io, name): (Value, &str),
    count: Value,
    operation: impl FnOnce(&T, T::Address, VolatileIo, usize) -> Result<R>,
) -> Result<R> {
    let address = T::address(address)?;
    let count = count.usize("count")?;
    // Last, since reading `fd` may run user code.
    let io = VolatileIo::from_value(io, name)?;
    operation(target, address, io, count)
}
