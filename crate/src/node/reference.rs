//! A function of JavaScript that is kept for an environment.

use std::cell::Cell;
use std::ptr;

use napi::sys;

use crate::node::environment::current;
use crate::node::error::{Result, check};
use crate::node::value::Value;

/// A function that `lib/` has given, for the thread that it was given in.
pub struct Function(Cell<sys::napi_ref>);

impl Function {
    pub const fn none() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    /// Keeps a function for as long as the environment lives.
    pub fn set(&self, function: Value) -> Result<()> {
        let mut reference = ptr::null_mut();
        // SAFETY: `function` is a function of this environment.
        check(unsafe {
            sys::napi_create_reference(function.env(), function.raw(), 1, &raw mut reference)
        })?;
        self.0.set(reference);
        Ok(())
    }

    /// Forgets the function of an environment that has ended.
    pub fn clear(&self) {
        self.0.set(ptr::null_mut());
    }

    /// Calls the function; None if there is none.
    pub fn call(&self, arguments: &[sys::napi_value]) -> Result<Option<Value>> {
        let reference = self.0.get();
        if reference.is_null() {
            return Ok(None);
        }
        let mut function = ptr::null_mut();
        // SAFETY: the reference is one of this environment.
        check(unsafe { sys::napi_get_reference_value(current(), reference, &raw mut function) })?;
        Value::new(current(), function).call(arguments).map(Some)
    }
}
