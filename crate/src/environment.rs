//! The JavaScript environment of the calling thread.
//!
//! A thread runs one environment at a time, so thread-local state is the state of an environment.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::{JavaScriptClassExt, Object, This};
use napi::{Env, JsValue, sys};
use napi_derive::napi;

use crate::argument::Value;
use crate::error::{self, BindingError, Error, Result, check};
use crate::identity::{self, Handle};
use crate::{atomic, bell, lock_async, slot, zero_copy};

thread_local! {
    static CURRENT: Cell<sys::napi_env> = const { Cell::new(ptr::null_mut()) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// Whether `end` will be called.
    static LIVES: Cell<bool> = const { Cell::new(false) };
}

/// Environments that have loaded the addon, in this process.
static LOADED: AtomicU64 = AtomicU64::new(0);

/// The number of the environment of this thread: no two in a process have the same.
pub fn number() -> u64 {
    NUMBER.get()
}

/// The environment of this thread; null in a thread that never loaded the addon.
pub fn current() -> sys::napi_env {
    CURRENT.get()
}

/// Runs once for each environment that loads the addon. It cannot be loaded again, by who has emptied
/// the cache of modules: the glue knows one set of classes for each thread.
#[napi(module_exports)]
pub fn load(_exports: Object, env: Env) -> napi::Result<()> {
    if LIVES.get() {
        return Err(napi::Error::from_reason(
            "The addon of vm-memory is loaded in this thread already, and cannot be loaded twice",
        ));
    }
    CURRENT.set(env.raw());
    NUMBER.set(LOADED.fetch_add(1, Ordering::Relaxed) + 1);
    // Of an environment that has ended in this thread.
    identity::clear();
    zero_copy::clear();
    slot::clear();
    // SAFETY: `end` takes no data, and the addon stays loaded until it has run.
    check(unsafe { sys::napi_add_env_cleanup_hook(env.raw(), Some(end), ptr::null_mut()) })
        .map_err(Error::throw)?;
    LIVES.set(true);
    Ok(())
}

/// Runs when an environment ends, on its thread, whether that was asked to or not.
unsafe extern "C" fn end(_: *mut c_void) {
    LIVES.set(false);
    bell::take_down();
    lock_async::clear();
    atomic::abandon();
    atomic::TICKETS.abandon(number());
}

/// An array of objects.
pub fn array(env: sys::napi_env, objects: &[Handle]) -> Result<Value> {
    let mut array = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread, and so are the objects.
    unsafe {
        check(sys::napi_create_array_with_length(
            env,
            objects.len(),
            &raw mut array,
        ))?;
        for (index, object) in (0..).zip(objects) {
            check(sys::napi_set_element(env, array, index, object.0))?;
        }
    }
    Ok(Value::new(env, array))
}

/// `{ type, id }`, a plain object that survives structured cloning.
pub fn ticket(env: sys::napi_env, class: &CStr, id: &str) -> Result<Value> {
    let mut ticket = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_object(env, &raw mut ticket) })?;
    let listed = sys::PropertyAttributes::enumerable
        | sys::PropertyAttributes::configurable
        | sys::PropertyAttributes::writable;
    let class = error::string(env, &class.to_string_lossy())?;
    error::define(env, ticket, c"type", class, listed)?;
    error::define(env, ticket, c"id", error::string(env, id)?, listed)?;
    Ok(Value::new(env, ticket))
}

/// Lets the engine end this thread if it has been told to: an error says that it has.
pub fn check_termination() -> Result<()> {
    let env = current();
    let mut script = ptr::null_mut();
    let mut result = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread; the text is constant.
    unsafe {
        check(sys::napi_create_string_utf8(
            env,
            c"0".as_ptr(),
            1,
            &raw mut script,
        ))?;
        check(sys::napi_run_script(env, script, &raw mut result))
    }
}

/// That a constructor was called with `new`: that `this` is a new instance of its class.
pub fn check_new<T: JavaScriptClassExt>(class: &str, this: &This) -> Result<()> {
    let env = Env::from_raw(current());
    let mut wrapped = ptr::null_mut();
    // SAFETY: `this` is an object of this environment.
    let is_new = unsafe { sys::napi_unwrap(env.raw(), this.object.raw(), &raw mut wrapped) }
        != sys::Status::napi_ok;
    if is_new && T::instance_of(&env, &this.object)? {
        return Ok(());
    }
    Err(BindingError::illegal_constructor(format!(
        "Class constructor {class} cannot be invoked without 'new'"
    )))
}

/// Gives classes without a constructor one that says so.
macro_rules! no_constructor {
    ($class:ident) => {
        #[napi_derive::napi]
        impl $class {
            #[doc(hidden)]
            #[napi(constructor, skip_typescript, catch_unwind)]
            pub fn illegal_constructor() -> $crate::error::Result<Self> {
                Err($crate::error::BindingError::illegal_constructor(
                    concat!(stringify!($class), " cannot be made with 'new'").to_owned(),
                ))
            }
        }
    };
}
pub(crate) use no_constructor;
