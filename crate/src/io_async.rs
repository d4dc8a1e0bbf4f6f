//! The transfers of `io` off the JavaScript thread. Not upstream.
//!
//! A job holds the snapshot and a duplicate of the descriptor. So it survives whatever happens to guards, maps and the
//! file meanwhile. (A duplicate shares the cursor.) It runs on the thread pool of the event loop, as `fs` does; a
//! thread that ends waits for its jobs.

use std::ffi::c_void;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use napi::sys;
use vm_memory::{Address, GuestAddress};

use crate::io::{self, Operation, descriptor, duplicate};
use crate::memory::mapping::Memory;
use crate::memory::target::Target;
use crate::node::error::{Result, check};
use crate::node::value::Value;

/// A transfer that is to be done, and its result.
struct Job {
    memory: Arc<Memory>,
    address: GuestAddress,
    file: OwnedFd,
    count: usize,
    operation: Operation,
    deferred: sys::napi_deferred,
    work: sys::napi_async_work,
    /// The bytes that were moved.
    result: Result<usize>,
}

impl Job {
    fn run(&self) -> Result<usize> {
        let fd = self.file.as_fd();
        io::transfer_file(&self.memory, self.operation, self.address, fd, self.count).map_err(
            |error| {
                error
                    .at(self.address.raw_value(), self.count)
                    .of(self.operation.async_name())
            },
        )
    }
}

/// Does the transfer, on a thread of the pool.
unsafe extern "C" fn execute(_: sys::napi_env, data: *mut c_void) {
    // SAFETY: `data` is the job that `start` gave away; nobody else looks at it before `complete`.
    let job = unsafe { &mut *data.cast::<Job>() };
    job.result = job.run();
}

/// Settles the promise, on the JavaScript thread.
unsafe extern "C" fn complete(env: sys::napi_env, status: sys::napi_status, data: *mut c_void) {
    // SAFETY: the job that `start` gave away; this runs once, after `execute`.
    let job = unsafe { Box::from_raw(data.cast::<Job>()) };
    // SAFETY: the work has ended.
    unsafe { sys::napi_delete_async_work(env, job.work) };
    // Cancelled work, or an environment that is ending: nobody is left to tell.
    if status == sys::Status::napi_ok {
        let result = match job.result {
            Ok(_) if job.operation.moves_all() => Ok(None),
            result => result.map(Some),
        };
        drop(settle(env, job.deferred, result));
    }
}

/// Settles a promise with the number of bytes that were moved, or with nothing.
fn settle(
    env: sys::napi_env,
    deferred: sys::napi_deferred,
    result: Result<Option<usize>>,
) -> Result<()> {
    let mut value = ptr::null_mut();
    match result {
        Ok(count) => {
            #[expect(clippy::cast_precision_loss, reason = "at most the size of a mapping")]
            // SAFETY: `env` is the environment of this thread.
            unsafe {
                check(match count {
                    Some(count) => sys::napi_create_double(env, count as f64, &raw mut value),
                    None => sys::napi_get_undefined(env, &raw mut value),
                })?;
                check(sys::napi_resolve_deferred(env, deferred, value))
            }
        }
        Err(error) => {
            let value = error.into_value(env)?;
            // SAFETY: as above.
            check(unsafe { sys::napi_reject_deferred(env, deferred, value) })
        }
    }
}

/// Starts a transfer. Errors of the arguments reject the promise too.
pub fn start(
    memory: Result<Arc<Memory>>,
    operation: Operation,
    address: Value,
    file: Value,
    count: Value,
) -> Result<Value> {
    let env = address.env();
    let mut deferred = ptr::null_mut();
    let mut promise = ptr::null_mut();
    // SAFETY: `env` is the environment that called.
    check(unsafe { sys::napi_create_promise(env, &raw mut deferred, &raw mut promise) })?;
    let queued = memory.and_then(|memory| {
        let address = GuestAddress(address.u64("addr")?);
        let count = count.usize("count")?;
        let fd = descriptor(file, operation.argument())?;
        let file = duplicate(fd).or_else(|error| {
            // Upstream looks at the address first.
            let there = memory.available(address, count);
            there.map_err(|error| error.at(address.raw_value(), count))?;
            Err(error)
        })?;
        queue(
            env,
            Job {
                memory,
                address,
                file,
                count,
                operation,
                deferred,
                work: ptr::null_mut(),
                result: Ok(0),
            },
        )
    });
    if let Err(error) = queued {
        settle(env, deferred, Err(error.of(operation.async_name())))?;
    }
    Ok(Value::new(env, promise))
}

fn queue(env: sys::napi_env, job: Job) -> Result<()> {
    let mut name = ptr::null_mut();
    let text = c"vm-memory transfer";
    let job = Box::into_raw(Box::new(job));
    // SAFETY: the job is given away to `complete`, which runs once if the work is queued; if it is
    // not, nobody else has it.
    let queued = unsafe {
        check(sys::napi_create_string_utf8(
            env,
            text.as_ptr(),
            text.count_bytes().cast_signed(),
            &raw mut name,
        ))
        .and_then(|()| {
            check(sys::napi_create_async_work(
                env,
                ptr::null_mut(),
                name,
                Some(execute),
                Some(complete),
                job.cast(),
                &raw mut (*job).work,
            ))
        })
        .and_then(|()| check(sys::napi_queue_async_work(env, (*job).work)))
    };
    if queued.is_err() {
        // SAFETY: see above.
        drop(unsafe { Box::from_raw(job) });
    }
    queued
}
