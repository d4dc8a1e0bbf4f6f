//! Jobs for `lib/`, which makes promises of them: see [`crate::node::job`].

use napi::bindgen_prelude::ToNapiValue;
use napi_derive::napi;

use crate::atomic::memory_argument;
use crate::host_pages;
use crate::mmap_unix::owner_of;
use crate::node::error::Result;
use crate::node::job;
use crate::node::value::{Number, Value};
use crate::snapshot;

/// A job that is prepared: its number, and what aborts it.
type Prepared = Vec<Value>;

/// Takes what aborts a job, and prepares it. Errors tell `operation`, as those of the job do.
fn prepared(
    operation: &'static str,
    object: Value,
    options: Option<Value>,
    prepare: impl FnOnce() -> Result<usize>,
) -> Result<Prepared> {
    let env = object.env();
    let signal = options.map(|options| options.property(c"signal"));
    let signal = signal.transpose()?;
    let number = prepare().map_err(|error| error.of(operation))?;
    // SAFETY: `env` is the environment that called.
    let number = unsafe { Number::to_napi_value(env, Number(number)) }?;
    Ok([Value::new(env, number)]
        .into_iter()
        .chain(signal)
        .collect())
}

/// Takes besides who is told of progress.
fn prepared_to_tell(
    operation: &'static str,
    object: Value,
    options: Option<Value>,
    prepare: impl FnOnce() -> Result<usize>,
) -> Result<Prepared> {
    let listener = options.map(|options| options.property(c"onProgress"));
    let listener = listener.transpose()?.and_then(Value::optional);
    let listener = listener.map(|listener| listener.function("options.onProgress"));
    let listener = listener.transpose()?;
    let mut prepared = prepared(operation, object, options, prepare)?;
    prepared.extend(listener);
    Ok(prepared)
}

/// Sets the functions of this thread that are told of jobs.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn answer_jobs(ended: Value, failed: Value, advanced: Value) -> Result<()> {
    job::answer(
        ended.function("ended")?,
        failed.function("failed")?,
        advanced.function("advanced")?,
    )
}

/// Begins a job that is prepared.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn start_job(number: Value) -> Result<()> {
    job::start(number.usize("number")?)
}

/// Stops a job. Returns whether that is its end: otherwise it will be told.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn stop_job(number: Value) -> Result<bool> {
    Ok(job::stop(number.usize("number")?))
}

/// Prepares `prefault` of a mapping.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn prefault_mapping(mapping: Value, options: Value) -> Result<Prepared> {
    let owner = owner_of(mapping, "this")?;
    let options = options.options("options")?;
    prepared("prefault", mapping, options, || {
        host_pages::prefault(owner, options)
    })
}

/// Prepares `prefault` of guest memory.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn prefault_memory(memory: Value, options: Value) -> Result<Prepared> {
    let target = memory_argument(memory, "this")?;
    let options = options.options("options")?;
    prepared("prefault", memory, options, || {
        host_pages::prefault_memory(&target, options)
    })
}

/// Prepares `flush`.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn flush_mapping(mapping: Value, options: Value) -> Result<Prepared> {
    let owner = owner_of(mapping, "this")?;
    let options = options.options("options")?;
    prepared("flush", mapping, options, || {
        host_pages::flush(owner, options)
    })
}

/// Prepares `save`.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn save_memory(memory: Value, file: Value, options: Value) -> Result<Prepared> {
    let target = memory_argument(memory, "this")?;
    let options = options.options("options")?;
    prepared_to_tell("save", memory, options, || {
        snapshot::save(&target, file, options)
    })
}

/// Prepares `saveRanges`, of ranges in an array.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn save_ranges(
    memory: Value,
    file: Value,
    table: Value,
    ranges: Value,
    options: Value,
) -> Result<Prepared> {
    let target = memory_argument(memory, "this")?;
    let options = options.options("options")?;
    prepared_to_tell("saveRanges", memory, options, || {
        snapshot::save_ranges(&target, file, table, ranges)
    })
}
