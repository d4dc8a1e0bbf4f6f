//! The update lock without blocking: what `lockAsync` is made of.
//!
//! The gate may open for a request while another thread runs. That thread rings the bell of the
//! one that asked, whose event loop then delivers the guard. A bell is taken down before its
//! environment ends, since ringing it afterwards would end the process.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;

use crate::argument::Value;
use crate::atomic::{GuestMemoryExclusiveGuard, Holder, Shared};
use crate::environment;
use crate::error::{Result, check, string};

/// What other threads have of the event loop of this one: a thread-safe function, while there is.
struct Bell(Mutex<Option<sys::napi_threadsafe_function>>);

// SAFETY: the function may be called by any thread; that it exists is seen to by the lock.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

impl Bell {
    /// Tells the event loop that the gate has opened for a request.
    fn ring(&self, request: usize) {
        let function = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = *function {
            // SAFETY: the function exists while the lock is held. Its queue has no limit.
            unsafe {
                sys::napi_call_threadsafe_function(
                    function,
                    ptr::without_provenance_mut(request),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                )
            };
        }
    }

    fn take_down(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A place in line, and whom to give the guard.
struct Request {
    holder: Holder,
    callback: sys::napi_ref,
}

#[derive(Default)]
struct Requests {
    bell: RefCell<Option<Arc<Bell>>>,
    pending: RefCell<HashMap<usize, Request>>,
    made: Cell<usize>,
}

thread_local! {
    static REQUESTS: Requests = Requests::default();
}

/// Joins the line of an atomic. `callback` is called with the guard when it is this request's
/// turn. Returns the number of the request.
pub fn join(shared: &Arc<Shared>, callback: Value) -> Result<usize> {
    let bell = bell()?;
    let mut reference = ptr::null_mut();
    // SAFETY: `callback` is a function of this environment.
    check(unsafe {
        sys::napi_create_reference(callback.env(), callback.raw(), 1, &raw mut reference)
    })?;
    REQUESTS.with(|requests| {
        let number = requests.made.get() + 1;
        requests.made.set(number);
        let holder = Holder::join(shared, Box::new(move || bell.ring(number)));
        requests.pending.borrow_mut().insert(
            number,
            Request {
                holder,
                callback: reference,
            },
        );
        Ok(number)
    })
}

/// Gives a request up, unless the guard was delivered; whether it was still to be.
pub fn leave(number: usize) -> bool {
    let request = REQUESTS.with(|requests| requests.pending.borrow_mut().remove(&number));
    let Some(request) = request else {
        return false;
    };
    // SAFETY: the reference was made by `join` and belongs to the request.
    unsafe { sys::napi_delete_reference(environment::current(), request.callback) };
    rest_if_idle();
    true
}

/// Forgets everything, when the environment ends: requests leave the line.
pub fn clear() {
    REQUESTS.with(|requests| {
        if let Some(bell) = requests.bell.take() {
            bell.take_down();
        }
        let pending = requests.pending.take();
        drop(pending);
    });
}

/// The bell of this thread, which keeps the event loop alive as long as requests are pending.
fn bell() -> Result<Arc<Bell>> {
    let env = environment::current();
    REQUESTS.with(|requests| {
        let mut bell = requests.bell.borrow_mut();
        if bell.is_none() {
            *bell = Some(Arc::new(Bell(Mutex::new(Some(make_function(env)?)))));
        }
        let bell = bell
            .clone()
            .unwrap_or_else(|| Arc::new(Bell(Mutex::new(None))));
        if let Some(function) = *bell.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: the function exists.
            check(unsafe { sys::napi_ref_threadsafe_function(env, function) })?;
        }
        Ok(bell)
    })
}

/// Lets the event loop end when nothing is pending.
fn rest_if_idle() {
    REQUESTS.with(|requests| {
        if !requests.pending.borrow().is_empty() {
            return;
        }
        if let Some(bell) = &*requests.bell.borrow()
            && let Some(function) = *bell.0.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // SAFETY: the function exists.
            unsafe { sys::napi_unref_threadsafe_function(environment::current(), function) };
        }
    });
}

fn make_function(env: sys::napi_env) -> Result<sys::napi_threadsafe_function> {
    let name = string(env, "vm-memory lock")?;
    let mut function = ptr::null_mut();
    // SAFETY: there is no JavaScript function, no finalizer and no data; `deliver` handles calls.
    check(unsafe {
        sys::napi_create_threadsafe_function(
            env,
            ptr::null_mut(),
            ptr::null_mut(),
            name,
            0,
            1,
            ptr::null_mut(),
            None,
            ptr::null_mut(),
            Some(deliver),
            &raw mut function,
        )
    })?;
    Ok(function)
}

/// On the thread that asked: the gate has opened for a request.
unsafe extern "C" fn deliver(
    env: sys::napi_env,
    _function: sys::napi_value,
    _context: *mut c_void,
    request: *mut c_void,
) {
    // The environment is ending: `clear` gives everything back.
    if env.is_null() {
        return;
    }
    // Requests that were given up meanwhile have left the line.
    let request = REQUESTS.with(|requests| requests.pending.borrow_mut().remove(&request.addr()));
    if let Some(request) = request {
        drop(call_back(env, request));
    }
    rest_if_idle();
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
