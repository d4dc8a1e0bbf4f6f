//! The pages that a call is about: whole pages of one mapping, or of several.

use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion};

use crate::memory::faults::watch::Watch;
use crate::memory::mapping::{Access, Mapping, Memory, Owner, arc_of};
use crate::memory::pages::kind::Pages;
use crate::memory::target::Pieces;
use crate::memory::writes;
use crate::node::error::{BindingError, Error, Result};

/// Whole pages of one mapping, which stays mapped for as long as this lives. The last page may be cut off by the end of the
/// mapping.
#[derive(Clone, Debug)]
pub struct Extent {
    owner: Owner,
    pub pages: Pages,
    pub offset: usize,
    pub count: usize,
    /// The guest address of the first byte, if the call was about guest memory.
    pub address: Option<GuestAddress>,
}

impl Extent {
    /// Takes pages of a mapping, which must have `count` bytes at `offset`. Nothing at all is good at any offset.
    pub fn new(
        owner: Owner,
        offset: usize,
        count: usize,
        address: Option<GuestAddress>,
    ) -> Result<Self> {
        let pages = owner.with(Pages::of)??;
        let extent = Self {
            owner,
            pages,
            offset,
            count,
            address,
        };
        extent.check_alignment()?;
        Ok(extent)
    }

    fn check_alignment(&self) -> Result<()> {
        let page = self.pages.page;
        let end = self.offset + self.count;
        let is_end = end.is_multiple_of(page) || end == self.pages.size;
        if self.count == 0 || (self.offset.is_multiple_of(page) && is_end) {
            return Ok(());
        }
        Err(BindingError::out_of_range(format!(
            "{} bytes at offset 0x{:x} of the mapping are not whole pages of {page} bytes",
            self.count, self.offset
        )))
    }

    /// Returns the host address of the first byte.
    pub fn start(&self) -> usize {
        self.pages.start + self.offset
    }

    /// Refuses what would be a fault of the processor.
    pub fn permit(&self, access: Access) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.pages.protection.permit(access, || match self.address {
            Some(address) => {
                let address = address.raw_value();
                format!("{} bytes at guest address 0x{address:x}", self.count)
            }
            None => format!("{} bytes at offset 0x{:x}", self.count, self.offset),
        })
    }

    /// Whether these are pages of a file until they are written, and copies from then on.
    pub fn is_private_file(&self) -> Result<bool> {
        let flags = self.owner.with(Mapping::flags)?;
        Ok(flags & (libc::MAP_SHARED | libc::MAP_ANONYMOUS) == 0)
    }

    /// Whether the mapping recovers from the loss of its pages.
    pub fn recovers(&self) -> Result<bool> {
        self.owner
            .with(|mapping| mapping.bitmap().recovery().is_some())
    }

    /// Begins to watch for the loss of any of the pages. Refuses those that are lost.
    pub fn watch(&self) -> Result<Watch> {
        let start = std::ptr::with_exposed_provenance(self.start());
        Watch::begin(start, self.count, self.address.map(|address| address.0))
    }

    /// Returns the guest address of the mapping's first byte, if the call was about guest memory.
    pub fn mapping_start(&self) -> Option<u64> {
        self.address
            .map(|address| address.0.wrapping_sub(self.offset as u64))
    }

    /// Marks the pages as written, after their content was taken away.
    pub fn mark_dirty(&self) -> Result<()> {
        use vm_memory::bitmap::Bitmap;
        writes::note(self.start(), self.count);
        self.owner
            .with(|mapping| mapping.bitmap().mark_dirty(self.offset, self.count))
    }
}

/// Takes pages of guest memory: all of it, or from an address on.
pub fn of_memory(
    memory: &Memory,
    address: Option<GuestAddress>,
    count: Option<usize>,
) -> Result<Vec<Extent>> {
    let first = memory.iter().next().map(GuestMemoryRegion::start_addr);
    let Some(start) = address.or(first) else {
        // There is no memory, and nothing was asked of it.
        return count
            .filter(|count| *count > 0)
            .map_or(Ok(Vec::new()), |_| Err(no_memory_at(GuestAddress(0))));
    };
    if memory.to_region_addr(start).is_none() {
        return Err(no_memory_at(start));
    }
    match count {
        Some(count) => of_range(memory, start, count),
        None => memory
            .iter()
            .filter(|region| region.last_addr() >= start)
            .map(|region| {
                let skipped = start
                    .raw_value()
                    .saturating_sub(region.start_addr().raw_value());
                let offset = usize::try_from(skipped).unwrap_or(usize::MAX);
                let address = region.start_addr().unchecked_add(skipped);
                let count = region.size() - offset;
                Extent::new(Owner::Region(arc_of(region)), offset, count, Some(address))
            })
            .collect(),
    }
}

/// Takes `count` bytes of guest memory, which must have no hole.
pub fn of_range(memory: &Memory, address: GuestAddress, count: usize) -> Result<Vec<Extent>> {
    if memory.to_region_addr(address).is_none() {
        return Err(no_memory_at(address));
    }
    let mut extents = Vec::new();
    let mut done = 0;
    for (region, offset, length) in Pieces::new(memory, address, count) {
        let at = address.unchecked_add(done as u64);
        extents.push((Owner::Region(arc_of(region)), offset, length, at));
        done += length;
    }
    if done < count {
        return Err(match address.checked_add(done as u64) {
            Some(hole) => no_memory_at(hole),
            None => GuestMemoryError::GuestAddressOverflow.into(),
        });
    }
    extents
        .into_iter()
        .map(|(owner, offset, count, at)| Extent::new(owner, offset, count, Some(at)))
        .collect()
}

fn no_memory_at(address: GuestAddress) -> Error {
    GuestMemoryError::InvalidGuestAddress(address).into()
}
