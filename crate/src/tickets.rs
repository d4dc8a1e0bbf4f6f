//! The tickets of this process, and how JavaScript sees them (`SharedMemory`).

use std::ptr;
use std::sync::LazyLock;

use napi::{Env, ValueType, sys};

use crate::memory::mapping::Memory;
use crate::memory::shared_map::SharedMap;
use crate::node::environment;
use crate::node::error::{BindingError, Result, check};
use crate::node::object::{define, string};
use crate::node::value::Value;
use sync::tickets::{Ticketed, Tickets};

/// The tickets of this process.
pub static TICKETS: LazyLock<Tickets<SharedMap, Memory>> = LazyLock::new(Tickets::default);

/// Makes `{ type, id }`, a plain object that survives structured cloning.
fn ticket(env: sys::napi_env, class: &str, id: &str) -> Result<Value> {
    let mut ticket = ptr::null_mut();
    // SAFETY: `env` is the environment of this thread.
    check(unsafe { sys::napi_create_object(env, &raw mut ticket) })?;
    let listed = sys::PropertyAttributes::enumerable
        | sys::PropertyAttributes::configurable
        | sys::PropertyAttributes::writable;
    define(env, ticket, "type", string(env, class)?, listed)?;
    define(env, ticket, "id", string(env, id)?, listed)?;
    Ok(Value::new(env, ticket))
}

/// Issues a ticket, as JavaScript sees it (`SharedMemory`).
pub fn issue(env: Env, what: Ticketed<SharedMap, Memory>) -> Result<Value> {
    let class = match what {
        Ticketed::Atomic(_) => "GuestMemoryAtomic",
        Ticketed::Memory(_) => "GuestMemoryMmap",
    };
    let id = TICKETS.issue(environment::number(), what);
    ticket(env.raw(), class, &id)
}

/// Takes the id of a ticket for `class` from an argument.
pub fn ticket_id(ticket: Value, class: &str) -> Result<String> {
    if ticket.kind() != ValueType::Object {
        return Err(ticket.must_be("ticket", "what share() returned"));
    }
    let (kind, id) = (ticket.property(c"type")?, ticket.property(c"id")?);
    // Texts that are longer than those of tickets are not read at all.
    if kind.short_string(&mut [0; 32]) != Some(class) {
        return Err(BindingError::invalid_ticket(class));
    }
    id.short_string(&mut [0; 64])
        .map(str::to_owned)
        .ok_or_else(|| BindingError::invalid_ticket(class))
}
