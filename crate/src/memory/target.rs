//! Memory that is accessed by copy: maps by guest address, regions and slices by offset.

use vm_memory::{
    Address, AtomicAccess, Bytes, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion,
    MemoryRegionAddress, VolatileMemory, VolatileMemoryError, bitmap::BitmapSlice,
};

use crate::memory::faults;
use crate::memory::faults::watch::{Watches, watch_buffer};
use crate::memory::hints;
use crate::memory::mapping::{Access, Memory, OwnedSlice, Protection, Region, Slice};
use crate::memory::sections::Section;
use crate::node::buffer::Buffer;
use crate::node::error::{Error, Result};
use crate::node::value::Value;

/// A place in memory: a guest address, or an offset.
pub trait Place: Copy {
    fn number(self) -> u64;
}

impl Place for usize {
    fn number(self) -> u64 {
        self as u64
    }
}

impl Place for GuestAddress {
    fn number(self) -> u64 {
        self.raw_value()
    }
}

impl Place for MemoryRegionAddress {
    fn number(self) -> u64 {
        self.raw_value()
    }
}

/// Memory that is accessed by copy.
pub trait Target {
    type Address: Place;
    type Error: Into<Error>;
    type Bytes: Bytes<Self::Address, E = Self::Error>;

    fn address(value: Value) -> Result<Self::Address>;

    /// Makes an address of what is one already; None if it is none on this platform.
    fn address_at(address: u64) -> Option<Self::Address>;

    /// Returns the object of upstream that is accessed.
    fn bytes(&self) -> &Self::Bytes;

    /// Refuses an access to what the host has lost, and begins to watch for more to be lost.
    fn watch(&self, address: Self::Address, count: usize) -> Result<Watches>;

    /// Does an access that is permitted, within a section, unless memory was lost that it touches.
    fn watched<R>(
        &self,
        address: Self::Address,
        count: usize,
        act: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let watches = self.watch(address, count)?;
        let result = act();
        watches.end()?;
        result.map_err(|error| error.at(address.number(), count))
    }

    /// Does an access, unless it is not permitted, or memory was lost that it touches. No code of users may run in it: whoever
    /// releases a mapping waits for it.
    fn access<R>(
        &self,
        address: Self::Address,
        count: usize,
        access: Access,
        act: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let _section = Section::enter();
        self.permit(address, count, access)?;
        self.watched(address, count, act)
    }

    /// Refuses an access to what was released, or that would fault. Whether there is memory at all is left to upstream.
    fn permit(&self, address: Self::Address, count: usize, access: Access) -> Result<()>;

    /// Does what `Bytes::read` does, into memory of JavaScript.
    fn read_into(&self, buffer: Buffer, address: Self::Address) -> Result<usize>;

    /// Does what `Bytes::write` does, from memory of JavaScript.
    fn write_from(&self, buffer: Buffer, address: Self::Address) -> Result<usize>;

    /// Does what `read_into` does, into a buffer that is certainly no guest memory.
    fn read_apart(&self, buffer: Buffer, address: Self::Address) -> Result<usize> {
        self.read_into(buffer, address)
    }

    /// Does what `write_from` does, from a buffer that is certainly no guest memory.
    fn write_apart(&self, buffer: Buffer, address: Self::Address) -> Result<usize> {
        self.write_from(buffer, address)
    }

    /// Does what `permit` and then `read_apart` do; the buffer may be written where that is refused.
    fn read_permitted(&self, buffer: Buffer, address: Self::Address) -> Result<usize> {
        self.permit(address, buffer.len(), Access::Read)?;
        self.read_apart(buffer, address)
    }

    /// Does what `permit` and then `available` do.
    fn available_to(&self, address: Self::Address, count: usize, access: Access) -> Result<usize> {
        self.permit(address, count, access)?;
        self.available(address, count)
    }

    /// Does what `Bytes::write` does from a buffer of `count` bytes that are all `value`. Needs no such buffer.
    fn fill(&self, value: u8, address: Self::Address, count: usize) -> Result<usize>;

    /// Returns how many of `count` bytes a read at this address would get.
    fn available(&self, address: Self::Address, count: usize) -> Result<usize>;

    /// Does the checks of `load` and `store`, without the access.
    fn check_atomic<T: AtomicAccess>(&self, address: Self::Address) -> Result<()>;

    /// Says what is wrong with the place of an atomic access of `size` bytes, where its error does not.
    fn atomic_hint(&self, error: &Error, address: Self::Address, size: usize) -> Option<String>;

