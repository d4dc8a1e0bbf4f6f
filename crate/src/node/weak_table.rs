//! JavaScript objects by key, held weakly.

use std::collections::HashMap;
use std::hash::Hash;
use std::ptr;
use std::sync::Weak;

use napi::sys;

use crate::node::environment;
use crate::node::error::{Result, check};

/// Makes sure that a key means the same thing for as long as the entry exists.
pub trait Pin {
    /// Checks whether code can still ask for the key.
    fn is_alive(&self) -> bool {
        true
    }
}

impl Pin for () {}

/// A weak pointer keeps its address from being given to another object.
impl<T: ?Sized> Pin for Weak<T> {
    fn is_alive(&self) -> bool {
        self.strong_count() > 0
    }
}

/// A table of one thread. Entries of dead objects are swept out as it grows.
pub struct WeakTable<K, P = ()> {
    entries: HashMap<K, (sys::napi_ref, P)>,
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 64;

impl<K, P> Default for WeakTable<K, P> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sweep_at: FIRST_SWEEP,
        }
    }
}

fn upgrade(reference: sys::napi_ref) -> Option<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: tables hold references of the environment of their thread that were not deleted.
    let status = unsafe {
        sys::napi_get_reference_value(environment::current(), reference, &raw mut object)
    };
    (status == sys::Status::napi_ok && !object.is_null()).then_some(object)
}

fn delete(reference: sys::napi_ref) {
    // SAFETY: as in `upgrade`; the entry has been taken out of its table.
    unsafe { sys::napi_delete_reference(environment::current(), reference) };
}

impl<K: Eq + Hash, P: Pin> WeakTable<K, P> {
    /// Returns the object of a key, if it is alive.
    pub fn find(&self, key: &K) -> Option<sys::napi_value> {
        self.entries
            .get(key)
            .and_then(|(reference, _)| upgrade(*reference))
    }

    /// Lets the key stand for `object`.
    pub fn insert(&mut self, key: K, object: sys::napi_value, pin: P) -> Result<()> {
        let mut reference = ptr::null_mut();
        // SAFETY: `object` is an object of this environment; a count of 0 makes the reference weak.
        check(unsafe {
            sys::napi_create_reference(environment::current(), object, 0, &raw mut reference)
        })?;
        if let Some((old, _)) = self.entries.insert(key, (reference, pin)) {
            delete(old);
        }
        if self.entries.len() >= self.sweep_at {
            self.sweep();
        }
        Ok(())
    }

    fn sweep(&mut self) {
        self.entries.retain(|_, (reference, pin)| {
            let alive = pin.is_alive() && upgrade(*reference).is_some();
            if !alive {
                delete(*reference);
            }
            alive
        });
        self.sweep_at = (self.entries.len() * 2).max(FIRST_SWEEP);
    }

    /// Forgets all entries, when the environment of the references has ended.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
