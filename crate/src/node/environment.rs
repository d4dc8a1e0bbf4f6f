//! The JavaScript environment of the calling thread.
//!
//! A thread runs one environment at a time, so thread-local state is the state of an environment.

use std::cell::Cell;
use std::ptr;

use napi::sys;

thread_local! {
    static CURRENT: Cell<sys::napi_env> = const { Cell::new(ptr::null_mut()) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// Returns the number of the environment of this thread. No two environments of a process have the same number.
pub fn number() -> u64 {
    NUMBER.get()
}

/// Returns the environment of this thread; null in a thread that never loaded the addon.
pub fn current() -> sys::napi_env {
    CURRENT.get()
}

/// Notes that this thread runs another environment from now on.
pub fn enter(env: sys::napi_env, number: u64) {
    CURRENT.set(env);
    NUMBER.set(number);
}
