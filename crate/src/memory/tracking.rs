//! Upstream's bitmap as the one type that every mapping has, tracked or not, and recovering from faults or not.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::Arc;

use vm_memory::bitmap::{ArcSlice, AtomicBitmap, Bitmap, RefSlice, WithBitmapSlice};

use crate::memory::faults::Recovery;
use crate::memory::lease::Lease;

/// The bitmap type of every mapping: tracked and untracked regions are of one type, so that a map
/// can hold both. It stands for its bitmap.
#[derive(Debug, Default)]
pub struct Tracking {
    tracked: Option<Tracked>,
    /// What the mapping has of the host. It is here since it ends with the mapping, and unmaps it.
    lease: Arc<Lease>,
}

impl Tracking {
    pub fn new(tracked: Option<Tracked>, lease: Lease) -> Self {
        Self {
            tracked,
            lease: Arc::new(lease),
        }
    }

    /// Returns what the mapping has of the host.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Returns what a mapping has that recovers from faults.
    pub fn recovery(&self) -> Option<&Recovery> {
        self.lease.recovery()
    }
}

/// A copy is of no mapping, so it has nothing to unmap. (Memories are cloned, which share their mappings; upstream's bound
/// asks for this all the same.)
impl Clone for Tracking {
    fn clone(&self) -> Self {
        Self::new(self.tracked.clone(), Lease::default())
    }
}

impl Deref for Tracking {
    type Target = Option<Tracked>;

    fn deref(&self) -> &Option<Tracked> {
        &self.tracked
    }
}

impl<'a> WithBitmapSlice<'a> for Tracking {
    type S = Option<RefSlice<'a, AtomicBitmap>>;
}

impl Bitmap for Tracking {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.tracked.mark_dirty(offset, len);
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.tracked.dirty_at(offset)
    }

    fn slice_at(&self, offset: usize) -> Option<RefSlice<'_, AtomicBitmap>> {
        self.tracked.slice_at(offset)
    }
}

/// The bitmap of a tracked mapping, shared with the objects that show it to JavaScript.
#[derive(Clone, Debug)]
pub struct Tracked {
    pub bitmap: Arc<AtomicBitmap>,
    /// The bytes for each bit. Upstream does not tell them.
    pub page_size: NonZeroUsize,
}

impl Tracked {
    /// Makes a clean bitmap of `byte_size` bytes, for which there must be memory (see [`is_possible`]).
    pub fn new(byte_size: usize, page_size: NonZeroUsize) -> Self {
        Self {
            bitmap: Arc::new(AtomicBitmap::new(byte_size, page_size)),
            page_size,
        }
    }

    /// Returns the bitmap from an offset on, as a slice that owns it.
    pub fn slice_from(&self, offset: usize) -> ArcSlice<AtomicBitmap> {
        ArcSlice::new(Arc::clone(&self.bitmap), offset)
    }
}

/// The bitmap of a slice that owns what it needs.
pub type TrackedSlice = Option<ArcSlice<AtomicBitmap>>;

impl<'a> WithBitmapSlice<'a> for Tracked {
    type S = RefSlice<'a, AtomicBitmap>;
}

impl Bitmap for Tracked {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.bitmap.mark_dirty(offset, len);
    }

    fn dirty_at(&self, offset: usize) -> bool {
        self.bitmap.dirty_at(offset)
    }

    fn slice_at(&self, offset: usize) -> RefSlice<'_, AtomicBitmap> {
        self.bitmap.slice_at(offset)
    }
}

/// Returns the number of bytes in a page of the host.
pub fn host_page_size() -> NonZeroUsize {
    // SAFETY: the call takes a number and returns one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It is always known; 4096 stands for what cannot happen.
    usize::try_from(size)
        .ok()
        .and_then(NonZeroUsize::new)
        .unwrap_or(const { NonZeroUsize::new(4096).unwrap() })
}

/// Checks whether there is memory for a bitmap. If there is none, upstream's allocation ends the process.
pub fn is_possible(byte_size: usize, page_size: NonZeroUsize) -> bool {
    let words = byte_size.div_ceil(page_size.get()).div_ceil(64);
    let mut bits = Vec::<u64>::new();
    let is_possible = bits.try_reserve_exact(words).is_ok();
    // Without this, the compiler may leave out an allocation that nobody uses.
    black_box(bits);
    is_possible
}