    /// Makes the error that only a part of the bytes was transferred.
    fn partial(expected: usize, completed: usize) -> Self::Error;
}

/// Does what `VolatileSlice::read` does, into memory of JavaScript.
fn read_slice_into<B: BitmapSlice>(
    slice: &vm_memory::VolatileSlice<'_, B>,
    mut buffer: Buffer,
    address: usize,
) -> std::result::Result<usize, VolatileMemoryError> {
    use vm_memory::WriteVolatile;
    if buffer.len() == 0 {
        return Ok(0);
    }
    if address >= slice.len() {
        return Err(VolatileMemoryError::OutOfBounds { addr: address });
    }
    buffer.write_volatile(&slice.offset(address)?)
}

/// Does what `VolatileSlice::write` does, from memory of JavaScript.
fn write_slice_from<B: BitmapSlice>(
    slice: &vm_memory::VolatileSlice<'_, B>,
    mut buffer: Buffer,
    address: usize,
) -> std::result::Result<usize, VolatileMemoryError> {
    use vm_memory::ReadVolatile;
    if buffer.len() == 0 {
        return Ok(0);
    }
    if address >= slice.len() {
        return Err(VolatileMemoryError::OutOfBounds { addr: address });
    }
    buffer.read_volatile(&mut slice.offset(address)?)
}

/// How many bytes [`fill_slice`] writes at a time.
const FILL_CHUNK: usize = 4096;

/// Does what `VolatileSlice::write` does from a buffer of `count` bytes that are all `value`. It is upstream's `write`,
/// again and again from one short buffer: so the first of them says what is wrong with the address, and each marks what
/// it has written.
fn fill_slice<B: BitmapSlice>(
    slice: &vm_memory::VolatileSlice<'_, B>,
    value: u8,
    address: usize,
    count: usize,
) -> std::result::Result<usize, VolatileMemoryError> {
    let chunk = [value; FILL_CHUNK];
    let mut completed = 0;
    loop {
        let chunk = &chunk[..FILL_CHUNK.min(count - completed)];
        completed += slice.write(chunk, address + completed)?;
        if completed == count || address + completed == slice.len() {
            return Ok(completed);
        }
    }
}

/// Refuses an access to a part of one mapping that would fault.
fn permit_within(
    length: usize,
    offset: usize,
    count: usize,
    protection: Protection,
    access: Access,
) -> Result<()> {
    if count == 0 || offset >= length {
        return Ok(());
    }
    protection.permit(access, || format!("{count} bytes at offset 0x{offset:x}"))
}

impl Target for OwnedSlice {
    type Address = usize;
    type Error = VolatileMemoryError;
    type Bytes = Slice;

    fn address(value: Value) -> Result<usize> {
        value.usize("addr")
    }

    fn address_at(address: u64) -> Option<usize> {
        usize::try_from(address).ok()
    }

    fn bytes(&self) -> &Slice {
        &self.slice
    }

    fn permit(&self, address: usize, count: usize, access: Access) -> Result<()> {
        self.lease.check()?;
        permit_within(self.slice.len(), address, count, self.protection, access)
    }

    fn watch(&self, address: usize, count: usize) -> Result<Watches> {
        let length = self.slice.len();
        Watches::within(self.start(), length, address, count)
    }

    fn read_into(&self, buffer: Buffer, address: usize) -> Result<usize> {
        Ok(read_slice_into(&self.slice, buffer, address)?)
    }

    fn write_from(&self, buffer: Buffer, address: usize) -> Result<usize> {
        Ok(write_slice_from(&self.slice, buffer, address)?)
    }

    fn fill(&self, value: u8, address: usize, count: usize) -> Result<usize> {
        Ok(fill_slice(&self.slice, value, address, count)?)
    }

    fn available(&self, address: usize, count: usize) -> Result<usize> {
        if count == 0 {
            return Ok(0);
        }
        match self.slice.len().checked_sub(address) {
            None | Some(0) => Err(VolatileMemoryError::OutOfBounds { addr: address }.into()),
            Some(available) => Ok(available.min(count)),
        }
    }

    fn check_atomic<T: AtomicAccess>(&self, address: usize) -> Result<()> {
        self.slice.get_atomic_ref::<T::A>(address)?;
        Ok(())
    }

