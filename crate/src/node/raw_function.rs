//! Functions of JavaScript that are called without the glue, and have something of their own in Rust.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::sys;

use crate::node::attachment;
use crate::node::environment;
use crate::node::error::{Result, check};
use crate::node::identity::Handle;
use crate::node::value::Value;

/// What a function has of its own, and what it runs.
pub trait RawFunction: Sized + 'static {
    const NAME: &'static CStr;

    /// Runs with the first argument, which is undefined if there is none. Null stands for undefined.
    fn call(&self, argument: Value) -> Result<sys::napi_value>;
}

/// Makes a function that keeps `own` until it is collected.
pub fn make<T: RawFunction>(own: T) -> Result<Handle> {
    let own = Box::new(own);
    let mut function = ptr::null_mut();
    // SAFETY: `own` lives until the function is gone: it is attached to it. Where that fails, the function is dropped unseen.
    check(unsafe {
        sys::napi_create_function(
            environment::current(),
            T::NAME.as_ptr(),
            T::NAME.count_bytes().cast_signed(),
            Some(call::<T>),
            ptr::from_ref::<T>(&own).cast_mut().cast(),
            &raw mut function,
        )
    })?;
    attachment::attach(function, own)?;
    Ok(Handle(function))
}

/// Calls what such a function runs. An error is thrown, and so is a panic, which must not leave Rust.
unsafe extern "C" fn call<T: RawFunction>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let run = || {
        let mut own: *mut c_void = ptr::null_mut();
        let mut count = 1;
        let mut argument = ptr::null_mut();
        // SAFETY: the engine calls with its environment and its call; there is room for the one argument that is asked for.
        check(unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &raw mut count,
                &raw mut argument,
                ptr::null_mut(),
                &raw mut own,
            )
        })?;
        // SAFETY: the box that `make` has attached to the function, which is alive while it runs.
        let own = unsafe { &*own.cast::<T>() };
        own.call(Value::new(env, argument))
    };
    // What a function has of its own is whole between its statements, as it is for methods of the glue.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            error.throw();
            ptr::null_mut()
        }
        Err(_) => {
            // SAFETY: `env` is the environment that called, the text is constant.
            unsafe {
                sys::napi_throw_error(
                    env,
                    ptr::null(),
                    c"A function of vm-memory has panicked".as_ptr(),
                )
            };
            ptr::null_mut()
        }
    }
}
