//! JavaScript objects by key, held weakly.

use std::collections::HashMap;
use std::hash::Hash;
use std::ptr;
use std::rc::Rc;
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

/// A weak reference to an object, shared by all keys that stand for it.
type Reference = Rc<sys::napi_ref>;

/// A table of one thread. Entries of dead objects are swept out as it grows.
pub struct WeakTable<K, P = ()> {
    entries: HashMap<K, (Reference, P)>,
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

fn upgrade(reference: &Reference) -> Option<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: tables hold references of the environment of their thread that were not deleted.
    let status = unsafe {
        sys::napi_get_reference_value(environment::current(), **reference, &raw mut object)
    };
    (status == sys::Status::napi_ok && !object.is_null()).then_some(object)
}

/// Deletes the reference of an entry that is about to be dropped, unless it is that of another entry, too. (Not when it is dropped:
/// with a thread, its table goes after the environment.)
fn delete(reference: &Reference) {
    if Rc::strong_count(reference) == 1 {
        // SAFETY: as in `upgrade`; nobody else has the reference.
        unsafe { sys::napi_delete_reference(environment::current(), **reference) };
    }
}

impl<K: Eq + Hash, P: Pin> WeakTable<K, P> {
    /// Returns the object of a key, if it is alive.
    pub fn find(&self, key: &K) -> Option<sys::napi_value> {
        self.entries
            .get(key)
            .and_then(|(reference, _)| upgrade(reference))
    }

    /// Lets the key stand for `object`.
    pub fn insert(&mut self, key: K, object: sys::napi_value, pin: P) -> Result<()> {
        let mut reference = ptr::null_mut();
        // SAFETY: `object` is an object of this environment; a count of 0 makes the reference weak.
        check(unsafe {
            sys::napi_create_reference(environment::current(), object, 0, &raw mut reference)
        })?;
        self.put(key, Rc::new(reference), pin);
        Ok(())
    }

    /// Lets the key stand for the object that another one stands for; returns whether there is an object. That costs no second
    /// reference.
    pub fn share(&mut self, key: K, known: &K, pin: P) -> bool {
        let Some((reference, _)) = self.entries.get(known) else {
            return false;
        };
        let reference = Rc::clone(reference);
        self.put(key, reference, pin);
        true
    }

    fn put(&mut self, key: K, reference: Reference, pin: P) {
        if let Some((old, _)) = self.entries.insert(key, (reference, pin)) {
            delete(&old);
        }
        if self.entries.len() >= self.sweep_at {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        self.entries.retain(|_, (reference, pin)| {
            let alive = pin.is_alive() && upgrade(reference).is_some();
            if !alive {
                delete(reference);
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
