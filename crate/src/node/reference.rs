//! A function of JavaScript that is kept for as long as an environment lives.

use std::cell::Cell;
use std::ptr;

use napi::sys;

use crate::node::environment::current;
use crate::node::error::{Result, check};
use crate::node::value::Value;

/// A function of one thread, kept by a reference.
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

    /// Returns the function; None where there is none.
    pub fn get(&self) -> Result<Option<Value>> {
        let reference = self.0.get();
        if reference.is_null() {
            return Ok(None);
        }
        let mut function = ptr::null_mut();
        // SAFETY: the reference is one of this environment.
        check(unsafe { sys::napi_get_reference_value(current(), reference, &raw mut function) })?;
        Ok(Some(Value::new(current(), function)))
    }

    /// Calls the function; None where there is none.
    pub fn call(&self, arguments: &[sys::napi_value]) -> Result<Option<Value>> {
        let function = self.get()?;
        function.map(|it| it.call(arguments)).transpose()
    }

    /// Calls the function as a method; None where there is none.
    pub fn call_on(&self, receiver: Value, arguments: &[sys::napi_value]) -> Result<Option<Value>> {
        let function = self.get()?;
        function
            .map(|it| it.call_on(receiver, arguments))
            .transpose()
    }

    /// Calls the function with `new`; None where there is none.
    pub fn construct(&self, arguments: &[sys::napi_value]) -> Result<Option<Value>> {
        let Some(constructor) = self.get()? else {
            return Ok(None);
        };
        let mut instance = ptr::null_mut();
        // SAFETY: the constructor and the arguments are values of this environment.
        check(unsafe {
            sys::napi_new_instance(
                current(),
                constructor.raw(),
                arguments.len(),
                arguments.as_ptr(),
                &raw mut instance,
            )
        })?;
        Ok(Some(Value::new(current(), instance)))
    }
}
