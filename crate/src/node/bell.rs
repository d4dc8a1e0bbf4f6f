//! Messages of other threads to the event loop of this one.
//!
//! Each thread has a bell that other threads may ring with a message. The bell is taken down before its environment
//! ends, since ringing it afterwards would end the process.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use napi::sys;

use crate::node::environment;
use crate::node::error::{Result, check};
use crate::node::object::string;

/// A message to a thread.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The gate has opened for a request of `lockAsync`.
    Granted(usize),
    /// A map that a slot keeps has been replaced.
    Stale(usize),
    /// The map of an atomic that this thread listens to may have been replaced.
    Changed(usize),
    /// All guards that a `synchronize` waits for are gone.
    Over(usize),
    /// A job has ended.
    Done(usize),
    /// A part of a job is done.
    Progress(usize),
    /// Memory was lost.
    Lost,
    /// A mapping was released.
    Ended,
}

impl Message {
    fn into_number(self) -> usize {
        match self {
            Self::Granted(request) => request << 3,
            Self::Stale(slot) => slot << 3 | 1,
            Self::Changed(atomic) => atomic << 3 | 2,
            Self::Over(wait) => wait << 3 | 3,
            Self::Done(job) => job << 3 | 4,
            Self::Progress(job) => job << 3 | 5,
            Self::Lost => 6,
            Self::Ended => 7,
        }
    }

    fn from_number(number: usize) -> Self {
        match number & 7 {
            0 => Self::Granted(number >> 3),
            1 => Self::Stale(number >> 3),
            2 => Self::Changed(number >> 3),
            3 => Self::Over(number >> 3),
            4 => Self::Done(number >> 3),
            5 => Self::Progress(number >> 3),
            6 => Self::Lost,
            _ => Self::Ended,
        }
    }
}

/// The function that answers a message, on the thread of the bell.
type Answer = fn(sys::napi_env, Message);

static ANSWER: OnceLock<Answer> = OnceLock::new();

/// Sets the function that answers all messages, once for the process.
pub fn answer_with(answer: Answer) {
    ANSWER.get_or_init(|| answer);
}

/// A thread-safe function of Node-API, for as long as its environment lives.
pub struct Bell(Mutex<Option<sys::napi_threadsafe_function>>);

// SAFETY: the function may be called by any thread; that it exists is seen to by the lock.
unsafe impl Send for Bell {}
// SAFETY: as above.
unsafe impl Sync for Bell {}

thread_local! {
    static BELL: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
    /// How many messages the event loop stays alive for.
    static EXPECTED: Cell<usize> = const { Cell::new(0) };
}

impl Bell {
    /// Returns the bell of this thread. A bell does not keep the event loop alive by itself.
    pub fn of_thread() -> Result<Arc<Self>> {
        if let Some(bell) = BELL.with_borrow(Clone::clone) {
            return Ok(bell);
        }
        // Nothing is borrowed here: the engine tells async hooks of the function, and they may come here too.
        let function = make_function()?;
        if let Some(bell) = BELL.with_borrow(Clone::clone) {
            // SAFETY: the function was just made, and nobody else has it.
            let released = unsafe {
                sys::napi_release_threadsafe_function(
                    function,
                    sys::ThreadsafeFunctionReleaseMode::release,
                )
            };
            return check(released).map(|()| bell);
        }
        let bell = Arc::new(Self(Mutex::new(Some(function))));
        BELL.set(Some(Arc::clone(&bell)));
        Ok(bell)
    }

    fn with(&self, act: impl FnOnce(sys::napi_threadsafe_function)) {
        if let Some(function) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            act(function);
        }
    }

    /// Sends a message to the thread of this bell, unless its environment has ended.
    pub fn ring(&self, message: Message) {
        self.with(|function| {
            // SAFETY: the function exists while the lock is held. Its queue has no limit.
            unsafe {
                sys::napi_call_threadsafe_function(
                    function,
                    ptr::without_provenance_mut(message.into_number()),
                    sys::ThreadsafeFunctionCallMode::nonblocking,
                )
            };
        });
    }

    /// Keeps the event loop alive, because one message more is expected. Is called on the thread of the bell.
    pub fn keep_alive(&self) {
        EXPECTED.set(EXPECTED.get() + 1);
        if EXPECTED.get() == 1 {
            let env = environment::current();
            // SAFETY: the function exists while the lock is held.
            self.with(|function| unsafe {
                sys::napi_ref_threadsafe_function(env, function);
            });
        }
    }

    /// Expects one message less. Is called on the thread of the bell.
    pub fn let_go(&self) {
        EXPECTED.set(EXPECTED.get().saturating_sub(1));
        if EXPECTED.get() == 0 {
            let env = environment::current();
            // SAFETY: the function exists while the lock is held.
            self.with(|function| unsafe {
                sys::napi_unref_threadsafe_function(env, function);
            });
        }
    }
}

/// Takes the bell of this thread down, when its environment ends.
pub fn take_down() {
    EXPECTED.set(0);
    if let Some(bell) = BELL.take() {
        *bell.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn make_function() -> Result<sys::napi_threadsafe_function> {
    let env = environment::current();
    let name = string(env, "vm-memory")?;
    let mut function = ptr::null_mut();
    // SAFETY: there is no JavaScript function, no finalizer and no data; `deliver` handles calls.
    unsafe {
        check(sys::napi_create_threadsafe_function(
            env,
            ptr::null_mut(),
            ptr::null_mut(),
            name,
            0,
            1,
            ptr::null_mut(),
            None,
            ptr::null_mut(),
            Some(deliver),
            &raw mut function,
        ))?;
        check(sys::napi_unref_threadsafe_function(env, function))?;
    }
    Ok(function)
}

/// Passes a message to the function that answers, on the thread of the bell.
unsafe extern "C" fn deliver(
    env: sys::napi_env,
    _function: sys::napi_value,
    _context: *mut c_void,
    message: *mut c_void,
) {
    // Without an environment, it is ending, and gives everything back by itself.
    if env.is_null() {
        return;
    }
    if let Some(answer) = ANSWER.get() {
        answer(env, Message::from_number(message.addr()));
    }
}
