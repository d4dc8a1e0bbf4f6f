//! Where the measured memory lies and which addresses are met, as `layout.ts` has it.

pub const REGION_SIZE: usize = 1 << 20;
/// A gap follows each region, so that no division finds it.
const STRIDE: u64 = 0x14_0000;
/// As in a machine, the upper half lies above the PCI hole.
const HIGH: u64 = 0x1_0000_0000;

pub const ADDRESS_COUNT: usize = 4096;
pub const ADDRESS_MASK: usize = ADDRESS_COUNT - 1;

pub fn region_start(index: u64, count: u64) -> u64 {
    let high = count > 1 && 2 * index >= count;
    index * STRIDE + if high { HIGH } else { 0 }
}

/// xorshift32
struct Random(u32);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        u64::from(self.0)
    }
}

/// Multiples of 8, in random regions.
pub fn random_addresses(count: u64) -> Vec<u64> {
    let mut random = Random(0x9e37_79b9);
    (0..ADDRESS_COUNT)
        .map(|_| {
            let start = region_start(random.next() % count, count);
            start + (random.next() % (REGION_SIZE as u64 / 8)) * 8
        })
        .collect()
}

/// Two regions without a gap, for copies.
pub const COPY_REGION_SIZE: usize = 4 << 20;

pub const COPY_PLACES: u64 = 64;
pub const COPY_MASK: usize = COPY_PLACES as usize - 1;

/// Within the first region, or around the border between the two.
pub fn copy_addresses(size: usize, in_one: bool) -> Vec<u64> {
    let (region, size) = (COPY_REGION_SIZE as u64, size as u64);
    // So that they meet the pages of the other side at many offsets: some of those are slow.
    let step = if size < 4096 { 1 } else { size / 64 + 64 };
    (0..COPY_PLACES)
        .map(|index| {
            if in_one {
                (index * 0x1_0000 + index * 192) % (region - size)
            } else {
                region - size / 2 + (index % 16) * step - 8 * step
            }
        })
        .collect()
}

/// A virtqueue's ring of 256 indices.
pub const RING_START: u64 = 0x2004;
pub const RING_MASK: usize = 255;
