//! Write tracking of Linux 6.7: userfaultfd protects pages from writes, the first write to a page takes the protection away
//! without asking anybody (`WP_ASYNC`), and `PAGEMAP_SCAN` finds the pages that have none, and protects them again.
//!
//! Numbers are those of `linux/userfaultfd.h` and `linux/fs.h`, alike on all platforms of 64 bits.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::memory::pagemap::{self, Found, Question, address};

/// Faults of this process alone: so nobody needs a privilege, and system calls into the memory work, since nobody is asked.
const USER_MODE_ONLY: libc::c_int = 1;

const UFFD_API: u64 = 0xaa;
const FEATURE_WP_HUGETLBFS_SHMEM: u64 = 1 << 12;
const FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const FEATURE_WP_ASYNC: u64 = 1 << 15;
const REGISTER_MODE_WP: u64 = 2;
const WRITEPROTECT_MODE_WP: u64 = 1;

const UFFDIO_API: u32 = 0xc018_aa3f;
const UFFDIO_REGISTER: u32 = 0xc020_aa00;
const UFFDIO_UNREGISTER: u32 = 0x8010_aa01;
const UFFDIO_WRITEPROTECT: u32 = 0xc018_aa06;

/// Protects what it finds.
const SCAN_WP_MATCHING: u64 = 1;
/// Fails where memory is not protected asynchronously. Without it, such memory is left out in silence.
const SCAN_CHECK_WPASYNC: u64 = 2;
const PAGE_IS_WRITTEN: u64 = 2;

/// How many ranges one call returns at the most.
const ROOM: usize = 2048;
/// How often memory is registered again in one scan: each time, somebody has replaced pages in the middle of it.
const RETRIES: usize = 64;

/// What watches memory of this process.
pub struct Watch {
    faults: OwnedFd,
    pages: File,
}

/// Makes a call of ioctl(2) with an argument of its own.
fn ioctl<T>(file: RawFd, request: u32, argument: &mut T) -> io::Result<usize> {
    #[allow(
        clippy::cast_possible_wrap,
        clippy::cast_lossless,
        reason = "signed with one C library, longer with another"
    )]
    let request = request as libc::Ioctl;
    // SAFETY: the callers below pass what the request reads and writes.
    let result = unsafe { libc::ioctl(file, request, std::ptr::from_mut(argument)) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

impl Watch {
    /// Asks for all that is needed. Fails where the kernel is too old or forbids it.
    pub fn open() -> io::Result<Self> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | USER_MODE_ONLY;
        // SAFETY: the call takes a number and returns a descriptor.
        let result = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        let descriptor = RawFd::try_from(result)
            .ok()
            .filter(|descriptor| *descriptor >= 0)
            .ok_or_else(io::Error::last_os_error)?;
        // SAFETY: it was just opened, and nobody else has it.
        let faults = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED | FEATURE_WP_HUGETLBFS_SHMEM;
        ioctl(descriptor, UFFDIO_API, &mut [UFFD_API, features, 0])?;
        let pages = pagemap::open()?;
        let watch = Self { faults, pages };
        // Nothing at all, to see whether it is there.
        watch.scan(0, 0, &mut [])?;
        Ok(watch)
    }

    /// Lets memory be written from now on, and found then.
    pub fn arm(&self, start: usize, length: usize) -> io::Result<()> {
        self.register(start, length)?;
        let [start, length] = [start as u64, length as u64];
        let mut range = [start, length, WRITEPROTECT_MODE_WP];
        for _ in 0..RETRIES {
            match ioctl(self.faults.as_raw_fd(), UFFDIO_WRITEPROTECT, &mut range) {
                // The mappings of the process are changing.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
                other => return other.map(drop),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EAGAIN))
    }

    /// Registers memory, or what of it is not registered (any more).
    fn register(&self, start: usize, length: usize) -> io::Result<()> {
        let mut range = [start as u64, length as u64, REGISTER_MODE_WP, 0];
        ioctl(self.faults.as_raw_fd(), UFFDIO_REGISTER, &mut range).map(drop)
    }

    /// Leaves memory alone. Where that fails, there is nothing any more that was registered.
    pub fn disarm(&self, start: usize, length: usize) {
        let mut range = [start as u64, length as u64];
        drop(ioctl(
            self.faults.as_raw_fd(),
            UFFDIO_UNREGISTER,
            &mut range,
        ));
    }

    /// Calls `each` with every part that was written, in the order of addresses, and protects it again.
    pub fn take(
        &self,
        start: usize,
        end: usize,
        each: &mut dyn FnMut(usize, usize),
    ) -> io::Result<()> {
        let mut found = vec![Found::default(); ROOM];
        let mut at = start;
        let mut retries = 0;
        while at < end {
            found.fill(Found::default());
            let result = self.scan(at, end, &mut found);
            // Of a scan that has failed as well: what it has found is protected again, and would be lost.
            for part in found.iter().take_while(|part| part.end != 0) {
                each(address(part.start), address(part.end));
                at = address(part.end);
            }
            match result {
                // (Where it has ended may be told wrongly, but it has ended.)
                Ok((count, _)) if count < found.len() => break,
                Ok((_, walked)) => at = at.max(walked),
                Err(error) if error.raw_os_error() == Some(libc::EPERM) && retries < RETRIES => {
                    // Something was mapped in the place of a part. That is registered again, and found written.
                    retries += 1;
                    self.register(start, end - start)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Finds written pages, and protects them; returns how many parts there are, and where it has ended.
    fn scan(&self, start: usize, end: usize, found: &mut [Found]) -> io::Result<(usize, usize)> {
        let question = Question {
            flags: SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
            start,
            end,
            category_mask: PAGE_IS_WRITTEN,
            return_mask: PAGE_IS_WRITTEN,
            ..Question::default()
        };
        question.ask(&self.pages, found)
    }
}
