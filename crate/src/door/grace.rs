//! Grace periods, for `synchronize` of `lib/`.
//!
//! The last guard on an old map may go in any thread. That thread rings the bell of those that wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;
use napi_derive::napi;

use crate::atomic::GuestMemoryAtomic;
use crate::memory::shared_map::SharedMap;
use crate::node::bell::{Bell, Message};
use crate::node::error::{BindingError, Result};
use crate::node::reference::Function;
use crate::node::value::{Number, Value};

thread_local! {
    /// The waits of this thread, by their number.
    static WAITS: RefCell<HashMap<usize, Arc<SharedMap>>> = RefCell::default();
    static MADE: Cell<usize> = const { Cell::new(0) };
    /// The function that is told the number of a wait that is over.
    static OVER: Function = const { Function::none() };
}

/// Sets the function of this thread that is told the number of a wait that is over.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn answer_grace(over: Value) -> Result<()> {
    let over = over.function("over")?;
    OVER.with(|function| function.set(over))
}

/// Tells whether there are guards on maps of an atomic that were replaced.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn has_old_guards(atomic: Value) -> Result<bool> {
    let shared = atomic.instance::<GuestMemoryAtomic>("atomic")?.shared();
    Ok(shared.has_old_guards())
}

/// Waits until all guards on maps of an atomic that were replaced are gone. Returns the number of the wait.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn join_grace(atomic: Value) -> Result<Number> {
    let shared = atomic.instance::<GuestMemoryAtomic>("atomic")?.shared();
    let bell = Bell::of_thread().map_err(|error| error.of("synchronize"))?;
    let number = MADE.get() + 1;
    MADE.set(number);
    let notify = {
        let bell = Arc::clone(&bell);
        move || bell.ring(Message::Over(number))
    };
    WAITS.with_borrow_mut(|waits| waits.insert(number, Arc::clone(shared)));
    // A wait keeps the event loop alive.
    bell.keep_alive();
    shared.wait_for_guards(number, Box::new(notify));
    Ok(Number(number))
}

/// Gives a wait up, unless it is over. Returns whether it was still open.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn leave_grace(wait: Value) -> Result<bool> {
    let number = wait.usize("wait")?;
    Ok(take(number).is_some_and(|shared| {
        shared.leave_guards(number);
        true
    }))
}

/// Makes the error of `synchronize` for a time that is over.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn grace_timeout(limit: Value) -> Result<Value> {
    let limit = limit.milliseconds("limit")?.unwrap_or_default();
    Value::of_error(BindingError::grace_timeout(limit))
}

fn take(number: usize) -> Option<Arc<SharedMap>> {
    let shared = WAITS.with_borrow_mut(|waits| waits.remove(&number))?;
    if let Ok(bell) = Bell::of_thread() {
        bell.let_go();
    }
    Some(shared)
}

/// Tells `lib/` that a wait is over. It may have been given up meanwhile.
pub fn deliver(env: sys::napi_env, number: usize) {
    if take(number).is_none() {
        return;
    }
    // SAFETY: `env` is the environment of this thread.
    if let Ok(number) = unsafe { Number::to_napi_value(env, Number(number)) } {
        drop(OVER.with(|over| over.call(&[number])));
    }
}

/// Gives up all waits of an environment that ends.
pub fn end() {
    for (number, shared) in WAITS.take() {
        shared.leave_guards(number);
    }
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    OVER.with(Function::clear);
}
