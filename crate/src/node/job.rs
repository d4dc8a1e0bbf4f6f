//! Work on native threads, of whose progress and end the event loop is told that asked for it.
//!
//! ```text
//!   prepare ──► start ──► works ──► is delivered
//!      │                    │
//!      └──► stop ◄──────────┘   ends soon, and is delivered; or, where that may take long, is forgotten
//! ```
//!
//! The thread pool of the event loop is left alone: a few jobs that take minutes would stop all of `fs`. When an environment
//! ends, its jobs are stopped and waited for, so that they do nothing afterwards.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::ToNapiValue;
use napi::sys;

use crate::node::bell::{Bell, Message};
use crate::node::error::{Error, Result};
use crate::node::native_thread;
use crate::node::object::undefined;
use crate::node::reference::Function;
use crate::node::scope::Scope;
use crate::node::value::{Number, Value};

/// Makes the value that a promise is settled with, in the environment that asked.
pub type Answer = Box<dyn FnOnce(sys::napi_env) -> Result<Value> + Send>;

/// Makes nothing.
pub fn nothing() -> Answer {
    Box::new(|env| Ok(Value::new(env, undefined(env)?)))
}

type Work = Box<dyn FnOnce(&Progress) -> Result<Answer> + Send>;

/// How often progress is told at the most.
const PERIOD: Duration = Duration::from_millis(100);

/// What a job and the environment that asked for it tell each other.
pub struct Progress {
    operation: &'static str,
    number: usize,
    bell: Arc<Bell>,
    stopped: AtomicBool,
    /// How much is done, and how much there is to be done.
    done: AtomicUsize,
    total: usize,
    /// When progress was told the last time.
    told: Mutex<Instant>,
    /// Whether the environment has not heard of that yet.
    is_on_its_way: AtomicBool,
    outcome: Mutex<Option<Result<Answer>>>,
}

impl Progress {
    /// Whether the work is to end as soon as it can. What it ends with is nobody's concern then.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Notes that more is done.
    pub fn advance(&self, count: usize) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        // The end is told by itself.
        if done >= self.total {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= PERIOD && !self.is_on_its_way.swap(true, Ordering::Relaxed) {
            *told = Instant::now();
            self.bell.ring(Message::Progress(self.number));
        }
    }

    fn end(&self, outcome: Result<Answer>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.bell.ring(Message::Done(self.number));
    }
}

struct Job {
    progress: Arc<Progress>,
    /// None once it has begun.
    work: Option<Work>,
    /// None until it has begun.
    thread: Option<JoinHandle<()>>,
    /// Whether it ends soon when it is told to.
    can_stop: bool,
}

thread_local! {
    /// The jobs of this thread, by their number.
    static JOBS: RefCell<HashMap<usize, Job>> = RefCell::default();
    static MADE: Cell<usize> = const { Cell::new(0) };
    /// The functions that are told: number and value, number and error, number and how much is done of how much.
    static ENDED: Function = const { Function::none() };
    static FAILED: Function = const { Function::none() };
    static ADVANCED: Function = const { Function::none() };
}

/// Sets the functions of this thread that are told of jobs.
pub fn answer(ended: Value, failed: Value, advanced: Value) -> Result<()> {
    ENDED.with(|function| function.set(ended))?;
    FAILED.with(|function| function.set(failed))?;
    ADVANCED.with(|function| function.set(advanced))
}

/// Prepares a job of so many bytes, whose errors tell `operation`. Returns its number. `can_stop` tells that it looks again and again whether it was stopped.
pub fn prepare(
    operation: &'static str,
    total: usize,
    can_stop: bool,
    work: impl FnOnce(&Progress) -> Result<Answer> + Send + 'static,
) -> Result<usize> {
    let bell = Bell::of_thread()?;
    let number = MADE.get() + 1;
    MADE.set(number);
    let progress = Arc::new(Progress {
        operation,
        number,
        bell,
        stopped: AtomicBool::new(false),
        done: AtomicUsize::new(0),
        total,
        told: Mutex::new(Instant::now()),
        is_on_its_way: AtomicBool::new(false),
        outcome: Mutex::new(None),
    });
    let job = Job {
        progress,
        work: Some(Box::new(work)),
        thread: None,
        can_stop,
    };
    JOBS.with_borrow_mut(|jobs| jobs.insert(number, job));
    Ok(number)
}

