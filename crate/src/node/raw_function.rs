//! Functions of JavaScript that are called without the glue, and have something of their own in Rust.

use std::ffi::{CStr, c_void};
use std::ptr;

use napi::sys;

use crate::node::environment;
use crate::node::error::{Result, check};
use crate::node::identity::Handle;

/// What such a function runs. It must not panic: nothing catches that.
pub type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// Makes a function that keeps `own` until it is collected. `callback` gets that by [`own`], which must be asked for the same
/// type.
pub fn make<T>(name: &CStr, callback: Callback, own: T) -> Result<Handle> {
    let env = environment::current();
    let own = Box::into_raw(Box::new(own));
    let mut function = ptr::null_mut();
    // SAFETY: `own` lives until `finalize` drops it, when the function is gone.
    check(unsafe {
        sys::napi_create_function(
            env,
            name.as_ptr(),
            name.count_bytes().cast_signed(),
            Some(callback),
            own.cast(),
            &raw mut function,
        )
    })
    .and_then(|()| {
        // SAFETY: as above.
        check(unsafe {
            sys::napi_add_finalizer(
                env,
                function,
                own.cast(),
                Some(finalize::<T>),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })
    })
    .inspect_err(|_| {
        // SAFETY: nobody else has it, or the function, which is dropped unseen.
        drop(unsafe { Box::from_raw(own) });
    })?;
    Ok(Handle(function))
}

unsafe extern "C" fn finalize<T>(_: sys::napi_env, own: *mut c_void, _: *mut c_void) {
    // SAFETY: the box that `make` gave away; a finalizer runs once.
    drop(unsafe { Box::from_raw(own.cast::<T>()) });
}

/// Returns what the function that is running has of its own, and its first argument; undefined, if there is none.
///
/// # Safety
///
/// `env` and `info` are those of a call of a function that `make` has made with a `T`.
pub unsafe fn own<'call, T>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> (&'call T, sys::napi_value) {
    let mut own = ptr::null_mut();
    let mut count = 1;
    let mut argument = ptr::null_mut();
    // SAFETY: the caller's promise; there is room for the one argument that is asked for.
    unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            &raw mut argument,
            ptr::null_mut(),
            &raw mut own,
        );
    }
    // SAFETY: the box that `make` made, which lives as long as the function that is running.
    (unsafe { &*own.cast::<T>() }, argument)
}
