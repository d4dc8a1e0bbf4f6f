//! Scopes of handles.
//!
//! A value of JavaScript that Rust gets or makes is kept alive by a handle, until the call from JavaScript returns. A
//! loop that gets a value in each round piles handles up: each collection visits all of them, and a call that waits for
//! hours leaks. A scope drops the handles that were made in it.

use std::ptr;

use napi::sys;

use crate::node::error::{Result, check};

/// A scope that ends when it is dropped. Values that were made in it must not be used afterwards.
pub struct Scope {
    env: sys::napi_env,
    scope: sys::napi_handle_scope,
}

impl Scope {
    /// Opens a scope within the current one.
    pub fn open(env: sys::napi_env) -> Result<Self> {
        let mut scope = ptr::null_mut();
        // SAFETY: `env` is the environment of this thread.
        check(unsafe { sys::napi_open_handle_scope(env, &raw mut scope) })?;
        Ok(Self { env, scope })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: the scope was opened in this environment. Later ones are closed before, as they are dropped before.
        unsafe { sys::napi_close_handle_scope(self.env, self.scope) };
    }
}
