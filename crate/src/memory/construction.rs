//! Makes mappings with upstream's builder, but none that could not be used or unmapped.

use std::os::fd::AsRawFd;
use std::ptr;

use vm_memory::mmap::{MmapRegionBuilder, MmapRegionError, check_file_offset};

use crate::memory::faults::Recovery;
use crate::memory::faults::table::Place;
use crate::memory::huge_pages;
use crate::memory::lease::Lease;
use crate::memory::mapping::Mapping;
use crate::memory::tracking::{Tracked, Tracking, host_page_size, is_possible};

/// The settings of upstream's builder, which does not tell them.
#[derive(Clone, Debug)]
pub struct Plan {
    pub size: usize,
    pub prot: i32,
    pub flags: i32,
    pub file: Option<vm_memory::FileOffset>,
    pub hugetlbfs: Option<bool>,
    /// A mapping that other code made, and vouches for.
    pub raw: Option<*mut u8>,
    /// Whether the loss of a page is to be survived. Not for a mapping of other code.
    pub recovers: bool,
}

/// From this size on, [`Plan::build`] checks whether there is memory for the bitmap.
const LARGE: usize = 1 << 35;

impl Plan {
    /// Returns the settings that upstream's builder begins with.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            prot: libc::PROT_NONE,
            flags: libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
            file: None,
            hugetlbfs: None,
            raw: None,
            recovers: false,
        }
    }

    /// Returns the settings of upstream's `MmapRegion::new`.
    pub fn anonymous(size: usize) -> Self {
        Self {
            prot: libc::PROT_READ | libc::PROT_WRITE,
            flags: libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_PRIVATE,
            ..Self::new(size)
        }
    }

    /// Returns the settings of upstream's `MmapRegion::from_file`.
    pub fn of_file(file: vm_memory::FileOffset, size: usize) -> Self {
        Self {
            prot: libc::PROT_READ | libc::PROT_WRITE,
            flags: libc::MAP_NORESERVE | libc::MAP_SHARED,
            file: Some(file),
            ..Self::new(size)
        }
    }

    /// Makes the mapping, with a new bitmap if `tracked` is set.
    ///
    /// Upstream makes the bitmap first. If there is no memory for the bitmap, the process ends. So for large sizes,
    /// which a mapping may not be able to have, the mapping is tried without a bitmap first.
    pub fn build(self, tracked: bool) -> Result<Mapping, MmapRegionError> {
        if !tracked {
            return self.build_with(None);
        }
        let size = self.size;
        if size >= LARGE {
            self.clone().build_with(None)?;
            if !is_possible(size, host_page_size()) {
                return Err(system(libc::ENOMEM));
            }
        }
        self.build_with(Some(Tracked::new(size, host_page_size())))
    }

    /// Makes the mapping, with this bitmap.
    ///
    /// To upstream it is a mapping of other code in any case, of no file: upstream would unmap it when it is dropped, and keep the
    /// file until then.
    pub fn build_with(self, bitmap: Option<Tracked>) -> Result<Mapping, MmapRegionError> {
        let (start, lease) = match self.raw {
            Some(start) => {
                let file = self.file.clone();
                (
                    start,
                    Lease::foreign(start.expose_provenance(), self.size, file),
                )
            }
            None => self.map()?,
        };
        let mut builder =
            MmapRegionBuilder::new_with_bitmap(self.size, Tracking::new(bitmap, lease))
                .with_mmap_prot(self.prot)
                .with_mmap_flags(self.flags);
        if let Some(hugetlbfs) = self.hugetlbfs {
            builder = builder.with_hugetlbfs(hugetlbfs);
        }
        // SAFETY: it was mapped for this, or whoever made the plan vouches for it.
        unsafe { builder.with_raw_mmap_pointer(start) }.build()
    }

    /// Maps the memory as upstream does, and has it recover from faults if it is to.
    fn map(&self) -> Result<(*mut u8, Lease), MmapRegionError> {
        self.check()?;
        let mut fd = -1;
        let mut file_offset = 0;
        if let Some(file) = &self.file {
            check_file_offset(file, self.size)?;
            fd = file.file().as_raw_fd();
            file_offset = file.start();
        }
        let offset = libc::off_t::try_from(file_offset).map_err(|_| system(libc::EOVERFLOW))?;
        // SAFETY: no address is asked for, so nothing that is mapped is touched.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                self.size,
                self.prot,
                self.flags,
                fd,
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(MmapRegionError::Mmap(std::io::Error::last_os_error()));
        }
        let lease = Lease::new(
            start.expose_provenance(),
            self.size.next_multiple_of(host_page_size().get()),
            self.file.clone(),
        );
        if !self.recovers {
            return Ok((start.cast(), lease));
        }
        let page = huge_pages::page_size(self.flags, self.file.as_ref().map(|file| &**file.arc()))
            .map_err(MmapRegionError::Mmap)?
            .unwrap_or(host_page_size().get());
        let place = Place {
            start: start.expose_provenance(),
            size: self.size,
            prot: self.prot,
            flags: self.flags,
            fd,
            file_offset,
            page,
        };
        let recovery = Recovery::new(place).map_err(MmapRegionError::Mmap)?;
        Ok((start.cast(), lease.recovering(recovery)))
    }

    /// Checks that the mapping will not lie at address 0, and that it can be unmapped.
    fn check(&self) -> Result<(), MmapRegionError> {
        if self.flags & FIXED != 0 {
            return Err(MmapRegionError::MapFixed);
        }
        if self.is_whole_pages().map_err(MmapRegionError::Mmap)? {
            return Ok(());
        }
        // What upstream looks at before it maps comes first.
        if let Some(file) = &self.file {
            check_file_offset(file, self.size)?;
        }
        Err(system(libc::EINVAL))
    }

    /// Tells whether size and offset are whole pages, if huge pages are to be mapped. The kernel rounds the size of
    /// such a mapping up, but refuses to unmap less than whole pages: the mapping would stay for ever.
    fn is_whole_pages(&self) -> std::io::Result<bool> {
        let file = self.file.as_ref();
        let Some(page) = huge_pages::page_size(self.flags, file.map(|file| &**file.arc()))? else {
            return Ok(true);
        };
        let offset = file.map_or(0, vm_memory::FileOffset::start);
        Ok(self.size.is_multiple_of(page) && offset.is_multiple_of(page as u64))
    }
}

/// The flags that ask for an address. None is given, so the kernel would take 0.
const FIXED: i32 = libc::MAP_FIXED | FIXED_NOREPLACE;

#[cfg(target_os = "linux")]
const FIXED_NOREPLACE: i32 = libc::MAP_FIXED_NOREPLACE;
#[cfg(not(target_os = "linux"))]
const FIXED_NOREPLACE: i32 = 0;

/// Makes the error of an mmap(2) that fails.
fn system(errno: i32) -> MmapRegionError {
    MmapRegionError::Mmap(std::io::Error::from_raw_os_error(errno))
}
