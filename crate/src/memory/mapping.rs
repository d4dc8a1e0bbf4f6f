//! Host memory: the objects that keep it mapped, and the accesses that its protection permits.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_memory::mmap::Error as MmapError;
use vm_memory::{GuestAddress, VolatileMemory, VolatileMemoryError};

use crate::memory::lease::Lease;
use crate::memory::tracking::{TrackedSlice, Tracking};
use crate::node::error::{BindingError, Error, Field, Result};

/// Upstream's mapping, region and memory with the one bitmap type of this package.
pub type Mapping = vm_memory::MmapRegion<Tracking>;
pub type Region = vm_memory::GuestRegionMmap<Tracking>;
pub type Memory = vm_memory::GuestMemoryMmap<Tracking>;

/// Whether this package unmaps a mapping. To upstream, all of them are mappings of other code.
pub fn is_owned(mapping: &Mapping) -> bool {
    mapping.bitmap().lease().is_owned()
}

/// Upstream's slice. Its lifetime is that of the [`Owner`] beside it.
pub type Slice = vm_memory::VolatileSlice<'static, TrackedSlice>;

/// A mapping that JavaScript made, and that a region may take over.
#[derive(Debug)]
pub struct SharedMapping(Mutex<Place>);

#[derive(Debug)]
enum Place {
    Free(Mapping),
    InRegion(Arc<Region>),
    /// The state while the mapping is being moved.
    Nowhere,
}

impl SharedMapping {
    pub fn new(mapping: Mapping) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Place::Free(mapping))))
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // Nothing panics while the lock is held, and the state is whole between statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a region of this mapping. If the region cannot be made, the mapping stays free.
    pub fn move_into_region(&self, guest_base: GuestAddress) -> Result<Arc<Region>> {
        let mut place = self.place();
        match &*place {
            Place::Free(mapping) if guest_base.0.checked_add(mapping.size() as u64).is_none() => {
                return Err(Error::from(MmapError::InvalidGuestRegion)
                    .with("base", Field::Address(guest_base.0))
                    .with("size", Field::Address(mapping.size() as u64)));
            }
            Place::Free(_) => {}
            _ => return Err(BindingError::moved("MmapRegion")),
        }
        let Place::Free(mapping) = std::mem::replace(&mut *place, Place::Nowhere) else {
            return Err(BindingError::moved("MmapRegion"));
        };
        let region = Arc::new(Region::new(mapping, guest_base)?);
        *place = Place::InRegion(Arc::clone(&region));
        Ok(region)
    }

    /// Does what upstream's `set_hugetlbfs` does, which needs the mapping for itself.
    pub fn set_hugetlbfs(&self, hugetlbfs: bool) -> Result<()> {
        match &mut *self.place() {
            Place::Free(mapping) => {
                mapping.set_hugetlbfs(hugetlbfs);
                Ok(())
            }
            _ => Err(BindingError::moved("MmapRegion")),
        }
    }
}

/// An object that keeps host memory mapped. Each slice and each buffer holds one.
#[derive(Clone, Debug)]
pub enum Owner {
    Mapping(Arc<SharedMapping>),
    Region(Arc<Region>),
}

impl Owner {
    /// Lets `read` look at the mapping.
    pub fn with<R>(&self, read: impl FnOnce(&Mapping) -> R) -> Result<R> {
        match self {
            Self::Region(region) => Ok(read(region)),
            Self::Mapping(shared) => match &*shared.place() {
                Place::Free(mapping) => Ok(read(mapping)),
                Place::InRegion(region) => Ok(read(region)),
                Place::Nowhere => Err(BindingError::moved("MmapRegion")),
            },
        }
    }

    /// Returns what the mapping has of the host.
    pub fn lease(&self) -> Result<Arc<Lease>> {
        self.with(|mapping| Arc::clone(mapping.bitmap().lease()))
    }

