//! How much of a mapping is in the host's memory.

use std::io;

use crate::memory::pages::in_core::in_core;
use crate::memory::pages::kind::Pages;

/// Returns how many bytes of a mapping are in memory.
#[cfg(target_os = "linux")]
pub fn size(pages: &Pages) -> io::Result<usize> {
    use crate::memory::pages::data;
    use crate::memory::pages::kind::Kind;
    use crate::memory::pages::pagemap::{self, Asked};
    use crate::memory::tracking::host_page_size;

    let total = match pages.kind {
        Kind::PrivateAnonymous => pagemap::find(pages.span(), Asked::Resident)
            .or_else(|_| in_core(pages.span()))?
            .total(),
        // They are never swapped out, and the question below would be about this process alone.
        Kind::SharedFile | Kind::PrivateFile if pages.is_huge => data::find(pages)?.total(),
        // Such a file may be much larger than what there is of it.
        Kind::SharedFile | Kind::PrivateFile if data::is_of_memory(pages) => {
            let mut total = 0;
            for range in data::find(pages)?.in_pages(host_page_size().get(), pages.span().len()) {
                total += in_core(pages.start + range.start..pages.start + range.end)?.total();
            }
            total
        }
        Kind::SharedAnonymous | Kind::SharedFile | Kind::PrivateFile | Kind::Foreign => {
            in_core(pages.span())?.total()
        }
    };
    Ok(total.min(pages.size))
}

/// Returns how many bytes of a mapping are in memory.
#[cfg(not(target_os = "linux"))]
pub fn size(pages: &Pages) -> io::Result<usize> {
    Ok(in_core(pages.span())?.total().min(pages.size))
}