    fn atomic_hint(&self, error: &Error, address: usize, size: usize) -> Option<String> {
        if !matches!(
            error,
            Error::VolatileMemory(VolatileMemoryError::Misaligned { .. })
        ) {
            return None;
        }
        if self.start().addr().is_multiple_of(size) {
            return hints::unaligned(address as u64, size);
        }
        Some(format!(
            "The slice itself does not begin at a multiple of {size}."
        ))
    }

    fn partial(expected: usize, completed: usize) -> VolatileMemoryError {
        VolatileMemoryError::PartialBuffer {
            expected,
            completed,
        }
    }
}

/// Turns an offset in a region into one that upstream's slices take. (No offset is cut: the platforms have 64 bits.)
fn offset(address: MemoryRegionAddress) -> Result<usize> {
    usize::try_from(address.raw_value()).map_err(|_| GuestMemoryError::InvalidBackendAddress.into())
}

impl Target for Region {
    type Address = MemoryRegionAddress;
    type Error = GuestMemoryError;
    type Bytes = Region;

    fn address(value: Value) -> Result<MemoryRegionAddress> {
        value.u64("addr").map(MemoryRegionAddress)
    }

    fn address_at(address: u64) -> Option<MemoryRegionAddress> {
        Some(MemoryRegionAddress(address))
    }

    fn bytes(&self) -> &Region {
        self
    }

    fn permit(&self, address: MemoryRegionAddress, count: usize, access: Access) -> Result<()> {
        self.bitmap().lease().check()?;
        permit_within(
            self.size(),
            offset(address)?,
            count,
            Protection(self.prot()),
            access,
        )
    }

    fn watch(&self, address: MemoryRegionAddress, count: usize) -> Result<Watches> {
        Watches::within(self.as_ptr(), self.size(), offset(address)?, count)
    }

    fn read_into(&self, buffer: Buffer, address: MemoryRegionAddress) -> Result<usize> {
        let slice = GuestMemoryRegion::as_volatile_slice(self)?;
        read_slice_into(&slice, buffer, offset(address)?)
            .map_err(|error| GuestMemoryError::from(error).into())
    }

    fn write_from(&self, buffer: Buffer, address: MemoryRegionAddress) -> Result<usize> {
        let slice = GuestMemoryRegion::as_volatile_slice(self)?;
        write_slice_from(&slice, buffer, offset(address)?)
            .map_err(|error| GuestMemoryError::from(error).into())
    }

    fn fill(&self, value: u8, address: MemoryRegionAddress, count: usize) -> Result<usize> {
        let slice = GuestMemoryRegion::as_volatile_slice(self)?;
        fill_slice(&slice, value, offset(address)?, count)
            .map_err(|error| GuestMemoryError::from(error).into())
    }

    fn available(&self, address: MemoryRegionAddress, count: usize) -> Result<usize> {
        if count == 0 {
            return Ok(0);
        }
        match self.size().checked_sub(offset(address)?) {
            None | Some(0) => Err(GuestMemoryError::InvalidBackendAddress.into()),
            Some(available) => Ok(available.min(count)),
        }
    }

    fn check_atomic<T: AtomicAccess>(&self, address: MemoryRegionAddress) -> Result<()> {
        VolatileMemory::get_atomic_ref::<T::A>(&**self, offset(address)?)
            .map_err(GuestMemoryError::from)?;
        Ok(())
    }

    fn atomic_hint(
        &self,
        error: &Error,
        address: MemoryRegionAddress,
        size: usize,
    ) -> Option<String> {
        if !error.is_invalid_backend_address() {
            return None;
        }
        let offset = address.raw_value();
        hints::unaligned(offset, size).or_else(|| Some(hints::beyond(self.size(), offset, size)))
    }

    fn partial(expected: usize, completed: usize) -> GuestMemoryError {
        GuestMemoryError::PartialBuffer {
            expected,
            completed,
        }
    }
}

impl Target for Memory {
    type Address = GuestAddress;
    type Error = GuestMemoryError;
    type Bytes = Memory;

    fn address(value: Value) -> Result<GuestAddress> {
        value.u64("addr").map(GuestAddress)
    }

    fn address_at(address: u64) -> Option<GuestAddress> {
        Some(GuestAddress(address))
    }

    fn bytes(&self) -> &Memory {
        self
    }

    fn permit(&self, address: GuestAddress, count: usize, access: Access) -> Result<()> {
        if count == 0
            && let Some(region) = self.find_region(address)
        {
            region.bitmap().lease().check()?;
        }
        for (region, _, _) in Pieces::new(self, address, count) {
            region.bitmap().lease().check()?;
            Protection(region.prot()).permit(access, || {
                format!("{count} bytes at guest address 0x{:x}", address.raw_value())
            })?;
        }
        Ok(())
    }

