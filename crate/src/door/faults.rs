//! Who listens for faults: the threads, and what waits for each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::sys;
use napi_derive::napi;

use crate::faults::fault;
use crate::memory::faults::bell::{self, Told};
use crate::memory::faults::heal::Lost;
use crate::memory::mapping::Owner;
use crate::mmap::GuestRegionMmap;
use crate::mmap_unix::MmapRegion;
use crate::node::bell::{Bell, Message};
use crate::node::environment;
use crate::node::error::{Error, Result};
use crate::node::identity::Handle;
use crate::node::reference::Function;
use crate::node::scope::Scope;
use crate::node::value::Value;

/// A thread that listens.
struct Listener {
    thread: u64,
    bell: Arc<Bell>,
    news: Vec<(Owner, Lost)>,
}

static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

fn listeners() -> MutexGuard<'static, Vec<Listener>> {
    // Whole between statements.
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// The function of this thread that is told of faults.
    static ANSWER: Function = const { Function::none() };
}

/// Lets a function be told of each fault from now on, with the mapping and the fault.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn listen_for_faults(answer: Value) -> Result<()> {
    let answer = answer.function("answer")?;
    // It is `onMemoryFault` that users have called.
    let bell = Bell::of_thread().map_err(|error| error.of("onMemoryFault"))?;
    bell::start(tell).map_err(|error| Error::from(error).of("onMemoryFault"))?;
    ANSWER.with(|function| function.set(answer))?;
    let thread = environment::number();
    let mut listeners = listeners();
    if listeners.iter().all(|listener| listener.thread != thread) {
        listeners.push(Listener {
            thread,
            bell,
            news: Vec::new(),
        });
    }
    Ok(())
}

/// Makes the error of `onMemoryFault` for what is no function.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn invalid_listener(listener: Value) -> Result<Value> {
    Value::of_error(listener.must_be("listener", "a function"))
}

/// Listens no longer.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn ignore_faults() {
    abandon();
}

/// Forgets what waits for a thread that has ended, or does not listen any more.
pub fn abandon() {
    let thread = environment::number();
    let mut listeners = listeners();
    let index = listeners
        .iter()
        .position(|listener| listener.thread == thread);
    let listener = index.map(|index| listeners.swap_remove(index));
    drop(listeners);
    // Not while others wait: it may be the last that has a mapping.
    drop(listener);
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    ANSWER.with(Function::clear);
}

/// Tells all threads that listen, on the thread that is woken by faults.
fn tell(told: &[Told]) {
    for listener in &mut *listeners() {
        for (owner, lost) in told {
            let news = lost.iter().map(|lost| (owner.clone(), *lost));
            listener.news.extend(news);
        }
        listener.bell.ring(Message::Lost);
    }
}

/// Tells the function of this thread.
pub fn deliver(env: sys::napi_env) {
    let thread = environment::number();
    let news = listeners()
        .iter_mut()
        .find(|listener| listener.thread == thread)
        .map(|listener| std::mem::take(&mut listener.news));
    for (owner, lost) in news.unwrap_or_default() {
        // An error is that of an engine which is ending: the function throws nothing.
        drop(deliver_one(env, &owner, lost));
    }
}

fn deliver_one(env: sys::napi_env, owner: &Owner, lost: Lost) -> Result<()> {
    let _scope = Scope::open(env)?;
    let Handle(region) = match owner {
        Owner::Region(region) => GuestRegionMmap::intern(region)?,
        Owner::Mapping(shared) => MmapRegion::intern(shared)?,
    };
    let Handle(fault) = fault(env, lost)?;
    ANSWER.with(|function| function.call(&[region, fault]))?;
    Ok(())
}
