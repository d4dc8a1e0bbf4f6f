//! The door for `lib/`: functions that no user sees. `lib/` takes the namespace off the exports.

use napi_derive::napi;

use crate::argument::{Number, Value};
use crate::atomic::GuestMemoryAtomic;
use crate::environment;
use crate::error::{BindingError, Error, Result};
use crate::lock_async;

/// An error as a value, for promises that are rejected with it.
fn error_value(error: Error) -> Result<Value> {
    let env = environment::current();
    error.into_value(env).map(|raw| Value::new(env, raw))
}

/// Checks the options of `lockAsync`: its timeout and its signal.
#[napi(namespace = "internals", skip_typescript, catch_unwind)]
pub fn lock_async_options(options: Value) -> Result<Vec<Value>> {
    let Some(options) = options.options("options")? else {
        return Ok(Vec::new());
    };
    let timeout = options.property(c"timeout")?;
    let signal = options.property(c"signal")?;
    if !timeout.is_undefined() {
        timeout.milliseconds("options.timeout")?;
    }
    Ok(vec![timeout, signal])
}

/// The error of `lockAsync` for what is no signal.
#[napi(namespace = "internals", skip_typescript, catch_unwind)]
pub fn invalid_signal(signal: Value) -> Result<Value> {
    error_value(signal.must_be("options.signal", "an AbortSignal"))
}

/// The error of `lockAsync` when its time is over.
#[napi(namespace = "internals", skip_typescript, catch_unwind)]
pub fn lock_timeout(limit: Value) -> Result<Value> {
    let limit = limit.milliseconds("limit")?.unwrap_or_default();
    error_value(BindingError::lock_timeout("lockAsync()", limit))
}

/// Joins the line of an atomic; `callback` gets the guard.
#[napi(namespace = "internals", skip_typescript, catch_unwind)]
pub fn join_line(atomic: Value, callback: Value) -> Result<Number> {
    let atomic = atomic.instance::<GuestMemoryAtomic>("atomic")?;
    lock_async::join(atomic.shared(), callback.function("callback")?).map(Number)
}

/// Leaves the line; whether the guard was still to come.
#[napi(namespace = "internals", skip_typescript, catch_unwind)]
pub fn leave_line(request: Value) -> Result<bool> {
    Ok(lock_async::leave(request.usize("request")?))
}
