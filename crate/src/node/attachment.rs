//! What Rust keeps for as long as an object of JavaScript lives.

use std::ffi::c_void;
use std::ptr;

use napi::sys;

use crate::node::environment;
use crate::node::error::{Result, check};

/// Keeps `own` until `object` was collected, or its environment ends. Where that is not possible, `own` is dropped at once.
pub fn attach<T: 'static>(object: sys::napi_value, own: Box<T>) -> Result<()> {
    let own = Box::into_raw(own);
    // SAFETY: `object` is an object of this environment; `own` lives until `finalize` drops it, once.
    check(unsafe {
        sys::napi_add_finalizer(
            environment::current(),
            object,
            own.cast(),
            Some(finalize::<T>),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })
    .inspect_err(|_| {
        // SAFETY: the engine did not take it.
        drop(unsafe { Box::from_raw(own) });
    })
}

unsafe extern "C" fn finalize<T>(_: sys::napi_env, own: *mut c_void, _: *mut c_void) {
    // SAFETY: the box that `attach` gave away; a finalizer runs once.
    drop(unsafe { Box::from_raw(own.cast::<T>()) });
}
