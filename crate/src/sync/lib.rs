//! What threads agree by. Nothing here knows of JavaScript or of memory: threads are numbers, and
//! whoever is to be told something is called back. So all of it can be proved without an engine,
//! under all interleavings (loom) and under Miri.

pub mod gate;
mod primitives;
pub mod slots;
pub mod tickets;
