//! Seats: the update lock of an atomic without the glue, for guards that `lib/` makes by itself.
//!
//! A seat is three functions on one place for a holder of the lock. Whoever has the functions has the seat: `lib/` keeps them
//! with the atomic while nobody holds the lock, and with the guard while one does. So a guard that is dropped takes its seat
//! along, and when the functions are collected, the lock is given back.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::sys;
use napi_derive::napi;

use crate::atomic::{self, GuestMemoryAtomic};
use crate::memory::shared_map::{Holder, SharedMap};
use crate::node::error::Result;
use crate::node::identity::Handle;
use crate::node::raw_function;
use crate::node::value::Value;

struct Seat {
    shared: Arc<SharedMap>,
    holder: Cell<Option<Holder>>,
}

/// Makes a seat: a function that takes the lock if it is free and tells whether it was, one that gives the lock back, and
/// one that publishes a map first.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn make_seat(atomic: Value) -> Result<Vec<Handle>> {
    let atomic = atomic.instance::<GuestMemoryAtomic>("atomic")?;
    let seat = Rc::new(Seat {
        shared: Arc::clone(atomic.shared()),
        holder: Cell::new(None),
    });
    Ok(vec![
        raw_function::make(c"enter", enter, Rc::clone(&seat))?,
        raw_function::make(c"leave", leave, Rc::clone(&seat))?,
        raw_function::make(c"replace", replace, seat)?,
    ])
}

impl Seat {
    /// Takes the lock, unless somebody has it.
    fn enter(&self) -> bool {
        // While the seat is taken, so is the lock.
        let Some(holder) = self.shared.try_enter() else {
            return false;
        };
        self.holder.set(Some(holder));
        true
    }
}

unsafe extern "C" fn enter(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `make_seat` has made the function with a seat.
    let (seat, _) = unsafe { raw_function::own::<Rc<Seat>>(env, info) };
    let mut entered = ptr::null_mut();
    // SAFETY: `env` is the environment that called.
    unsafe { sys::napi_get_boolean(env, seat.enter(), &raw mut entered) };
    entered
}

unsafe extern "C" fn leave(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as in `enter`.
    let (seat, _) = unsafe { raw_function::own::<Rc<Seat>>(env, info) };
    drop(seat.holder.take());
    ptr::null_mut()
}

unsafe extern "C" fn replace(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as in `enter`.
    let (seat, map) = unsafe { raw_function::own::<Rc<Seat>>(env, info) };
    if let Err(error) = atomic::replace(&seat.holder, Value::new(env, map)) {
        error.throw();
    }
    ptr::null_mut()
}
