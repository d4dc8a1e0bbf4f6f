//! What must hold whatever is called: errors are documented ones, and memory outside of an access stays as it is.
//!
//! (Panics, accesses of memory that is not there or not accessible, and large allocations that do not expect to fail
//! end the process by themselves. Leaks are not looked for: what the engine has freed still points to what leaked. But
//! mappings that stay will be too many for the system.)

use std::collections::HashMap;

use vm_memory_node::{Property as Listed, errors};

use crate::engine::{Handle, Kind, Object, Property, Value, with};

/// What user code throws here.
pub const THROWN: &str = "thrown by user code";

fn text(object: Handle, name: &str) -> Option<String> {
    with(|engine| match engine.find(object, name) {
        Some(Property::Value(value)) => match engine.get(value) {
            Value::String(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// That what was thrown is an error of the declarations, or what user code threw.
pub fn check_error(error: Handle, by: &str) {
    let is_error = with(|engine| match engine.get(error) {
        Value::String(text) if text == THROWN => None,
        Value::Object(Object {
            kind: Kind::Error, ..
        }) => Some(true),
        _ => Some(false),
    });
    match is_error {
        None => return,
        Some(is_error) => assert!(is_error, "{by} threw what is no error"),
    }
    let class = text(error, "class").unwrap_or_default();
    let message = text(error, "message").unwrap_or_default();
    let Some(code) = text(error, "code") else {
        // As the engine's own: not a constructor, not a function, a foreign receiver.
        assert_eq!(class, "TypeError", "{by} threw without a code: {message}");
        return;
    };
    // Upstream's have a name of their own.
    let name = text(error, "name").unwrap_or_else(|| class.clone());
    let row = errors().find(|row| row.code == Some(code.as_str()) && row.name == name);
    let Some(row) = row else {
        panic!("{by} threw a {name} with the undocumented code {code}: {message}");
    };
    let expected = format!("{:?}", row.class);
    assert_eq!(class, expected, "{by} threw {code} as a {class}: {message}");
    assert!(!message.is_empty(), "{by} threw {code} without a message");
    let is = |property: &str, is: fn(&Value) -> bool| {
        with(|engine| match engine.find(error, property) {
            Some(Property::Value(value)) => is(engine.get(value)),
            _ => false,
        })
    };
    let is_number = |value: &Value| matches!(value, Value::Number(_));
    for (property, kind) in row.properties {
        let is_right = match kind {
            Listed::Address => is(property, |value| matches!(value, Value::BigInt { .. })),
            Listed::Count => is(property, is_number),
            Listed::System => {
                is(property, is_number) || is("kind", |value| matches!(value, Value::String(_)))
            }
        };
        assert!(is_right, "{by} threw {code} with a wrong {property}");
    }
}

/// Bytes of the host, by address.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: usize,
    pub length: usize,
}

impl Span {
    fn bytes(&self) -> &[u8] {
        // SAFETY: only made of readable mappings that the program keeps, and of which nobody else has references.
        unsafe {
            std::slice::from_raw_parts(std::ptr::with_exposed_provenance(self.start), self.length)
        }
    }
}

/// The contents of memory before a call.
pub struct Snapshot(HashMap<usize, Vec<u8>>);

impl Snapshot {
    pub fn of(memory: &[Span]) -> Self {
        Self(
            memory
                .iter()
                .map(|span| (span.start, span.bytes().to_vec()))
                .collect(),
        )
    }

    /// That nothing but the bytes of `written` has changed.
    pub fn check(&self, memory: &[Span], written: &[Span], by: &str) {
        for span in memory {
            let (before, after) = (&self.0[&span.start], span.bytes());
            if before.as_slice() == after {
                continue;
            }
            for (offset, (before, after)) in before.iter().zip(after).enumerate() {
                let address = span.start + offset;
                let may = written
                    .iter()
                    .any(|span| address.wrapping_sub(span.start) < span.length);
                assert!(
                    before == after || may,
                    "{by} has changed the byte at {offset} of a region, outside of {written:?}"
                );
            }
        }
    }
}