    /// Returns a slice of all of the mapping (`VolatileMemory::as_volatile_slice`).
    pub fn whole(&self) -> Result<OwnedSlice> {
        self.slice(0, self.with(Mapping::size)?)
    }

    /// Returns a slice that keeps the mapping alive (`VolatileMemory::get_slice`).
    pub fn slice(&self, offset: usize, count: usize) -> Result<OwnedSlice> {
        self.lease()?.check()?;
        self.part(offset, count)
    }

    /// Returns the same of a mapping that may have been released: its methods say so, when they have checked what they are given.
    pub fn part(&self, offset: usize, count: usize) -> Result<OwnedSlice> {
        self.with(|mapping| {
            let slice = mapping.get_slice(offset, count)?;
            let start = slice.ptr_guard_mut().as_ptr();
            let bitmap = mapping
                .bitmap()
                .as_ref()
                .map(|tracked| tracked.slice_from(offset));
            Ok(OwnedSlice {
                // SAFETY: upstream has checked that these bytes are within the mapping, which
                // `owner` keeps mapped for as long as the result lives, unless it is released: `lease` tells that at each
                // access, which a release waits for.
                slice: unsafe { Slice::with_bitmap(start, count, bitmap, None) },
                protection: Protection(mapping.prot()),
                lease: Arc::clone(mapping.bitmap().lease()),
                owner: self.clone(),
            })
        })?
    }
}

/// Returns the shared pointer to a region that was found in a memory.
pub fn arc_of(region: &Region) -> Arc<Region> {
    // SAFETY: `GuestMemoryMmap` of the pinned vm-memory 0.16.2 keeps its regions as
    // `Vec<Arc<GuestRegionMmap>>` and gives out references to what those point to; no other
    // `Region` is borrowed here. So the pointer is one of an `Arc`, which the borrow keeps alive
    // while the count is raised.
    unsafe {
        Arc::increment_strong_count(region);
        Arc::from_raw(region)
    }
}

/// A slice together with the owner that keeps it mapped.
#[derive(Clone, Debug)]
pub struct OwnedSlice {
    pub slice: Slice,
    pub protection: Protection,
    pub lease: Arc<Lease>,
    pub owner: Owner,
}

impl OwnedSlice {
    /// Makes a part of this slice from upstream's part.
    pub fn derive(&self, part: std::result::Result<Slice, VolatileMemoryError>) -> Result<Self> {
        self.lease.check()?;
        Ok(Self {
            slice: part?,
            protection: self.protection,
            lease: Arc::clone(&self.lease),
            owner: self.owner.clone(),
        })
    }

    /// Returns the host address of the first byte.
    pub fn start(&self) -> *mut u8 {
        self.slice.ptr_guard_mut().as_ptr()
    }
}

/// A kind of access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// A zero-copy view, through which JavaScript may do both.
    View,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::View => "view",
        })
    }
}

/// The `PROT_…` bits of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Protection(pub i32);

impl Protection {
    /// Refuses an access that would be a fault of the processor. Upstream simply crashes.
    pub fn permit(self, access: Access, describe: impl FnOnce() -> String) -> Result<()> {
        let needed = match access {
            Access::Read => libc::PROT_READ,
            Access::Write => libc::PROT_WRITE,
            Access::View => libc::PROT_READ | libc::PROT_WRITE,
        };
        if self.0 & needed == needed {
            return Ok(());
        }
        Err(self.refuse(access, &describe()))
    }

    fn refuse(self, access: Access, what: &str) -> Error {
        BindingError::protection(format!(
            "Cannot {access} {what}: the memory is mapped {self}"
        ))
    }
}

/// Writes the bits as `/proc/self/maps` does.
impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (libc::PROT_READ, 'r'),
            (libc::PROT_WRITE, 'w'),
            (libc::PROT_EXEC, 'x'),
        ] {
            write!(f, "{}", if self.0 & bit != 0 { letter } else { '-' })?;
        }
        Ok(())
    }
}
