//! One JavaScript object for one native object, in each thread.
//!
//! Upstream compares regions and maps by pointer; JavaScript has `===`. So what an `Arc` shares is shown by one
//! JavaScript object, for as long as that object is alive.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{ToNapiValue, TypeName};
use napi::{ValueType, sys};

use crate::node::cloning;
use crate::node::environment;
use crate::node::error::Result;
use crate::node::reference::Function;
use crate::node::value::Value;
use crate::node::weak_table::WeakTable;

/// A JavaScript object that a function returns.
#[derive(Clone, Copy)]
pub struct Handle(pub sys::napi_value);

impl TypeName for Handle {
    fn type_name() -> &'static str {
        "object"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Handle {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

thread_local! {
    /// Puts on an object what the fast paths keep with it.
    static STAMP: Function = const { Function::none() };
    static OBJECTS: RefCell<WeakTable<*const (), Weak<dyn Any + Send + Sync>>> = RefCell::default();
}

/// Returns the object that stands for `native` in this thread, if there is one.
pub fn find<T>(native: &Arc<T>) -> Option<Handle> {
    let key = Arc::as_ptr(native).cast();
    OBJECTS
        .with_borrow(|objects| objects.find(&key))
        .map(Handle)
}

/// Lets `object` stand for `native` in this thread.
pub fn register<T: Send + Sync + 'static>(native: &Arc<T>, object: sys::napi_value) -> Result<()> {
    let key = Arc::as_ptr(native).cast();
    let pin: Weak<T> = Arc::downgrade(native);
    OBJECTS.with_borrow_mut(|objects| objects.insert(key, object, pin))?;
    stamp(object);
    Ok(())
}

/// Lets `object`, which stands for `known` in this thread, stand for `native` as well.
pub fn register_again<T: Send + Sync + 'static>(
    native: &Arc<T>,
    known: &Arc<T>,
    object: sys::napi_value,
) -> Result<()> {
    let pin: Weak<T> = Arc::downgrade(native);
    let key = Arc::as_ptr(native).cast();
    let known = Arc::as_ptr(known).cast();
    if OBJECTS.with_borrow_mut(|objects| objects.share(key, &known, pin)) {
        return Ok(());
    }
    register(native, object)
}

/// Sets the function of `lib/` that every object is handed to when it begins to stand for something.
///
/// The engine compiles a look at a private field of objects for those that have it. One object without it makes that look a
/// call, for all objects and for good (1 to 4 ns for each access). So objects have theirs before anybody sees them.
pub fn stamp_by(function: Value) -> Result<()> {
    STAMP.with(|stamp| stamp.set(function))
}

/// Hands an object to `lib/`, which puts on it what the fast paths keep with it.
pub fn stamp(object: sys::napi_value) {
    if let Err(error) = STAMP.with(|stamp| stamp.call(&[object])) {
        // The object is good all the same, and a little slower. A pending exception is taken away.
        drop(error.into_value(environment::current()));
    }
}

/// Makes the object of something that users do not construct, and keeps it from being cloned.
pub fn object_of<O: ToNapiValue>(native: O) -> Result<Handle> {
    // SAFETY: it is the environment of this thread.
    let object = unsafe { O::to_napi_value(environment::current(), native)? };
    cloning::refuse(object);
    Ok(Handle(object))
}

/// Returns the object that stands for `native` in this thread. Makes it if there is none.
pub fn intern<T, O>(native: &Arc<T>, make: impl FnOnce(Arc<T>) -> O) -> Result<Handle>
where
    T: Send + Sync + 'static,
    O: ToNapiValue,
{
    if let Some(object) = find(native) {
        return Ok(object);
    }
    let object = object_of(make(Arc::clone(native)))?;
    register(native, object.0)?;
    Ok(object)
}

/// Forgets the objects of an environment that has ended.
pub fn clear() {
    OBJECTS.with_borrow_mut(WeakTable::clear);
    STAMP.with(Function::clear);
}
