//! The door: all that `lib/` asks of Rust and users never see, as functions in one namespace.
//!
//! `lib/` takes the namespace off the exports when it is installed. The object that a function works on is its first
//! argument, and is checked by its type tag. Nothing here asks an object for a property that users can replace.

pub mod errors;
pub mod lock_async;
pub mod slots;
pub mod windows;
