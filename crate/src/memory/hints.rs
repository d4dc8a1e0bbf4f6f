//! What to look at, where the text of an error misleads. It is found out when there is an error, and costs nothing before.

use std::fmt;

use vm_memory::mmap::{Error as MmapError, MmapRegionError};
use vm_memory::{Address, GuestAddress, GuestMemory, GuestMemoryRegion};

use crate::memory::construction::Plan;
use crate::memory::huge_pages;
use crate::memory::mapping::{Memory, Region};
use crate::memory::opened;
use crate::memory::tracking::host_page_size;
use crate::node::error::{Error, Field, Range};

/// A part of memory, as hints show it.
struct Shown(Range);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = self.0;
        write!(f, "0x{first:x}-0x{last:x}")
    }
}

/// Returns the addresses of a region.
pub fn range_of(region: &Region) -> Range {
    [
        region.start_addr().raw_value(),
        region.last_addr().raw_value(),
    ]
}

fn range_at(address: u64, count: usize) -> Range {
    [
        address,
        address.saturating_add((count as u64).saturating_sub(1)),
    ]
}

/// Adds hint to an error, if there is one.
pub fn hinted(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Says what is wrong with a place, where an error says only that there is none: not where the memory is gone.
pub fn of_place(error: Error, hint: impl FnOnce() -> Option<String>) -> Error {
    if !error.is_invalid_backend_address() {
        return error;
    }
    hinted(error, hint())
}

/// Makes the error of a region that cannot be: upstream's text is about the sum of the two.
pub fn no_such_region(error: MmapError, base: GuestAddress, size: u64) -> Error {
    let is_invalid = matches!(error, MmapError::InvalidGuestRegion);
    let error = Error::from(error);
    if !is_invalid {
        return error;
    }
    error
        .with("base", Field::Address(base.raw_value()))
        .with("size", Field::Address(size))
}

/// Makes the error of a region that is to be taken away and is not there.
pub fn not_there(error: MmapError, memory: &Memory, base: GuestAddress, size: u64) -> Error {
    let address = base.raw_value();
    let there = match memory.find_region(base) {
        Some(region) => {
            let (range, size) = (Shown(range_of(region)), region.size());
            format!("; the one there is {range} (0x{size:x} bytes).")
        }
        None => ", nor any other.".to_owned(),
    };
    no_such_region(error, base, size).hint(format!(
        "There is no region of 0x{size:x} bytes at 0x{address:x}{there}"
    ))
}

/// Makes the error of a memory that cannot be made of regions; they are in the order in which upstream looks at them.
pub fn of_regions(error: MmapError, ranges: &[Range]) -> Error {
    let overlap = ranges.windows(2).find_map(|pair| match pair {
        &[one, other] if one[1] >= other[0] => Some([one.min(other), one.max(other)]),
        _ => None,
    });
    match (error, overlap) {
        (error @ MmapError::MemoryRegionOverlap, Some(ranges)) => {
            let [first, second] = ranges.map(Shown);
            Error::from(error)
                .with("ranges", Field::Ranges(ranges))
                .hint(format!("{first} and {second} overlap."))
        }
        (error, _) => error.into(),
    }
}

/// Says where an access ends that must stay within one region; None if there is no region at its begin.
pub fn across(memory: &Memory, address: u64, count: usize, rule: &str) -> Option<String> {
    let region = range_of(memory.find_region(GuestAddress(address))?);
    let asked = Shown(range_at(address, count));
    let next = region[1]
        .checked_add(1)
        .and_then(|next| memory.find_region(GuestAddress(next)));
    Some(match next {
        Some(next) => {
            let (region, next) = (Shown(region), Shown(range_of(next)));
            format!("{asked} begins in {region} and goes on in {next}: {rule}.")
        }
        None => format!("{asked} reaches beyond the end of {}.", Shown(region)),
    })
}

/// Says that an access by offset reaches beyond the end of a region.
pub fn beyond(size: usize, offset: u64, count: usize) -> String {
    let asked = Shown(range_at(offset, count));
    format!("{asked} reaches beyond the end of the region, which has 0x{size:x} bytes.")
}

/// Says that an offset is not aligned, if it is not.
pub fn unaligned(offset: u64, alignment: usize) -> Option<String> {
    let is_aligned = offset.is_multiple_of(alignment as u64);
    (!is_aligned).then(|| format!("0x{offset:x} is not a multiple of {alignment}."))
}

/// Makes the error of a mapping that cannot be made.
pub fn of_mapping(error: MmapRegionError, plan: &Plan) -> Error {
    let errno = match &error {
        MmapRegionError::Mmap(cause) => cause.raw_os_error(),
        _ => None,
    };
    let hint = errno.and_then(|errno| match errno {
        libc::EINVAL => odd_place(plan),
        libc::EACCES => rights(plan),
        libc::ENOMEM => page_of(plan)
            .filter(|page| *page > host_page_size().get())
            .map(no_huge_pages),
        _ => None,
    });
    hinted(error.into(), hint)
}

fn page_of(plan: &Plan) -> Option<usize> {
    let file = plan.file.as_ref().map(|file| &**file.arc());
    huge_pages::page_size(plan.flags, file).ok().flatten()
}

/// Says which number of a mapping is no number of whole pages.
fn odd_place(plan: &Plan) -> Option<String> {
    let host_page = host_page_size().get();
    let page = page_of(plan).unwrap_or(host_page);
    let start = plan.file.as_ref().map_or(0, vm_memory::FileOffset::start);
    let size = plan.size;
    if size == 0 {
        return Some("There is no mapping of 0 bytes.".to_owned());
    }
    if !start.is_multiple_of(page as u64) {
        return Some(format!(
            "The file's offset, 0x{start:x}, is not a multiple of the page size, 0x{page:x}."
        ));
    }
    (page > host_page && !size.is_multiple_of(page)).then(|| {
        format!("0x{size:x} bytes are not a multiple of the size of a huge page, 0x{page:x}.")
    })
}

/// Says which right to a file is missing.
fn rights(plan: &Plan) -> Option<String> {
    let file = plan.file.as_ref()?;
    let hint = match opened::flags(file.file()).ok()? & libc::O_ACCMODE {
        libc::O_WRONLY => "The file is open for writing only, and mappings read. Open it 'r+'.",
        libc::O_RDONLY if plan.prot & libc::PROT_WRITE != 0 => {
            "The file is open for reading only. Open it 'r+', or map it with PROT_READ."
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Says where the number of huge pages stands that a host has.
pub fn no_huge_pages(page: usize) -> String {
    let folder = format!("/sys/kernel/mm/hugepages/hugepages-{}kB", page / 1024);
    format!(
        "The host has too few free huge pages of 0x{page:x} bytes: free_hugepages in {folder} tells how many, and \
         nr_hugepages sets it."
    )
}
