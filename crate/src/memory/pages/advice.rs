//! Advice to the host about pages: madvise(2).

use std::io;

use crate::memory::pages::extent::Extent;

/// The names of all advice, as JavaScript has them, and what the C library calls it; None where this platform has no such
/// advice.
pub const ADVICE: &[(&str, Option<i32>)] = &[
    ("hugePage", linux::HUGE_PAGE),
    ("noHugePage", linux::NO_HUGE_PAGE),
    ("collapse", linux::COLLAPSE),
    ("mergeable", linux::MERGEABLE),
    ("unmergeable", linux::UNMERGEABLE),
    ("dump", linux::DUMP),
    ("noDump", linux::NO_DUMP),
    ("fork", linux::FORK),
    ("noFork", linux::NO_FORK),
    ("cold", linux::COLD),
    ("pageOut", linux::PAGE_OUT),
    ("normal", Some(libc::MADV_NORMAL)),
    ("sequential", Some(libc::MADV_SEQUENTIAL)),
    ("random", Some(libc::MADV_RANDOM)),
    ("willNeed", Some(libc::MADV_WILLNEED)),
];

#[cfg(target_os = "linux")]
mod linux {
    type Advice = Option<i32>;

    pub const HUGE_PAGE: Advice = Some(libc::MADV_HUGEPAGE);
    pub const NO_HUGE_PAGE: Advice = Some(libc::MADV_NOHUGEPAGE);
    /// `MADV_COLLAPSE`, since Linux 6.1.
    pub const COLLAPSE: Advice = Some(25);
    pub const MERGEABLE: Advice = Some(libc::MADV_MERGEABLE);
    pub const UNMERGEABLE: Advice = Some(libc::MADV_UNMERGEABLE);
    pub const DUMP: Advice = Some(libc::MADV_DODUMP);
    pub const NO_DUMP: Advice = Some(libc::MADV_DONTDUMP);
    pub const FORK: Advice = Some(libc::MADV_DOFORK);
    pub const NO_FORK: Advice = Some(libc::MADV_DONTFORK);
    pub const COLD: Advice = Some(libc::MADV_COLD);
    pub const PAGE_OUT: Advice = Some(libc::MADV_PAGEOUT);
}

#[cfg(not(target_os = "linux"))]
mod linux {
    type Advice = Option<i32>;

    pub const HUGE_PAGE: Advice = None;
    pub const NO_HUGE_PAGE: Advice = None;
    pub const COLLAPSE: Advice = None;
    pub const MERGEABLE: Advice = None;
    pub const UNMERGEABLE: Advice = None;
    pub const DUMP: Advice = None;
    pub const NO_DUMP: Advice = None;
    pub const FORK: Advice = None;
    pub const NO_FORK: Advice = None;
    pub const COLD: Advice = None;
    pub const PAGE_OUT: Advice = None;
}

/// Gives the host advice about the pages of an extent. `advice` must be one that changes no bytes, unless the caller means to.
pub fn advise(extent: &Extent, advice: i32) -> io::Result<()> {
    if extent.count == 0 {
        return Ok(());
    }
    let start = std::ptr::with_exposed_provenance_mut(extent.start());
    // SAFETY: these are pages of a mapping that the extent keeps mapped, and the caller means what the advice does to them.
    match unsafe { libc::madvise(start, extent.count, advice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
