//! What the host does with the pages of mappings: takes them back, has them ready, and tells where they are.
//!
//! ```text
//!   extent      whole pages of one mapping, kept mapped, that a call is about
//!   kind        what the host has mapped there: it decides which call does what
//!   data        where there is data      ┐  of pagemap (this process's pages), file_data (those of a file)
//!   resident    how much is in memory    ┘  and vmas (what is really mapped, after pages were replaced)
//! ```

pub mod advice;
pub mod data;
pub mod discard;
pub mod extent;
#[cfg(target_os = "linux")]
pub mod file_data;
pub mod flush;
mod in_core;
pub mod kind;
pub mod lock;
pub mod lost;
#[cfg(target_os = "linux")]
mod pagemap;
#[cfg(target_os = "linux")]
mod populate;
pub mod prefault;
pub mod ranges;
pub mod resident;
#[cfg(target_os = "linux")]
mod vmas;
