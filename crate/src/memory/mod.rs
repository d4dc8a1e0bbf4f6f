//! Upstream's memory, kept mapped and permitted. No class of JavaScript is known here.

pub mod changes;
pub mod construction;
pub mod counted_file;
pub mod faults;
pub mod hints;
pub mod hole;
pub mod huge_pages;
pub mod lease;
pub mod mapping;
pub mod marks;
#[cfg(target_os = "linux")]
pub mod memfd;
pub mod object;
#[cfg(target_os = "linux")]
pub mod pagemap;
pub mod pages;
pub mod ranges;
pub mod release;
pub mod sections;
pub mod shared_map;
pub mod snapshot;
pub mod target;
pub mod tracking;
pub mod writes;
pub mod zero_copy;
pub mod zeros;
