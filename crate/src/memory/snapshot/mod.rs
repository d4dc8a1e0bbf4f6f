//! Memory in a file, and memory out of one.
//!
//! A file of a snapshot is raw memory: the regions one after the other by address, each from a page of the host on, and holes for
//! what is zero. Firecracker writes and reads such files, and each region maps straight from it. Where the regions lie is told
//! by a table, which whoever has the file keeps beside it.
//!
//! ```text
//!   table     where regions lie in a file
//!   source    what is to be saved: parts of regions
//!   save      ── zeros? ──► target, a file that is written and keeps what is not of the snapshot
//!   restore   maps the regions again, copy-on-write, or reads them
//! ```

pub mod restore;
pub mod save;
pub mod source;
pub mod table;
pub mod target;
mod zeros;
