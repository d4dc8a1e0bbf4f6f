//! The end of a mapping, whoever still has objects of it.
//!
//! ```text
//!   no more accesses ──► those under way end ──► trackers let go ──► zeros ──► the fault handler lets go ──► unmapped, file closed
//! ```

use crate::memory::lease::Held;
use crate::memory::mapping::{Mapping, Owner};
use crate::memory::{sections, writes};
use crate::node::error::Result;

/// Gives the memory and the file of a mapping back. Twice does nothing.
pub fn release(owner: &Owner) -> Result<()> {
    // Not within `with`, which other threads may wait for in the middle of an access.
    let lease = owner.lease()?;
    let flags = owner.with(Mapping::flags)?;
    let ended = lease.end(flags, |held: &mut Held| {
        sections::end_others();
        let Some(range) = &held.range else {
            return Ok(());
        };
        writes::leave_out(range.start, range.length);
        // Nobody else can get it any more.
        if std::sync::Arc::strong_count(range) > 1 {
            range.replace()?;
        }
        // Behind the zeros: a fast path that looks at no section may be about to touch what the host has lost.
        if let Some(recovery) = lease.recovery() {
            recovery.close();
        }
        held.range = None;
        held.file = None;
        Ok(())
    });
    ended.unwrap_or(Ok(()))
}
