//! What [`gate`](crate::gate) and [`share`](crate::share) synchronize with. Tests put loom in its place.

pub use std::sync::{Arc, Condvar, Mutex, MutexGuard};
