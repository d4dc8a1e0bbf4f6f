//! The marks in the bitmaps of a memory: put there by guest address, and taken away as ranges.

use std::io;
use std::sync::Arc;

use vm_memory::bitmap::{AtomicBitmap, Bitmap};
use vm_memory::{Address, GuestAddress, GuestMemoryError};

use crate::memory::mapping::{Memory, Region};
use crate::memory::ranges::{self, Part};
use crate::memory::target::{Pieces, Target};
use crate::memory::tracking::{Tracked, is_possible};
use crate::node::error::Result;

/// Checks that there is memory at all of `count` bytes, before anything is done with them.
pub fn check_range(memory: &Memory, address: GuestAddress, count: usize) -> Result<()> {
    let found = memory.available(address, count)?;
    if found == count {
        return Ok(());
    }
    let hole = GuestAddress(address.raw_value().wrapping_add(found as u64));
    Err(GuestMemoryError::InvalidGuestAddress(hole).into())
}

/// Marks `count` bytes in the bitmaps of the regions that have one.
pub fn mark(memory: &Memory, address: GuestAddress, count: usize) {
    for (region, offset, count) in Pieces::new(memory, address, count) {
        region.bitmap().mark_dirty(offset, count);
    }
}

/// What is to be marked when nobody writes any more: when this is dropped, however that comes about.
pub struct Pending {
    pub memory: Arc<Memory>,
    pub address: GuestAddress,
    pub count: usize,
}

impl Drop for Pending {
    fn drop(&mut self) {
        mark(&self.memory, self.address, self.count);
    }
}

/// Returns the bits of a bitmap, and takes them away if `reset` is set: each of them once, whoever sets some meanwhile.
fn bits(tracked: &Tracked, reset: bool) -> Result<Vec<u64>> {
    // Upstream's allocation ends the process if there is no memory.
    if !is_possible(tracked.bitmap.byte_size(), tracked.page_size) {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM).into());
    }
    Ok(if reset {
        tracked.bitmap.get_and_reset()
    } else {
        AtomicBitmap::clone(&tracked.bitmap).get_and_reset()
    })
}

/// Adds the parts of a region that are marked. Those that touch are one. If there is no memory for them, no mark is taken.
pub fn parts(region: &Region, reset: bool, parts: &mut Vec<Part>) -> Result<()> {
    let Some(tracked) = region.bitmap().as_ref() else {
        return Ok(());
    };
    let before = parts.len();
    let bits = bits(tracked, reset)?;
    parts_of_bits(&bits, tracked.page_size.get(), parts).inspect_err(|_| {
        parts.truncate(before);
        if reset {
            set_again(&bits, &tracked.bitmap);
        }
    })
}

fn parts_of_bits(bits: &[u64], page: usize, parts: &mut Vec<Part>) -> Result<()> {
    let mut open: Option<Part> = None;
    for (index, word) in bits.iter().enumerate() {
        let mut left = *word;
        while left != 0 {
            let first = left.trailing_zeros();
            let run = (left >> first).trailing_ones();
            left &= u64::MAX.checked_shl(first + run).unwrap_or(0);
            let bit = index * 64 + first as usize;
            let part = Part {
                start: bit.saturating_mul(page),
                end: (bit + run as usize).saturating_mul(page),
            };
            match &mut open {
                Some(open) if open.end == part.start => open.end = part.end,
                _ => {
                    if let Some(closed) = open.replace(part) {
                        ranges::push(parts, closed)?;
                    }
                }
            }
        }
    }
    open.map_or(Ok(()), |closed| ranges::push(parts, closed))
}

fn set_again(bits: &[u64], bitmap: &AtomicBitmap) {
    for (index, word) in bits.iter().enumerate() {
        for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
            bitmap.set_bit(index * 64 + bit);
        }
    }
}

/// Marks parts of a region again, which could not be told.
pub fn put_back(region: &Region, parts: &[Part]) {
    for part in parts {
        let count = part.end.min(region.size()).saturating_sub(part.start);
        region.bitmap().mark_dirty(part.start, count);
    }
}
