//! Makes objects of JavaScript, and checks calls of constructors.

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{JavaScriptClassExt, This, ToNapiValue, TypeTag};
use napi::{Env, JsValue, sys};

use crate::node::cloning;
use crate::node::environment::current;
use crate::node::error::{BindingError, Error, Result, check};
use crate::node::identity::Handle;
use crate::node::scope::Scope;
use crate::node::value::Value;

/// Makes a JavaScript string.
pub fn string(env: sys::napi_env, text: &str) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the text is valid for its length and copied by the call.
    check(unsafe {
        sys::napi_create_string_utf8(
            env,
            text.as_ptr().cast(),
            text.len().cast_signed(),
            &raw mut value,
        )
    })?;
    Ok(value)
}

/// Makes a JavaScript string of UTF-16, which may be no Unicode.
pub fn string_utf16(env: sys::napi_env, units: &[u16]) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the units are valid for their length and copied by the call.
    check(unsafe {
        sys::napi_create_string_utf16(
            env,
            units.as_ptr(),
            units.len().cast_signed(),
            &raw mut value,
        )
    })?;
    Ok(value)
}

/// Makes a number of a size.
pub fn number(env: sys::napi_env, size: usize) -> Result<sys::napi_value> {
    #[expect(clippy::cast_precision_loss, reason = "sizes are safe integers")]
    let double = size as f64;
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_double(env, double, &raw mut value) })?;
    Ok(value)
}

/// Returns `undefined`.
pub fn undefined(env: sys::napi_env) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_get_undefined(env, &raw mut value) })?;
    Ok(value)
}

/// Makes an object of no class.
pub fn plain(env: sys::napi_env) -> Result<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_object(env, &raw mut object) })?;
    Ok(object)
}

/// Keeps an object as it is.
pub fn freeze(env: sys::napi_env, object: sys::napi_value) -> Result<sys::napi_value> {
    // SAFETY: the object is of this environment.
    check(unsafe { sys::napi_object_freeze(env, object) })?;
    Ok(object)
}

/// Lets an object wrap `native`, which lives as long as the object. [`Value::wrapped`] finds it.
pub fn wrap<T: TypeTag + 'static>(
    env: sys::napi_env,
    object: sys::napi_value,
    native: T,
) -> Result<()> {
    unsafe extern "C" fn finalize<T>(_: sys::napi_env, native: *mut c_void, _: *mut c_void) {
        // SAFETY: it is the box that was wrapped, and a finalizer runs once.
        drop(unsafe { Box::from_raw(native.cast::<T>()) });
    }
    let native: *mut T = Box::into_raw(Box::new(native));
    // SAFETY: the object is of this environment; the finalizer gets the pointer that is wrapped.
    let status = unsafe {
        sys::napi_wrap(
            env,
            object,
            native.cast(),
            Some(finalize::<T>),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: nobody else has the pointer.
        drop(unsafe { Box::from_raw(native) });
    }
    check(status)?;
    // SAFETY: the object is of this environment.
    check(unsafe { sys::napi_type_tag_object(env, object, &T::type_tag()) })
}

/// The attributes of a property that was assigned.
pub const ORDINARY: sys::napi_property_attributes = sys::PropertyAttributes::writable
    | sys::PropertyAttributes::enumerable
    | sys::PropertyAttributes::configurable;
/// The attributes of a property that nobody changes.
pub const CONSTANT: sys::napi_property_attributes = sys::PropertyAttributes::enumerable;

/// Defines a property. (Setting it could call a setter of `Object.prototype`.)
pub fn define(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &str,
    value: sys::napi_value,
    attributes: sys::napi_property_attributes,
) -> Result<()> {
    define_key(env, object, string(env, name)?, value, attributes)
}

/// Defines a property whose name is a value of JavaScript.
pub fn define_key(
    env: sys::napi_env,
    object: sys::napi_value,
    name: sys::napi_value,
    value: sys::napi_value,
    attributes: sys::napi_property_attributes,
) -> Result<()> {
    let property = sys::napi_property_descriptor {
        utf8name: ptr::null(),
        name,
        method: None,
        getter: None,
        setter: None,
        value,
        attributes,
        data: ptr::null_mut(),
    };
    // SAFETY: one descriptor, which outlives the call, of values of this environment.
    check(unsafe { sys::napi_define_properties(env, object, 1, &raw const property) })
}

/// Makes an object with these properties, as a literal does.
pub fn record(env: sys::napi_env, properties: &[(&str, Value)]) -> Result<Value> {
    const ORDINARY: sys::napi_property_attributes = sys::PropertyAttributes::writable
        | sys::PropertyAttributes::enumerable
        | sys::PropertyAttributes::configurable;
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_object(env, &raw mut object) })?;
    for (name, value) in properties {
        define(env, object, name, value.raw(), ORDINARY)?;
    }
    Ok(Value::new(env, object))
}

/// Makes an array of objects.
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

/// Makes an array of pairs.
pub fn pairs<A: ToNapiValue, B: ToNapiValue>(
    env: sys::napi_env,
    pairs: impl IntoIterator<Item = (A, B)>,
) -> Result<Value> {
    let mut array = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_array(env, &raw mut array) })?;
    for (index, (first, second)) in (0..).zip(pairs) {
        let _scope = Scope::open(env)?;
        let mut pair = ptr::null_mut();
        // SAFETY: `env` is the environment of this thread, and so are the values, which live until the scope ends.
        unsafe {
            let first = A::to_napi_value(env, first)?;
            let second = B::to_napi_value(env, second)?;
            check(sys::napi_create_array_with_length(env, 2, &raw mut pair))?;
            check(sys::napi_set_element(env, pair, 0, first))?;
            check(sys::napi_set_element(env, pair, 1, second))?;
            check(sys::napi_set_element(env, array, index, pair))?;
        }
    }
    Ok(Value::new(env, array))
}

/// Checks that a constructor was called with `new`, so that `this` is a new instance of its class.
pub fn check_new<T: JavaScriptClassExt>(class: &str, this: &This) -> Result<()> {
    let env = Env::from_raw(current());
    let mut wrapped = ptr::null_mut();
    // SAFETY: `this` is an object of this environment.
    let is_new = unsafe { sys::napi_unwrap(env.raw(), this.object.raw(), &raw mut wrapped) }
        != sys::Status::napi_ok;
    if is_new && T::instance_of(&env, &this.object)? {
        cloning::refuse(this.object.raw());
        return Ok(());
    }
    Err(no_new(class))
}

/// Checks that `this` of a constructor is no object that `lib/` has made a native half for, or would.
pub fn check_plain(class: &str, this: &This) -> Result<()> {
    if Value::new(current(), this.object.raw()).has_half() {
        return Err(no_new(class));
    }
    Ok(())
}

fn no_new(class: &str) -> Error {
    BindingError::illegal_constructor(format!(
        "Class constructor {class} cannot be invoked without 'new'"
    ))
}

/// Gives a class that users cannot construct a constructor that throws and says so.
macro_rules! no_constructor {
    ($class:ident) => {
        #[operations::napi]
        impl $class {
            #[doc(hidden)]
            #[napi(constructor, skip_typescript, catch_unwind)]
            pub fn illegal_constructor() -> Result<Self> {
                Err($crate::node::error::BindingError::illegal_constructor(
                    concat!(stringify!($class), " cannot be made with 'new'").to_owned(),
                ))
            }
        }
    };
}
pub(crate) use no_constructor;

/// Lets the engine end this thread if the thread has been told to end. Returns an error then.
pub fn check_termination() -> Result<()> {
    let env = current();
    let _scope = Scope::open(env)?;
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
