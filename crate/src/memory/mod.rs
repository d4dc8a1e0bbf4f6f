//! Upstream's memory, kept mapped and permitted. No class of JavaScript is known here.

pub mod array;
pub mod mapping;
pub mod shared_map;
pub mod target;
pub mod tracking;
pub mod zero_copy;
