//! Objects that `structuredClone` and `postMessage` refuse.

use napi::sys;

use crate::node::environment::current;
use crate::node::error::Result;
use crate::node::reference::Function;
use crate::node::value::Value;

thread_local! {
    static KEEP_FROM_CLONING: Function = const { Function::none() };
}

/// Sets the function that keeps objects from being cloned, where the runtime has one. A clone would be an empty object
/// that looks like a map.
pub fn refuse_by(function: Value) -> Result<()> {
    KEEP_FROM_CLONING.with(|keep| keep.set(function))
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    KEEP_FROM_CLONING.with(Function::clear);
}

/// Keeps an object from being cloned: `structuredClone` and `postMessage` throw.
pub fn refuse(object: sys::napi_value) {
    if let Err(error) = KEEP_FROM_CLONING.with(|keep| keep.call(&[object])) {
        // The object is good all the same. A pending exception is taken away.
        drop(error.into_value(current()));
    }
}
