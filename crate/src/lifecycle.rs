//! What begins and ends with an environment: the root, which knows everyone that keeps something for a thread.
//!
//! An environment may load the addon more than once: its cache of modules was emptied, or two installations share one file.
//! The glue knows one set of classes for each thread, and so do the identities of objects, the slots and the line of the lock. So
//! every load but the first gets the exports of the first. The glue would make new classes all the same, and return instances
//! of those from then on; but it makes none where an exception is pending, and that is how a second load is answered:
//!
//! ```text
//!   napi_register_module_v1          first load             second load
//!     functions of the door, among them
//!     `version`                      a string               throws an error with the exports in it
//!     classes                        made                   left alone
//!     `load`                         keeps the exports      not called
//!   lib/load.ts                      has the exports        takes them out of the error
//! ```

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::{Object, ToNapiValue, register_module_export};
use napi::{Env, JsValue, Status, sys};
use napi_derive::{module_init, napi};

use crate::door::{ends, faults, grace, letter, lock_async, slots};
use crate::memory::{changes, sections, shared_map, writes, zero_copy};
use crate::node::bell::{self, Message};
use crate::node::environment::{self, number};
use crate::node::error::{Error, Result, check};
use crate::node::{cloning, external, half, identity, intrinsics, job};
use crate::tickets;

thread_local! {
    /// The exports of the first load, from then until `end`; null otherwise.
    static EXPORTS: Cell<sys::napi_ref> = const { Cell::new(ptr::null_mut()) };
}

/// The number of environments of this process that have loaded the addon.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// Puts `version` among the functions of the door, which are made before the classes.
#[module_init]
fn register_version() {
    register_module_export(Some("door\0"), "version\0", version);
}

/// Returns the version of this build with a salt of what it was built of: see `build.rs`. Throws in an environment that has
/// loaded the addon already.
unsafe fn version(env: sys::napi_env) -> napi::Result<sys::napi_value> {
    let exports = EXPORTS.get();
    if exports.is_null() {
        // SAFETY: `env` is the environment that loads the addon.
        return unsafe { ToNapiValue::to_napi_value(env, env!("CARGO_PKG_VERSION")) };
    }
    // SAFETY: `env` is the environment of this thread, once more, and the reference is one of it.
    Err(match unsafe { throw_loaded(env, exports) } {
        Ok(()) => napi::Error::from_status(Status::PendingException),
        Err(error) => error.throw(),
    })
}

/// Throws that the addon is loaded already, with the exports of the first load.
unsafe fn throw_loaded(env: sys::napi_env, exports: sys::napi_ref) -> Result<()> {
    const MESSAGE: &str =
        "The addon of vm-memory is loaded in this thread already: its exports come with this error";
    let length = MESSAGE.len().cast_signed();
    let mut message = ptr::null_mut();
    let mut error = ptr::null_mut();
    let mut value = ptr::null_mut();
    // SAFETY: the caller's promise; the texts live until they were copied.
    unsafe {
        check(sys::napi_create_string_utf8(
            env,
            MESSAGE.as_ptr().cast(),
            length,
            &raw mut message,
        ))?;
        check(sys::napi_create_error(
            env,
            ptr::null_mut(),
            message,
            &raw mut error,
        ))?;
        check(sys::napi_get_reference_value(env, exports, &raw mut value))?;
        check(sys::napi_set_named_property(
            env,
            error,
            c"exports".as_ptr(),
            value,
        ))?;
        check(sys::napi_throw(env, error))
    }
}

/// Runs at the first load in an environment, when everything is exported.
#[napi(module_exports)]
pub fn load(exports: Object, env: Env) -> napi::Result<()> {
    environment::enter(env.raw(), LOADED.fetch_add(1, Ordering::Relaxed) + 1);
    bell::answer_with(deliver);
    // Of an environment that has ended in this thread.
    external::clear();
    identity::clear();
    cloning::clear();
    half::clear();
    zero_copy::clear();
    slots::clear();
    changes::clear();
    grace::clear();
    faults::clear();
    ends::clear();
    sections::begin();
    letter::clear();
    job::clear();
    // SAFETY: `end` takes no data, and the addon stays loaded until it has run.
    check(unsafe { sys::napi_add_env_cleanup_hook(env.raw(), Some(end), ptr::null_mut()) })
        .map_err(Error::throw)?;
    let mut reference = ptr::null_mut();
    // SAFETY: `exports` is an object of this environment. The reference goes with the environment.
    check(unsafe { sys::napi_create_reference(env.raw(), exports.raw(), 1, &raw mut reference) })
        .map_err(Error::throw)?;
    EXPORTS.set(reference);
    external::know_runtime().map_err(Error::throw)?;
    intrinsics::keep().map_err(Error::throw)
}

/// Runs when an environment ends, on the thread of the environment, whether it ends by itself or is terminated.
unsafe extern "C" fn end(_: *mut c_void) {
    EXPORTS.set(ptr::null_mut());
    bell::take_down();
    job::end();
    lock_async::clear();
    grace::end();
    changes::clear();
    faults::abandon();
    sections::end();
    shared_map::abandon();
    writes::end();
    tickets::TICKETS.abandon(number());
}

/// Answers a message of the bell.
fn deliver(env: sys::napi_env, message: Message) {
    match message {
        Message::Granted(request) => lock_async::deliver(env, request),
        Message::Stale(number) => slots::deliver(env, number),
        Message::Changed(atomic) => changes::deliver(env, atomic),
        Message::Over(number) => grace::deliver(env, number),
        Message::Done(number) => job::deliver_end(env, number),
        Message::Progress(number) => job::deliver_progress(env, number),
        Message::Lost => faults::deliver(env),
        Message::Ended => ends::deliver(),
    }
}
