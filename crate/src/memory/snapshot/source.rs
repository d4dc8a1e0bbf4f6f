//! What is to be saved: parts of regions.

use std::ops::Range;

use vm_memory::{GuestAddress, GuestMemory, GuestMemoryRegion};

use crate::memory::faults::watch::{Watch, fault_of_call};
use crate::memory::mapping::{Access, Memory, Owner, arc_of};
use crate::memory::pages::kind::Pages;
use crate::memory::pages::ranges::Ranges;
use crate::memory::pages::{data, extent, lost};
use crate::memory::snapshot::table::Table;
use crate::node::error::{Error, Result};

/// Parts of a region, and where the region lies in the file. The region stays mapped for as long as this lives.
#[derive(Debug)]
pub struct Source {
    _owner: Owner,
    pub pages: Pages,
    pub start: GuestAddress,
    /// Where the first byte of the region is in the file.
    pub offset: u64,
    /// The parts, in whole pages, as offsets in the region.
    pub parts: Ranges,
}

impl Source {
    /// Takes all of a memory, to be saved where the table says.
    pub fn all(memory: &Memory, table: &Table) -> Result<Vec<Self>> {
        Self::of(memory, table, |size, parts| parts.push(0..size))
    }

    /// Takes ranges of a memory, in whole pages, in any order, none of which may reach into a hole.
    pub fn ranges(
        memory: &Memory,
        table: &Table,
        ranges: &[(GuestAddress, usize)],
    ) -> Result<Vec<Self>> {
        let mut sources = Self::of(memory, table, |_, _| ())?;
        let mut parts = vec![Vec::new(); sources.len()];
        for (address, count) in ranges {
            for extent in extent::of_range(memory, *address, *count)? {
                let start = extent.mapping_start().unwrap_or_default();
                let index = sources.partition_point(|source| source.start.0 < start);
                if let Some(parts) = parts.get_mut(index) {
                    parts.push(extent.offset..extent.offset + extent.count);
                }
            }
        }
        for (source, parts) in sources.iter_mut().zip(parts) {
            source.parts = Ranges::from_unsorted(parts);
        }
        sources.retain(|source| source.parts.total() > 0);
        Ok(sources)
    }

    fn of(
        memory: &Memory,
        table: &Table,
        choose: impl Fn(usize, &mut Ranges),
    ) -> Result<Vec<Self>> {
        let regions = memory.iter().zip(table.entries());
        let sources = regions.map(|(region, entry)| {
            let owner = Owner::Region(arc_of(region));
            let pages = owner.with(Pages::of)??;
            let mut parts = Ranges::default();
            choose(pages.size, &mut parts);
            Ok(Self {
                _owner: owner,
                pages,
                start: region.start_addr(),
                offset: entry.offset,
                parts,
            })
        });
        sources.collect()
    }

    /// Checks that all of the parts may be read, and are there.
    pub fn check(&self) -> Result<()> {
        self.pages.protection.permit(Access::Read, || {
            format!("the region at guest address 0x{:x}", self.start.0)
        })?;
        self.parts.iter().try_for_each(|part| {
            self.check_file(part)?;
            self.watch(part)?.end()
        })
    }

    /// Begins to watch for the loss of a part. Refuses what is lost.
    pub fn watch(&self, part: &Range<usize>) -> Result<Watch> {
        let start = std::ptr::with_exposed_provenance(self.pages.start + part.start);
        let guest = self.start.0.wrapping_add(part.start as u64);
        Watch::begin(start, part.len(), Some(guest))
    }

    /// Checks that a part of the region is not beyond the end of its file.
    pub fn check_file(&self, part: &Range<usize>) -> Result<()> {
        match lost::beyond_file(&self.pages, part) {
            Some(_) => Err(self.lost(part)),
            None => Ok(()),
        }
    }

    /// Makes the error for a part whose first byte the host cannot give.
    pub fn lost(&self, part: &Range<usize>) -> Error {
        let start = std::ptr::with_exposed_provenance(self.pages.start + part.start);
        let guest = self.start.0.wrapping_add(part.start as u64);
        fault_of_call(start, part.len(), Some(guest))
            .unwrap_or_else(|| lost::fault(&self.pages, part, Some(self.start.0)))
    }

    /// Returns where the region has data: what is left out is zeros. Where nobody tells, it may have some everywhere.
    pub fn data(&self) -> Ranges {
        data::ranges(&self.pages).unwrap_or_else(|_| {
            let mut all = Ranges::default();
            all.push(0..self.pages.size);
            all
        })
    }
}
