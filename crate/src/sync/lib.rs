//! The means by which threads agree. Nothing here knows of JavaScript or of memory: threads are numbers, and news
//! reaches them by callbacks. So all of it can be proved without an engine, under all interleavings (loom) and under
//! Miri.

pub mod gate;
pub mod marks;
pub mod pins;
mod primitives;
pub mod slots;
pub mod tickets;
