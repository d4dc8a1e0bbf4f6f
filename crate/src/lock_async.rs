//! The update lock without blocking: what `lockAsync` is made of.
//!
//! The gate may open for a request while another thread runs. That thread rings the bell of the
//! one that asked, whose event loop then delivers the guard.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;

use crate::argument::Value;
use crate::atomic::GuestMemoryExclusiveGuard;
use crate::bell::{Bell, Message};
use crate::environment;
use crate::error::{Result, check};
use crate::shared_map::{Holder, Shared};

/// A place in line, and whom to give the guard.
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

/// Joins the line of an atomic. `callback` is called with the guard when it is this request's
/// turn. Returns the number of the request.
pub fn join(shared: &Arc<Shared>, callback: Value) -> Result<usize> {
    let bell = Bell::of_thread()?;
    let mut reference = ptr::null_mut();
    // SAFETY: `callback` is a function of this environment.
    check(unsafe {
        sys::napi_create_reference(callback.env(), callback.raw(), 1, &raw mut reference)
    })?;
    // A request keeps the event loop alive.
    bell.keep_alive(true);
    REQUESTS.with(|requests| {
        let number = requests.made.get() + 1;
        requests.made.set(number);
        let notify = move || bell.ring(Message::Granted(number));
        let request = Request {
            holder: Holder::join(shared, Box::new(notify)),
            callback: reference,
        };
        requests.pending.borrow_mut().insert(number, request);
        Ok(number)
    })
}

fn take(number: usize) -> Option<Request> {
    REQUESTS.with(|requests| {
        let request = requests.pending.borrow_mut().remove(&number);
        if requests.pending.borrow().is_empty()
            && let Ok(bell) = Bell::of_thread()
        {
            bell.keep_alive(false);
        }
        request
    })
}

/// Gives a request up, unless the guard was delivered; whether it was still to be.
pub fn leave(number: usize) -> bool {
    let Some(request) = take(number) else {
        return false;
    };
    // SAFETY: the reference was made by `join` and belongs to the request.
    unsafe { sys::napi_delete_reference(environment::current(), request.callback) };
    true
}

/// Leaves every line, when the environment ends.
pub fn clear() {
    let pending = REQUESTS.with(|requests| requests.pending.take());
    drop(pending);
}

/// The gate has opened for a request of this thread, which may have left the line meanwhile.
pub fn deliver(env: sys::napi_env, number: usize) {
    if let Some(request) = take(number) {
        drop(call_back(env, request));
    }
}

fn call_back(env: sys::napi_env, request: Request) -> Result<()> {
    let mut callback = ptr::null_mut();
    // SAFETY: the reference was made by `join` and belongs to the request.
    let found =
        check(unsafe { sys::napi_get_reference_value(env, request.callback, &raw mut callback) });
    // SAFETY: as above.
    unsafe { sys::napi_delete_reference(env, request.callback) };
    found?;
    // SAFETY: `env` is the environment of this thread.
    let guard = unsafe {
        GuestMemoryExclusiveGuard::to_napi_value(env, GuestMemoryExclusiveGuard::of(request.holder))
    }?;
    Value::new(env, callback).call(&[guard]).map(|_| ())
}