/// Begins a job, which keeps the event loop alive until its end was told.
pub fn start(number: usize) -> Result<()> {
    JOBS.with_borrow_mut(|jobs| {
        let Some(job) = jobs.get_mut(&number) else {
            return Ok(());
        };
        let Some(work) = job.work.take() else {
            return Ok(());
        };
        let progress = Arc::clone(&job.progress);
        let operation = progress.operation;
        let spawned = native_thread::spawn("vm-memory job", move || {
            let outcome = work(&progress);
            progress.end(outcome.map_err(|error| error.of(progress.operation)));
        });
        job.thread = Some(spawned.map_err(|error| Error::from(error).of(operation))?);
        job.progress.bell.keep_alive();
        Ok(())
    })
    .inspect_err(|_: &Error| drop(take(number)))
}

fn take(number: usize) -> Option<Job> {
    let job = JOBS.with_borrow_mut(|jobs| jobs.remove(&number))?;
    if job.thread.is_some() {
        job.progress.bell.let_go();
    }
    Some(job)
}

/// Stops a job. Returns whether that is its end: otherwise it will be told.
pub fn stop(number: usize) -> bool {
    let is_end = JOBS.with_borrow(|jobs| {
        let Some(job) = jobs.get(&number) else {
            return false;
        };
        job.progress.stopped.store(true, Ordering::Relaxed);
        job.thread.is_none() || !job.can_stop
    });
    is_end && take(number).is_some()
}

/// Tells how much of a job is done, on the thread that asked for it.
pub fn deliver_progress(env: sys::napi_env, number: usize) {
    let progress = JOBS.with_borrow(|jobs| jobs.get(&number).map(|job| Arc::clone(&job.progress)));
    let Some(progress) = progress else {
        return;
    };
    progress.is_on_its_way.store(false, Ordering::Relaxed);
    let done = progress.done.load(Ordering::Relaxed);
    if done < progress.total && !progress.is_stopped() {
        // The function throws nothing: an error is that of an engine which is ending.
        drop(call(&ADVANCED, env, &[number, done, progress.total]));
    }
}

/// Tells the end of a job, on the thread that asked for it. It may have been forgotten meanwhile.
pub fn deliver_end(env: sys::napi_env, number: usize) {
    let Some(job) = take(number) else {
        return;
    };
    let mut outcome = job
        .progress
        .outcome
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(outcome) = outcome.take() {
        drop(settle(env, number, job.progress.total, outcome));
    }
}

fn settle(env: sys::napi_env, number: usize, total: usize, outcome: Result<Answer>) -> Result<()> {
    let _scope = Scope::open(env)?;
    match outcome.and_then(|answer| answer(env)) {
        Ok(value) => {
            let [number, total] = numbers(env, [number, total])?;
            ENDED.with(|function| function.call(&[number, value.raw(), total]))?;
        }
        Err(error) => {
            let error = error.into_value(env)?;
            let [number] = numbers(env, [number])?;
            FAILED.with(|function| function.call(&[number, error]))?;
        }
    }
    Ok(())
}

fn call<const N: usize>(
    function: &'static std::thread::LocalKey<Function>,
    env: sys::napi_env,
    arguments: &[usize; N],
) -> Result<()> {
    let _scope = Scope::open(env)?;
    let arguments = numbers(env, *arguments)?;
    function.with(|function| function.call(&arguments))?;
    Ok(())
}

fn numbers<const N: usize>(
    env: sys::napi_env,
    numbers: [usize; N],
) -> Result<[sys::napi_value; N]> {
    let mut values = [std::ptr::null_mut(); N];
    for (value, number) in values.iter_mut().zip(numbers) {
        // SAFETY: `env` is the environment of this thread.
        *value = unsafe { Number::to_napi_value(env, Number(number)) }?;
    }
    Ok(values)
}

/// Stops the jobs of an environment that ends, and waits for those that end soon.
pub fn end() {
    let jobs = JOBS.take();
    for job in jobs.values() {
        job.progress.stopped.store(true, Ordering::Relaxed);
    }
    for (_, job) in jobs {
        if let Some(thread) = job.thread.filter(|_| job.can_stop) {
            // It tells a bell that is taken down.
            drop(thread.join());
        }
    }
}

/// Forgets the functions of an environment that has ended.
pub fn clear() {
    ENDED.with(Function::clear);
    FAILED.with(Function::clear);
    ADVANCED.with(Function::clear);
}
