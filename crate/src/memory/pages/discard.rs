//! Gives pages back to the host. They read zero afterwards, and views on them stay good.
//!
//! | mapping | how |
//! |---|---|
//! | anonymous, private | madvise(`MADV_DONTNEED`), or `MADV_DONTNEED_LOCKED` where pages are locked |
//! | anonymous, shared | madvise(`MADV_REMOVE`), which refuses locked pages: they are unlocked for the moment |
//! | of a file, shared | a hole in the file: `MADV_DONTNEED` would keep what is in the file |
//! | of a file, private | anonymous memory in its place: otherwise what is in the file would come back |

use std::io;

use crate::memory::faults::watch::Watch;
use crate::memory::mapping::Access;
use crate::memory::pages::extent::Extent;
use crate::memory::pages::kind::Kind;
use crate::memory::pages::lost;
use crate::memory::zeros;
use crate::node::error::{BindingError, Result};

/// Gives the pages of some extents back, after all of them were checked.
pub fn discard(extents: &[Extent]) -> Result<()> {
    for extent in extents {
        if extent.pages.kind == Kind::Foreign {
            return Err(BindingError::unsupported(
                "Memory that other code has mapped cannot be discarded: nothing tells how",
            ));
        }
        extent.permit(Access::Write)?;
        check_there(extent)?;
    }
    let watches: Vec<Watch> = extents.iter().map(Extent::watch).collect::<Result<_>>()?;
    for extent in extents.iter().filter(|extent| extent.count > 0) {
        let result = give_back(extent);
        // Of what failed, a part may be zeros already.
        extent.mark_dirty()?;
        result?;
    }
    watches.into_iter().try_for_each(Watch::end)
}

/// Refuses what is beyond the end of the file of a mapping that recovers: nothing can be given back, and nothing would read
/// zero afterwards.
fn check_there(extent: &Extent) -> Result<()> {
    let Extent { pages, offset, .. } = extent;
    let part = *offset..offset + extent.count;
    let is_lost = pages.kind == Kind::SharedFile
        && extent.recovers()?
        && lost::beyond_file(pages, &part).is_some();
    if is_lost {
        return Err(lost::fault(pages, &part, extent.mapping_start()));
    }
    Ok(())
}

fn give_back(extent: &Extent) -> io::Result<()> {
    match extent.pages.kind {
        Kind::PrivateAnonymous => host::free(extent),
        Kind::SharedAnonymous => host::remove(extent),
        Kind::SharedFile => host::punch(extent),
        Kind::PrivateFile => host::replace(extent),
        Kind::Foreign => Ok(()),
    }
}

/// Puts zeros in the place of pages. Who looks at them finds memory of the same protection.
fn map_zeros(extent: &Extent) -> io::Result<()> {
    // SAFETY: these are pages of a mapping of this package, which the extent keeps mapped.
    unsafe { zeros::put(extent.start(), extent.count, extent.pages.protection.0) }
}

#[cfg(target_os = "linux")]
mod host {
    use std::io;

    use super::map_zeros;
    use crate::memory::hole;
    use crate::memory::pages::advice::advise;
    use crate::memory::pages::extent::Extent;
    use crate::memory::pages::lock::{lock_when_touched, unlock};

    const EINVAL: Option<i32> = Some(libc::EINVAL);

    /// `MADV_DONTNEED_LOCKED`, since Linux 5.18.
    const DONTNEED_LOCKED: i32 = 24;

    pub fn free(extent: &Extent) -> io::Result<()> {
        match advise(extent, libc::MADV_DONTNEED) {
            Err(error) if error.raw_os_error() == EINVAL && is_locked(extent) => {
                match advise(extent, DONTNEED_LOCKED) {
                    Err(error) if error.raw_os_error() == EINVAL => {
                        unlocked(extent, || advise(extent, libc::MADV_DONTNEED))
                    }
                    freed => freed,
                }
            }
            freed => freed,
        }
    }

    pub fn remove(extent: &Extent) -> io::Result<()> {
        match advise(extent, libc::MADV_REMOVE) {
            Err(error) if error.raw_os_error() == EINVAL && is_locked(extent) => {
                unlocked(extent, || advise(extent, libc::MADV_REMOVE))
            }
            removed => removed,
        }
    }

    /// Does what locked pages refuse. What is touched afterwards is locked again.
    fn unlocked(extent: &Extent, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
        unlock(extent)?;
        let result = act();
        lock_when_touched(extent)?;
        result
    }

    pub fn punch(extent: &Extent) -> io::Result<()> {
        let Some((file, start)) = &extent.pages.file else {
            return Ok(());
        };
        let offset = start + extent.offset as u64;
        hole::punch(file, &(offset..offset + extent.count as u64))
    }

    pub fn replace(extent: &Extent) -> io::Result<()> {
        let was_locked = is_locked(extent);
        map_zeros(extent)?;
        if was_locked {
            lock_when_touched(extent)?;
        }
        Ok(())
    }

    /// Tells whether any of the pages are locked. The kernel refuses to call those cold, and does nothing to others.
    fn is_locked(extent: &Extent) -> bool {
        !extent.pages.is_huge
            && matches!(advise(extent, libc::MADV_COLD), Err(error) if error.raw_os_error() == EINVAL)
    }
}

#[cfg(not(target_os = "linux"))]
mod host {
    use std::io;
    use std::os::fd::AsRawFd;

    use super::map_zeros;
    use crate::memory::pages::extent::Extent;

    /// Here no advice promises zeros.
    pub use super::map_zeros as free;
    pub use super::map_zeros as replace;

    pub fn remove(_: &Extent) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::ENOTSUP))
    }

    pub fn punch(extent: &Extent) -> io::Result<()> {
        let Some((file, start)) = &extent.pages.file else {
            return map_zeros(extent);
        };
        let hole = libc::fpunchhole_t {
            fp_flags: 0,
            reserved: 0,
            fp_offset: (start + extent.offset as u64).cast_signed(),
            fp_length: extent.count.cast_signed() as libc::off_t,
        };
        // SAFETY: the argument is what the call takes. The descriptor is open, and the bytes are those of the mapping.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const hole) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
