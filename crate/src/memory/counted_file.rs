//! A file that counts the bytes of a transfer, so that a transfer that fails can tell how many it has moved.

use std::os::fd::BorrowedFd;

use vm_memory::bitmap::BitmapSlice;
use vm_memory::{ReadVolatile, VolatileMemoryError, VolatileSlice, WriteVolatile};

use crate::memory::mapping::{Memory, OwnedSlice, Protection};

/// A descriptor, the bytes that were moved from or to it, and the protection of the memory.
///
/// Upstream marks all of a slice as dirty if a read into it fails. That stays so for the first read. But a transfer that
/// has moved bytes tells how many, and marks no others, except those that may have been written.
pub struct CountedFile<'io, P> {
    fd: BorrowedFd<'io>,
    moved: usize,
    /// Returns the protection of the mapping that this byte is in.
    protection: P,
}

type Result<T> = std::result::Result<T, VolatileMemoryError>;

impl<'io, P: Fn(usize) -> Protection> CountedFile<'io, P> {
    pub fn new(fd: BorrowedFd<'io>, protection: P) -> Self {
        Self {
            fd,
            moved: 0,
            protection,
        }
    }

    /// Returns how many bytes were moved.
    pub fn moved(&self) -> usize {
        self.moved
    }

    /// Checks whether a read that failed may have written into memory. The kernel does not tell when a page that is lost
    /// stops it in the middle (EFAULT), or a device (EIO). Other errors come before the first byte.
    fn may_have_written(&self, start: usize, error: &VolatileMemoryError) -> bool {
        let VolatileMemoryError::IOError(error) = error else {
            return true;
        };
        match error.raw_os_error() {
            Some(libc::EFAULT) => (self.protection)(start).0 & libc::PROT_WRITE != 0,
            Some(libc::EIO) => true,
            _ => false,
        }
    }
}

/// Returns the protection of guest memory, by host address.
pub fn protection_in(memory: &Memory) -> impl Fn(usize) -> Protection {
    use vm_memory::GuestMemory;
    |start| {
        let region = memory
            .iter()
            .find(|region| start.wrapping_sub(region.as_ptr().addr()) < region.size());
        region.map_or(Protection(libc::PROT_NONE), |region| {
            Protection(region.prot())
        })
    }
}

/// Returns the protection of a slice.
pub fn protection_of(slice: &OwnedSlice) -> impl Fn(usize) -> Protection + use<> {
    let protection = slice.protection;
    move |_| protection
}

impl<P: Fn(usize) -> Protection> ReadVolatile for CountedFile<'_, P> {
    fn read_volatile<B: BitmapSlice>(&mut self, memory: &mut VolatileSlice<B>) -> Result<usize> {
        if self.moved == 0 {
            let result = self.fd.read_volatile(memory);
            return result.inspect(|read| self.moved += read);
        }
        let guard = memory.ptr_guard_mut();
        let start = guard.as_ptr();
        // SAFETY: these are the bytes of `memory`, which outlives the slice.
        let mut untracked = unsafe { VolatileSlice::new(start, memory.len()) };
        let result = self.fd.read_volatile(&mut untracked);
        let written = match &result {
            Ok(read) => *read,
            Err(error) if self.may_have_written(start.addr(), error) => memory.len(),
            Err(_) => 0,
        };
        memory.bitmap().mark_dirty(0, written);
        result.inspect(|read| self.moved += read)
    }
}

impl<P: Fn(usize) -> Protection> WriteVolatile for CountedFile<'_, P> {
    fn write_volatile<B: BitmapSlice>(&mut self, memory: &VolatileSlice<B>) -> Result<usize> {
        let result = self.fd.write_volatile(memory);
        result.inspect(|written| self.moved += written)
    }
}
