//! What the fast guards of `lib/` need: a cell that tells when the map was replaced, and word of it
//! for threads that are idle.
//!
//! In each thread a *slot* keeps the current snapshot of an atomic, so that `memory()` need not
//! come here. It compares its generation with the cell of the atomic, which is memory shared with
//! Rust. A slot whose thread does not ask again is told to let go.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use napi::sys;

use crate::argument::{Number, Value};
use crate::environment;
use crate::error::{Result, check};
use crate::identity::Handle;
use crate::shared_map::Shared;
use napi::bindgen_prelude::ToNapiValue;

unsafe extern "C" fn finalize(_: sys::napi_env, _data: *mut c_void, shared: *mut c_void) {
    // SAFETY: the pointer that `cell` gave away; a finalizer runs once.
    drop(unsafe { Arc::from_raw(shared.cast::<Shared>()) });
}

/// The cell that counts replacements, as a buffer of four bytes.
pub fn cell(shared: &Arc<Shared>) -> Result<Handle> {
    let generation = shared.slots().generation.as_ptr();
    let owner = Arc::into_raw(Arc::clone(shared));
    let mut buffer = ptr::null_mut();
    // SAFETY: the cell is part of what the finalizer lets go of.
    let made = check(unsafe {
        sys::napi_create_external_arraybuffer(
            environment::current(),
            generation.cast(),
            size_of::<AtomicU32>(),
            Some(finalize),
            owner.cast_mut().cast(),
            &raw mut buffer,
        )
    });
    made.map(|()| Handle(buffer))
}

thread_local! {
    static CALLBACK: Cell<sys::napi_ref> = const { Cell::new(ptr::null_mut()) };
}

/// Sets whom to tell of stale slots in this thread: a function that takes a slot's number.
pub fn set_callback(callback: Value) -> Result<()> {
    let mut reference = ptr::null_mut();
    // SAFETY: `callback` is a function of this environment.
    check(unsafe {
        sys::napi_create_reference(callback.env(), callback.raw(), 1, &raw mut reference)
    })?;
    CALLBACK.set(reference);
    Ok(())
}

/// Forgets the callback of an environment that has ended.
pub fn clear() {
    CALLBACK.set(ptr::null_mut());
}

/// Tells `lib/` that a slot is stale.
pub fn deliver(env: sys::napi_env, slot: usize) {
    let mut callback = ptr::null_mut();
    // SAFETY: the reference is one of this environment, or null, which is refused.
    let found = unsafe { sys::napi_get_reference_value(env, CALLBACK.get(), &raw mut callback) };
    if found != sys::Status::napi_ok || callback.is_null() {
        return;
    }
    // SAFETY: `env` is the environment of this thread.
    if let Ok(slot) = unsafe { Number::to_napi_value(env, Number(slot)) } {
        drop(Value::new(env, callback).call(&[slot]));
    }
}
