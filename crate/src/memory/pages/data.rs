//! Where a mapping has data. The kernel tells it of each kind of mapping in another way.

use crate::memory::faults::watch::Watch;
use crate::memory::pages::kind::Pages;
use crate::memory::pages::ranges::Ranges;
use crate::node::error::Result;

/// Asks about a mapping that has lost nothing: what is not told of is zeros, or as it was in the file, and of lost memory nobody
/// knows. `guest` is the guest address of the first byte, where the mapping was asked about by that.
pub fn unless_lost(
    pages: &Pages,
    guest: Option<u64>,
    ask: impl FnOnce(&Pages) -> Result<Ranges>,
) -> Result<Ranges> {
    let start = std::ptr::with_exposed_provenance(pages.start);
    let watch = Watch::begin(start, pages.size, guest)?;
    let found = ask(pages)?;
    watch.end()?;
    Ok(found)
}

/// Returns where a mapping has data, in whole pages, as offsets in the mapping. Takes no memory.
#[cfg(target_os = "linux")]
pub fn ranges(pages: &Pages) -> Result<Ranges> {
    Ok(find(pages)?.in_pages(pages.page, pages.size))
}

/// Refuses: there is nobody to ask.
#[cfg(not(target_os = "linux"))]
pub fn ranges(_: &Pages) -> Result<Ranges> {
    Err(crate::node::error::BindingError::unsupported(
        "This platform does not tell where memory has data",
    ))
}

/// Returns what was written to a private mapping of a file since it was mapped, in whole pages, as offsets in the mapping.
#[cfg(target_os = "linux")]
pub fn changed(pages: &Pages) -> Result<Ranges> {
    Ok(linux::written(pages)?.in_pages(pages.page, pages.size))
}

/// Refuses: there is nobody to ask.
#[cfg(not(target_os = "linux"))]
pub fn changed(_: &Pages) -> Result<Ranges> {
    Err(crate::node::error::BindingError::unsupported(
        "This platform does not tell what was written",
    ))
}

#[cfg(target_os = "linux")]
pub use linux::{find, is_of_memory};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    use crate::memory::pages::file_data::{self, is_swapping};
    use crate::memory::pages::in_core::in_core;
    use crate::memory::pages::kind::{Kind, Pages};
    use crate::memory::pages::pagemap::{self, Asked};
    use crate::memory::pages::ranges::Ranges;
    use crate::memory::pages::vmas::{self, Vma};

    /// Returns where a mapping has data, as offsets in the mapping.
    pub fn find(pages: &Pages) -> io::Result<Ranges> {
        match pages.kind {
            Kind::PrivateAnonymous => anonymous(pages, pages.span()),
            Kind::SharedAnonymous => shared_anonymous(pages),
            Kind::SharedFile => file(pages, pages.start..pages.start + pages.size),
            Kind::PrivateFile => private_file(pages),
            Kind::Foreign => Ok(all(pages)),
        }
    }

    /// Tells whether a mapping is of a file that is nowhere but in memory. What it has of a hole is data then.
    pub fn is_of_memory(pages: &Pages) -> bool {
        let file = pages.file.as_ref();
        file.is_some_and(|(file, _)| file_data::is_of_memory(file).unwrap_or(false))
    }

    /// Returns what was written to a private mapping of a file, as offsets in the mapping: pages that are copies, and those in
    /// whose place others were put.
    pub fn written(pages: &Pages) -> io::Result<Ranges> {
        let copies = offsets(pages, pagemap::find(pages.span(), Asked::Written)?);
        let mut replaced = Ranges::default();
        for vma in vmas::within(&pages.span())? {
            if vma.file_offset.is_none() {
                replaced.push(vma.range.start - pages.start..vma.range.end - pages.start);
            }
        }
        Ok(copies.union(replaced))
    }

    /// Turns addresses into offsets in the mapping.
    fn offsets(pages: &Pages, addresses: Ranges) -> Ranges {
        let mut offsets = Ranges::default();
        for range in addresses {
            offsets.push(range.start - pages.start..range.end - pages.start);
        }
        offsets
    }

    /// Returns all of a mapping, of which nobody tells anything.
    fn all(pages: &Pages) -> Ranges {
        let mut all = Ranges::default();
        all.push(0..pages.size);
        all
    }

    /// Asks for a part that is anonymous memory of this process alone.
    fn anonymous(pages: &Pages, part: Range<usize>) -> io::Result<Ranges> {
        match pagemap::find(part.clone(), Asked::Data) {
            Ok(found) => Ok(offsets(pages, found)),
            // A process that has changed its user may not look there. What is swapped out, the other question leaves out.
            Err(_) if !is_swapping() => Ok(offsets(pages, in_core(part)?)),
            Err(error) => Err(error),
        }
    }

    /// Asks for a part that shows its file.
    fn file(pages: &Pages, part: Range<usize>) -> io::Result<Ranges> {
        let Some((file, start)) = &pages.file else {
            return Ok(all(pages));
        };
        let offset = part.start - pages.start;
        let start = start + offset as u64;
        let in_file = start..start + part.len() as u64;
        let found = if pages.is_huge {
            let here = in_core(part)?;
            let mut known = Ranges::default();
            for range in here {
                known.push(range.start - pages.start - offset..range.end - pages.start - offset);
            }
            file_data::find_huge(file, in_file, pages.page, &known)?
        } else {
            file_data::find(file, in_file)?
        };
        let mut moved = Ranges::default();
        for range in found {
            moved.push(range.start + offset..range.end + offset);
        }
        Ok(moved)
    }

    /// Asks the file where pages are its own, and this process where they are not.
    fn private_file(pages: &Pages) -> io::Result<Ranges> {
        let copies = offsets(pages, pagemap::find(pages.span(), Asked::Written)?);
        let mut found = Ranges::default();
        for vma in vmas::within(&pages.span())? {
            let part = match vma.file_offset {
                Some(_) => file(pages, vma.range)?,
                None => anonymous(pages, vma.range)?,
            };
            found = found.union(part);
        }
        Ok(found.union(copies))
    }

    /// Asks the file that the kernel has made for shared anonymous memory: pages that this process has not touched may have
    /// data, too. Not everybody may open it.
    fn shared_anonymous(pages: &Pages) -> io::Result<Ranges> {
        if pages.is_huge {
            return Ok(offsets(pages, in_core(pages.span())?));
        }
        let mut found = Ranges::default();
        for vma in vmas::within(&pages.span())? {
            let Some(part) = of_file_behind(&vma) else {
                // Which pages were swapped out is told of that file alone.
                return if is_swapping() {
                    Ok(all(pages))
                } else {
                    Ok(offsets(pages, in_core(pages.span())?))
                };
            };
            let start = vma.range.start - pages.start;
            for range in part {
                found.push(range.start + start..range.end + start);
            }
        }
        Ok(found)
    }

    /// Asks the file behind a part of the address space, which has no name but there.
    fn of_file_behind(vma: &Vma) -> Option<Ranges> {
        let Range { start, end } = vma.whole;
        let file = File::open(format!("/proc/self/map_files/{start:x}-{end:x}")).ok()?;
        let offset = vma.file_offset?;
        let count = vma.range.len() as u64;
        file_data::find(&file, offset..offset + count).ok()
    }
}