    fn watch(&self, address: GuestAddress, count: usize) -> Result<Watches> {
        let mut watches = Watches::default();
        if faults::table::is_empty() {
            return Ok(watches);
        }
        for (region, offset, count) in Pieces::new(self, address, count) {
            let guest = region.start_addr().raw_value().wrapping_add(offset as u64);
            watches.add(region.as_ptr().wrapping_add(offset), count, Some(guest))?;
        }
        Ok(watches)
    }

    fn read_into(&self, buffer: Buffer, address: GuestAddress) -> Result<usize> {
        if is_entangled(self, buffer, address) {
            let mut copy = crate::node::buffer::zeroed(buffer.len())?;
            let copy = Buffer::of(&mut copy);
            let count = self.read_apart(copy, address)?;
            buffer.copy_from(copy.first(count));
            return Ok(count);
        }
        self.read_apart(buffer, address)
    }

    fn read_apart(&self, buffer: Buffer, address: GuestAddress) -> Result<usize> {
        Ok(
            self.try_access(buffer.len(), address, |done, _, offset, region| {
                let slice = region.as_volatile_slice()?;
                read_slice_into(&slice, buffer.skip(done), slice_offset(offset)?)
                    .map_err(Into::into)
            })?,
        )
    }

    fn write_from(&self, buffer: Buffer, address: GuestAddress) -> Result<usize> {
        if is_entangled(self, buffer, address) {
            let mut copy = buffer.to_vec()?;
            return self.write_apart(Buffer::of(&mut copy), address);
        }
        self.write_apart(buffer, address)
    }

    fn read_permitted(&self, buffer: Buffer, address: GuestAddress) -> Result<usize> {
        let mut refused = None;
        let result = self.try_access(buffer.len(), address, |done, count, offset, region| {
            let permitted = region.permit(offset, count, Access::Read);
            if let Err(error) = permitted {
                refused = Some(error);
                // Ends the access; replaced by what was refused.
                return Err(GuestMemoryError::CallbackOutOfRange);
            }
            let slice = region.as_volatile_slice()?;
            read_slice_into(&slice, buffer.skip(done), slice_offset(offset)?).map_err(Into::into)
        });
        refused.map_or_else(|| Ok(result?), Err)
    }

    fn available_to(&self, address: GuestAddress, count: usize, access: Access) -> Result<usize> {
        let mut found = 0;
        for (region, offset, count) in Pieces::new(self, address, count) {
            region.permit(MemoryRegionAddress(offset as u64), count, access)?;
            found += count;
        }
        if found == 0 && count > 0 {
            return Err(GuestMemoryError::InvalidGuestAddress(address).into());
        }
        Ok(found)
    }

    fn write_apart(&self, buffer: Buffer, address: GuestAddress) -> Result<usize> {
        Ok(
            self.try_access(buffer.len(), address, |done, _, offset, region| {
                let slice = region.as_volatile_slice()?;
                write_slice_from(&slice, buffer.skip(done), slice_offset(offset)?)
                    .map_err(Into::into)
            })?,
        )
    }

    fn fill(&self, value: u8, address: GuestAddress, count: usize) -> Result<usize> {
        Ok(self.try_access(count, address, |_, count, offset, region| {
            let slice = region.as_volatile_slice()?;
            fill_slice(&slice, value, slice_offset(offset)?, count).map_err(Into::into)
        })?)
    }

    fn available(&self, address: GuestAddress, count: usize) -> Result<usize> {
        Ok(self.try_access(count, address, |_, count, _, _| Ok(count))?)
    }

    fn check_atomic<T: AtomicAccess>(&self, address: GuestAddress) -> Result<()> {
        let (region, offset) = self
            .to_region_addr(address)
            .ok_or(GuestMemoryError::InvalidGuestAddress(address))?;
        region.check_atomic::<T>(offset)
    }

    fn atomic_hint(&self, error: &Error, address: GuestAddress, size: usize) -> Option<String> {
        if !error.is_invalid_backend_address() {
            return None;
        }
        let (region, MemoryRegionAddress(offset)) = self.to_region_addr(address)?;
        let address = address.raw_value();
        if offset.is_multiple_of(size as u64) {
            return hints::across(self, address, size, "an atomic access stays within one");
        }
        if region.start_addr().raw_value().is_multiple_of(size as u64) {
            return hints::unaligned(address, size);
        }
        Some(format!(
            "0x{address:x} is at 0x{offset:x} in its region, which is not a multiple of {size}."
        ))
    }

