//! Seats: the update lock of an atomic without the glue, for guards that `lib/` makes by itself.
//!
//! A seat is three functions on one place for a holder of the lock. Whoever has the functions has the seat: `lib/` keeps them
//! with the atomic while nobody holds the lock, and with the guard while one does. So a guard that is dropped takes its seat
//! along, and when the functions are collected, the lock is given back.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::sys;
use napi_derive::napi;

use crate::atomic::{self, GuestMemoryAtomic};
use crate::memory::shared_map::{Holder, SharedMap};
use crate::node::error::{Result, check};
use crate::node::identity::Handle;
use crate::node::raw_function::{self, RawFunction};
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
        raw_function::make(Enter(Rc::clone(&seat)))?,
        raw_function::make(Leave(Rc::clone(&seat)))?,
        raw_function::make(Replace(seat))?,
    ])
}

struct Enter(Rc<Seat>);
struct Leave(Rc<Seat>);
struct Replace(Rc<Seat>);

impl RawFunction for Enter {
    const NAME: &'static CStr = c"enter";

    fn call(&self, argument: Value) -> Result<sys::napi_value> {
        // While the seat is taken, so is the lock.
        let holder = self.0.shared.try_enter();
        let mut entered = ptr::null_mut();
        // SAFETY: the argument is a value of the environment that called.
        check(unsafe {
            sys::napi_get_boolean(argument.env(), holder.is_some(), &raw mut entered)
        })?;
        if holder.is_some() {
            self.0.holder.set(holder);
        }
        Ok(entered)
    }
}

impl RawFunction for Leave {
    const NAME: &'static CStr = c"leave";

    fn call(&self, _: Value) -> Result<sys::napi_value> {
        drop(self.0.holder.take());
        Ok(ptr::null_mut())
    }
}

impl RawFunction for Replace {
    const NAME: &'static CStr = c"replace";

    fn call(&self, map: Value) -> Result<sys::napi_value> {
        atomic::replace(&self.0.holder, map)?;
        Ok(ptr::null_mut())
    }
}
