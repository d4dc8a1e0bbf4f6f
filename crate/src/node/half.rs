//! Native halves of objects, from arguments.
//!
//! Objects of the addon wrap theirs. But `lib/` makes some objects by itself, since that takes a few nanoseconds: guards,
//! slices, references. Those have no native half until somebody asks for it, and then `lib/` makes one and keeps it with the
//! object.

use napi::ValueType;
use napi::bindgen_prelude::{TypeName, TypeTag};

use crate::node::error::Result;
use crate::node::reference::Function;
use crate::node::value::Value;

thread_local! {
    static HALF_OF: Function = const { Function::none() };
}

/// Sets the function of `lib/` that returns the native half of a plain object, in this thread. It returns undefined for
/// everything else. Users cannot get in between, as they could with a property.
pub fn ask(half_of: Value) -> Result<()> {
    HALF_OF.with(|function| function.set(half_of))
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    HALF_OF.with(Function::clear);
}

impl Value {
    /// Returns the native half that `lib/` has of a plain object. An exception, such as that the stack is full, stays pending.
    fn half(self) -> Option<Self> {
        HALF_OF
            .with(|function| function.call(&[self.raw()]))
            .ok()
            .flatten()
            .filter(|half| half.kind() == ValueType::Object)
    }

    /// Checks whether this is a plain object of `lib/`.
    pub fn has_half(self) -> bool {
        self.half().is_some()
    }

    /// Returns the native half of an instance of `T`; None for anything else, look-alikes included.
    pub fn try_instance<'call, T: TypeTag>(self) -> Option<&'call T> {
        if self.kind() != ValueType::Object {
            return None;
        }
        // What `lib/` returns is a value of the call that is running, which keeps it alive.
        self.wrapped().or_else(|| self.half()?.wrapped())
    }

    /// Takes the native half of an instance of `T`.
    pub fn instance<'call, T: TypeTag + TypeName>(self, name: &str) -> Result<&'call T> {
        self.try_instance()
            .ok_or_else(|| self.must_be(name, &format!("an instance of {}", T::type_name())))
    }
}
