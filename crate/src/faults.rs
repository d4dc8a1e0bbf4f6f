//! Pages that the host has lost, as JavaScript sees them. Not upstream.

use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;
use operations::napi;
use vm_memory::bitmap::Bitmap;

use crate::memory::faults::heal::Lost;
use crate::memory::faults::watch::name_of;
use crate::memory::faults::{Recovery, alarm};
use crate::memory::mapping::Owner;
use crate::node::error::{Error, Fault, Result, check};
use crate::node::identity::Handle;
use crate::node::object::{array, define, string};
use crate::node::throw::add_cause;
use crate::node::value::{Number, Value};

const LISTED: sys::napi_property_attributes = sys::PropertyAttributes::writable
    | sys::PropertyAttributes::enumerable
    | sys::PropertyAttributes::configurable;

/// Makes a `MemoryFault`.
pub fn fault(env: sys::napi_env, lost: Lost) -> Result<Handle> {
    let mut object = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_object(env, &raw mut object) })?;
    // SAFETY: as above.
    let number = |number| unsafe { Number::to_napi_value(env, Number(number)) };
    define(env, object, "offset", number(lost.offset)?, LISTED)?;
    define(env, object, "count", number(lost.count)?, LISTED)?;
    define(
        env,
        object,
        "reason",
        string(env, name_of(lost.reason))?,
        LISTED,
    )?;
    Ok(Handle(object))
}

/// Lists what a mapping has lost.
pub fn list(env: sys::napi_env, owner: &Owner) -> Result<Value> {
    let lost = owner.with(|mapping| mapping.bitmap().recovery().map(Recovery::lost))?;
    let faults = lost
        .unwrap_or_default()
        .into_iter()
        .map(|lost| fault(env, lost))
        .collect::<Result<Vec<_>>>()?;
    array(env, &faults)
}

/// Maps a file again where pages of the mapping were lost, which is a write to them.
pub fn heal(owner: &Owner) -> Result<()> {
    owner.with(|mapping| {
        let tracking = mapping.bitmap();
        tracking.lease().check()?;
        if let Some(recovery) = tracking.recovery() {
            for lost in recovery.heal()? {
                tracking.mark_dirty(lost.offset, lost.count);
            }
        }
        Ok(())
    })?
}

/// Runs `fn`, and throws if the process has lost a page of any mapping meanwhile: for code that uses views and buffers, which
/// cannot throw. Not upstream.
///
/// @returns what `fn` returns
/// @throws `ERR_MEMORY_FAULT`, whose `cause` is what `fn` has returned or thrown; else what `fn` throws
#[napi(
    catch_unwind,
    ts_generic_types = "R",
    ts_args_type = "fn: () => R",
    ts_return_type = "R"
)]
pub fn check_faults(function: Value) -> Result<Value> {
    let function = function.function("fn")?;
    let env = function.env();
    let before = alarm::count();
    let result = function.call(&[]);
    if alarm::count() == before {
        return result;
    }
    let cause = match result {
        Ok(result) => result.raw(),
        Err(error) => error.into_value(env)?,
    };
    let (offset, reason) = alarm::last();
    let fault = Fault {
        offset,
        reason: name_of(reason),
        addr: None,
    };
    let error = Error::Fault(fault).into_value(env)?;
    add_cause(env, error, cause)?;
    // SAFETY: `env` is the environment that called, and the error one of it.
    check(unsafe { sys::napi_throw(env, error) })?;
    Err(Error::Node(sys::Status::napi_pending_exception))
}
