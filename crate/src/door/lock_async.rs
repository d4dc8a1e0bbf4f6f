//! The update lock without blocking, for `lockAsync` of `lib/`.
//!
//! The gate may open for a request while another thread runs. That thread rings the bell of the thread that asked,
//! whose event loop then delivers the guard.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;

use napi::sys;
use napi_derive::napi;

use crate::atomic::{GuestMemoryAtomic, GuestMemoryExclusiveGuard};
use crate::memory::shared_map::Holder;
use crate::node::bell::{Bell, Message};
use crate::node::environment;
use crate::node::error::{BindingError, Result, check};
use crate::node::value::{Number, Value};

/// A place in line, and the function that gets the guard.
struct Request {
    holder: Holder,
    callback: sys::napi_ref,
}

#[derive(Default)]
struct Requests {
    pending: RefCell<HashMap<usize, Request>>,
    made: Cell<usize>,
}

thread_local! {
    static REQUESTS: Requests = Requests::default();
}

/// Checks the object that `lockAsync` is called on, and its options: its timeout and its signal.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn lock_async_options(atomic: Value, options: Value) -> Result<Vec<Value>> {
    atomic.instance::<GuestMemoryAtomic>("atomic")?;
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

/// Makes the error of `lockAsync` for a value that is no signal.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn invalid_signal(signal: Value) -> Result<Value> {
    Value::of_error(signal.must_be("options.signal", "an AbortSignal"))
}

/// Makes the error of `lockAsync` for a time that is over.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn lock_timeout(limit: Value) -> Result<Value> {
    let limit = limit.milliseconds("limit")?.unwrap_or_default();
    Value::of_error(BindingError::lock_timeout("lockAsync()", limit))
}

/// Joins the line of an atomic. `callback` is called with the guard when the gate opens for this request. Returns the
/// number of the request.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn join_line(atomic: Value, callback: Value) -> Result<Number> {
    let shared = atomic.instance::<GuestMemoryAtomic>("atomic")?.shared();
    let callback = callback.function("callback")?;
    let bell = Bell::of_thread().map_err(|error| error.of("lockAsync"))?;
    let mut reference = ptr::null_mut();
    // SAFETY: `callback` is a function of this environment.
    check(unsafe {
        sys::napi_create_reference(callback.env(), callback.raw(), 1, &raw mut reference)
    })?;
    // A request keeps the event loop alive.
    bell.keep_alive();
    REQUESTS.with(|requests| {
        let number = requests.made.get() + 1;
        requests.made.set(number);
        let notify = move || bell.ring(Message::Granted(number));
        let request = Request {
            holder: Holder::join(shared, Box::new(notify)),
            callback: reference,
        };
        requests.pending.borrow_mut().insert(number, request);
        Ok(Number(number))
    })
}

fn take(number: usize) -> Option<Request> {
    let request = REQUESTS.with(|requests| requests.pending.borrow_mut().remove(&number))?;
    // Nothing is borrowed here: the engine may run user code while it makes a bell.
    if let Ok(bell) = Bell::of_thread() {
        bell.let_go();
    }
    Some(request)
}

/// Gives a request up, unless its guard was delivered. Returns whether the request was still open.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn leave_line(request: Value) -> Result<bool> {
    let Some(request) = take(request.usize("request")?) else {
        return Ok(false);
    };
    // SAFETY: the reference was made by `join_line` and belongs to the request.
    unsafe { sys::napi_delete_reference(environment::current(), request.callback) };
    Ok(true)
}

/// Leaves every line, when the environment ends.
pub fn clear() {
    let pending = REQUESTS.with(|requests| requests.pending.take());
    drop(pending);
}

/// Delivers the guard when the gate has opened for a request of this thread. The request may have left the line
/// meanwhile.
pub fn deliver(env: sys::napi_env, number: usize) {
    if let Some(request) = take(number) {
        drop(call_back(env, request));
    }
}

fn call_back(env: sys::napi_env, request: Request) -> Result<()> {
    let mut callback = ptr::null_mut();
    // SAFETY: the reference was made by `join_line` and belongs to the request.
    let found =
        check(unsafe { sys::napi_get_reference_value(env, request.callback, &raw mut callback) });
    // SAFETY: as above.
    unsafe { sys::napi_delete_reference(env, request.callback) };
    found?;
    let guard = GuestMemoryExclusiveGuard::make(request.holder)?;
    Value::new(env, callback).call(&[guard.0]).map(|_| ())
}
