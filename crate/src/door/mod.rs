//! The door: all that `lib/` asks of Rust and users never see, as functions in one namespace.
//!
//! `lib/` takes the namespace off the exports when it is installed. The object that a function works on is its first
//! argument, and is checked by its type tag. Nothing here asks an object for a property that users can replace.

use napi_derive::napi;

use crate::node::cloning;
use crate::node::error::Result;
use crate::node::external;
use crate::node::half;
use crate::node::identity;

use crate::node::value::Value;

pub mod alarm;
pub mod changes;
pub mod ends;
mod errors;
pub mod faults;
pub mod grace;
mod halves;
mod jobs;
pub mod letter;
pub mod lock_async;
pub mod mailbox;
pub mod seats;
pub mod slots;
pub mod windows;

/// Returns the global object of the realm that Rust makes all its answers in: that of the environment, whatever context
/// `lib/` runs in.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn realm() -> Result<Value> {
    Value::global()
}

/// Sets the function of the runtime that keeps objects from being cloned.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn keep_from_cloning_by(function: Value) -> Result<()> {
    cloning::refuse_by(function.function("function")?)
}

/// Sets the function that maps and regions are handed to when they are made.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn stamp_by(function: Value) -> Result<()> {
    identity::stamp_by(function.function("function")?)
}

/// Sets the function that finds, or makes, the native half of a plain object.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn find_halves_by(function: Value) -> Result<()> {
    half::ask(function.function("function")?)
}

/// Returns how many owners of bytes are kept until the process ends.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
#[must_use]
pub fn kept_for_ever() -> u32 {
    external::kept_for_ever()
}
