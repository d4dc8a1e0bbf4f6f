//! What this crate uses of the language, as it was when the addon was loaded: somebody may replace
//! it afterwards, for a moment or for good.

use std::ptr;

use napi::sys::{self, TypedarrayType as Kind};

use crate::node::environment::current;
use crate::node::error::Result;
use crate::node::identity::Handle;
use crate::node::reference::Function;
use crate::node::value::Value;

/// The typed arrays that are made here.
const ARRAYS: [(sys::napi_typedarray_type, &std::ffi::CStr); 9] = [
    (Kind::int8_array, c"Int8Array"),
    (Kind::uint8_array, c"Uint8Array"),
    (Kind::int16_array, c"Int16Array"),
    (Kind::uint16_array, c"Uint16Array"),
    (Kind::int32_array, c"Int32Array"),
    (Kind::uint32_array, c"Uint32Array"),
    (Kind::bigint64_array, c"BigInt64Array"),
    (Kind::biguint64_array, c"BigUint64Array"),
    (Kind::float64_array, c"Float64Array"),
];

thread_local! {
    static CONSTRUCTORS: [Function; ARRAYS.len()] = const { [const { Function::none() }; ARRAYS.len()] };
    static ARRAY_VALUES: Function = const { Function::none() };
    static PROMISE: Function = const { Function::none() };
    static PROMISE_RESOLVE: Function = const { Function::none() };
    static PROMISE_THEN: Function = const { Function::none() };
}

/// Keeps what there is now, when an environment loads the addon.
pub fn keep() -> Result<()> {
    let global = Value::global()?;
    CONSTRUCTORS.with(|constructors| {
        for (constructor, (_, name)) in constructors.iter().zip(ARRAYS) {
            constructor.set(global.property(name)?.function("constructor")?)?;
        }
        Ok::<_, crate::node::error::Error>(())
    })?;
    let prototype = global.property(c"Array")?.property(c"prototype")?;
    let values = prototype.property(c"values")?.function("values")?;
    ARRAY_VALUES.with(|function| function.set(values))?;
    let promise = global.property(c"Promise")?.function("Promise")?;
    let resolve = promise.property(c"resolve")?.function("resolve")?;
    let then = promise.property(c"prototype")?.property(c"then")?;
    PROMISE.with(|function| function.set(promise))?;
    PROMISE_RESOLVE.with(|function| function.set(resolve))?;
    PROMISE_THEN.with(|function| function.set(then.function("then")?))
}

/// Makes a typed array of a kind with `new`; None where that has no constructor here.
pub fn construct(
    kind: sys::napi_typedarray_type,
    arguments: &[sys::napi_value],
) -> Result<Option<Value>> {
    CONSTRUCTORS.with(|constructors| {
        let known = constructors.iter().zip(ARRAYS);
        match known.into_iter().find(|(_, (of, _))| *of == kind) {
            Some((constructor, _)) => constructor.construct(arguments),
            None => Ok(None),
        }
    })
}

/// Makes an iterator over the elements of an array.
pub fn array_values(array: Value) -> Result<Value> {
    let values = ARRAY_VALUES.with(|function| function.call_on(array, &[]))?;
    Ok(values.unwrap_or_else(|| Value::new(current(), ptr::null_mut())))
}

/// Makes a promise that settles as `promise` does: a promise, or any object with a method `then`. It is handed to one of two
/// functions before.
pub fn then(promise: Value, fulfilled: Handle, rejected: Handle) -> Result<Value> {
    let none = || Value::new(current(), ptr::null_mut());
    let promise = if promise.is_promise() {
        promise
    } else {
        let constructor = PROMISE.with(Function::get)?.unwrap_or_else(none);
        PROMISE_RESOLVE
            .with(|resolve| resolve.call_on(constructor, &[promise.raw()]))?
            .unwrap_or_else(none)
    };
    let then = PROMISE_THEN.with(|then| then.call_on(promise, &[fulfilled.0, rejected.0]))?;
    Ok(then.unwrap_or_else(none))
}
