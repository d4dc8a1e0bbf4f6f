//! What begins and ends with an environment: the root, which knows everyone that keeps something for a thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::Env;
use napi::bindgen_prelude::Object;
use napi::sys;
use napi_derive::napi;

use crate::atomic;
use crate::door::{lock_async, slots};
use crate::memory::{shared_map, zero_copy};
use crate::node::bell::{self, Message};
use crate::node::environment::{self, number};
use crate::node::error::{Error, check};
use crate::node::{external, identity, intrinsics};
use crate::tickets;

thread_local! {
    /// Whether this thread has loaded the addon, and `end` is still to come.
    static LIVES: Cell<bool> = const { Cell::new(false) };
}

/// The number of environments of this process that have loaded the addon.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// Runs once for each environment that loads the addon. Code that empties the cache of modules cannot load the addon
/// again: the glue knows one set of classes for each thread.
#[napi(module_exports)]
pub fn load(_exports: Object, env: Env) -> napi::Result<()> {
    if LIVES.get() {
        return Err(napi::Error::from_reason(
            "The addon of vm-memory is loaded in this thread already, and cannot be loaded twice",
        ));
    }
    environment::enter(env.raw(), LOADED.fetch_add(1, Ordering::Relaxed) + 1);
    bell::answer_with(deliver);
    // Of an environment that has ended in this thread.
    external::clear();
    identity::clear();
    atomic::clear();
    zero_copy::clear();
    slots::clear();
    // SAFETY: `end` takes no data, and the addon stays loaded until it has run.
    check(unsafe { sys::napi_add_env_cleanup_hook(env.raw(), Some(end), ptr::null_mut()) })
        .map_err(Error::throw)?;
    LIVES.set(true);
    intrinsics::keep().map_err(Error::throw)
}

/// Runs when an environment ends, on the thread of the environment, whether it ends by itself or is terminated.
unsafe extern "C" fn end(_: *mut c_void) {
    LIVES.set(false);
    bell::take_down();
    lock_async::clear();
    shared_map::abandon();
    tickets::TICKETS.abandon(number());
}

/// Answers a message of the bell.
fn deliver(env: sys::napi_env, message: Message) {
    match message {
        Message::Granted(request) => lock_async::deliver(env, request),
        Message::Stale(number) => slots::deliver(env, number),
    }
}
