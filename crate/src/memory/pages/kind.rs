//! What the host has mapped. It decides which call of the host does what.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use crate::memory::lease::{Lease, Range as Addresses};
use crate::memory::mapping::{Mapping, Protection, is_owned};
use crate::memory::tracking::host_page_size;
use crate::node::error::Result;

/// What is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory of this process alone.
    PrivateAnonymous,
    /// Memory that children of this process have, too.
    SharedAnonymous,
    /// The pages of a file.
    SharedFile,
    /// The pages of a file, and copies of those that were written.
    PrivateFile,
    /// What other code has mapped.
    Foreign,
}

/// A mapping, as the host sees it. Whoever has it keeps the mapping mapped.
#[derive(Clone, Debug)]
pub struct Pages {
    pub start: usize,
    pub size: usize,
    pub kind: Kind,
    /// The number of bytes in a page of this mapping.
    pub page: usize,
    pub protection: Protection,
    /// The file that is mapped, and where the mapping starts in it.
    pub file: Option<(Arc<File>, u64)>,
    /// Whether these are huge pages, which the host takes from a pool.
    pub is_huge: bool,
    _addresses: Arc<Addresses>,
    lease: Arc<Lease>,
}

impl Pages {
    pub fn of(mapping: &Mapping) -> Result<Self> {
        let flags = mapping.flags();
        let look = mapping.bitmap().lease().look(flags)?;
        let file = look
            .file
            // The kernel looks at no file then.
            .filter(|_| flags & libc::MAP_ANONYMOUS == 0)
            .map(|file| (Arc::clone(file.arc()), file.start()));
        let is_private = flags & MAP_TYPE == libc::MAP_PRIVATE;
        let kind = match (is_owned(mapping), &file, is_private) {
            (false, ..) => Kind::Foreign,
            (true, None, true) => Kind::PrivateAnonymous,
            (true, None, false) => Kind::SharedAnonymous,
            (true, Some(_), true) => Kind::PrivateFile,
            (true, Some(_), false) => Kind::SharedFile,
        };
        Ok(Self {
            start: mapping.as_ptr().expose_provenance(),
            size: mapping.size(),
            kind,
            page: look.huge_page.unwrap_or(host_page_size().get()),
            protection: Protection(mapping.prot()),
            file,
            is_huge: look.huge_page.is_some(),
            _addresses: look.range,
            lease: Arc::clone(mapping.bitmap().lease()),
        })
    }

    /// Refuses what was released meanwhile: there are zeros in its place.
    pub fn check(&self) -> Result<()> {
        self.lease.check()
    }

    /// Returns the addresses of the mapping, whole pages of the host.
    pub fn span(&self) -> Range<usize> {
        let page = host_page_size().get();
        self.start..self.start + self.size.div_ceil(page) * page
    }
}

/// The bits of the flags that tell private mappings from shared ones.
#[cfg(target_os = "linux")]
const MAP_TYPE: i32 = libc::MAP_TYPE;
#[cfg(not(target_os = "linux"))]
const MAP_TYPE: i32 = libc::MAP_SHARED | libc::MAP_PRIVATE;