    fn partial(expected: usize, completed: usize) -> GuestMemoryError {
        Region::partial(expected, completed)
    }
}

fn slice_offset(offset: MemoryRegionAddress) -> std::result::Result<usize, GuestMemoryError> {
    usize::try_from(offset.raw_value()).map_err(|_| GuestMemoryError::InvalidBackendAddress)
}

/// The parts of regions that an access of `count` bytes crosses, up to the first hole. Each part is a region, the
/// offset in the region, and the number of bytes.
pub struct Pieces<'memory> {
    memory: &'memory Memory,
    next: Option<GuestAddress>,
    left: usize,
}

impl<'memory> Pieces<'memory> {
    pub fn new(memory: &'memory Memory, address: GuestAddress, count: usize) -> Self {
        Self {
            memory,
            next: (count > 0).then_some(address),
            left: count,
        }
    }
}

impl<'memory> Iterator for Pieces<'memory> {
    type Item = (&'memory Region, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let address = self.next.take()?;
        let (region, offset) = self.memory.to_region_addr(address)?;
        let offset = usize::try_from(offset.raw_value()).ok()?;
        let count = self.left.min(region.size() - offset);
        self.left -= count;
        if self.left > 0 {
            self.next = address.checked_add(count as u64);
        }
        Some((region, offset, count))
    }
}

/// Checks whether an access crosses several regions and the buffer lies in one of them. Then copying region by region
/// could overwrite bytes that are still to be copied.
pub fn is_entangled(memory: &Memory, buffer: Buffer, address: GuestAddress) -> bool {
    let mut pieces = Pieces::new(memory, address, buffer.len());
    let Some((first, ..)) = pieces.next() else {
        return false;
    };
    let mut others = pieces.peekable();
    others.peek().is_some()
        && std::iter::once(first)
            .chain(others.map(|(region, ..)| region))
            .any(|region| buffer.overlaps(region.as_ptr(), region.size()))
}

/// Checks that everything was transferred.
pub fn all<T: Target>(address: T::Address, expected: usize, completed: usize) -> Result<()> {
    if completed == expected {
        return Ok(());
    }
    let error: Error = T::partial(expected, completed).into();
    Err(error.at(address.number(), expected))
}

/// Does the checks of `load` and `store`, without the access. The error says what is wrong with the place.
pub fn check_atomic<T: Target, V: AtomicAccess>(target: &T, address: T::Address) -> Result<()> {
    // Before the place: what was released has none.
    target.permit(address, 0, Access::Read)?;
    let size = size_of::<V>();
    target.check_atomic::<V>(address).map_err(|error| {
        let hint = target.atomic_hint(&error, address, size);
        hints::hinted(error.at(address.number(), size), hint)
    })
}

/// Does what `Bytes::read` does, into memory of JavaScript.
pub fn read_some<T: Target>(target: &T, buffer: Buffer, address: T::Address) -> Result<usize> {
    target.access(address, buffer.len(), Access::Read, || {
        watch_buffer(buffer, || target.read_into(buffer, address))
    })
}

/// Does what `Bytes::write` does, from memory of JavaScript.
pub fn write_some<T: Target>(target: &T, buffer: Buffer, address: T::Address) -> Result<usize> {
    target.access(address, buffer.len(), Access::Write, || {
        watch_buffer(buffer, || target.write_from(buffer, address))
    })
}

/// Does what `Bytes::read_slice` does, into memory of JavaScript.
pub fn read_all<T: Target>(target: &T, buffer: Buffer, address: T::Address) -> Result<()> {
    let completed = read_some(target, buffer, address)?;
    all::<T>(address, buffer.len(), completed)
}

/// Does what `Bytes::write_slice` does, from memory of JavaScript.
pub fn write_all<T: Target>(target: &T, buffer: Buffer, address: T::Address) -> Result<()> {
    let completed = write_some(target, buffer, address)?;
    all::<T>(address, buffer.len(), completed)
}

/// Does what `Bytes::write_slice` does, from a buffer of `count` bytes that are all `value`.
pub fn fill_all<T: Target>(target: &T, value: u8, address: T::Address, count: usize) -> Result<()> {
    let completed = target.access(address, count, Access::Write, || {
        target.fill(value, address, count)
    })?;
    all::<T>(address, count, completed)
}
