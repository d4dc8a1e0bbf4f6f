//! What must hold whatever is called: errors are documented ones, and memory outside of an access stays as it is.
//!
//! (Panics, accesses of memory that is not there or not accessible, and large allocations that do not expect to fail
//! end the process by themselves. Leaks are not looked for: what the engine has freed still points to what leaked. But
//! mappings that stay will be too many for the system.)

use std::collections::HashMap;

use crate::engine::{Handle, Kind, Object, Property, Value, with};

/// What user code throws here.
pub const THROWN: &str = "thrown by user code";

/// A code, the class that goes with it, and the fields: `n` for a number, `b` for a bigint.
type Code = (&'static str, &'static str, &'static [(&'static str, char)]);

const CODES: [Code; 31] = [
    ("ERR_INVALID_GUEST_ADDRESS", "Error", &[("addr", 'b')]),
    ("ERR_IO", "Error", &[]),
    (
        "ERR_PARTIAL_BUFFER",
        "Error",
        &[("expected", 'n'), ("completed", 'n')],
    ),
    ("ERR_INVALID_BACKEND_ADDRESS", "Error", &[]),
    ("ERR_HOST_ADDRESS_NOT_AVAILABLE", "Error", &[]),
    ("ERR_CALLBACK_OUT_OF_RANGE", "Error", &[]),
    ("ERR_GUEST_ADDRESS_OVERFLOW", "Error", &[]),
    ("ERR_INVALID_GUEST_REGION", "Error", &[]),
    ("ERR_NO_MEMORY_REGION", "Error", &[]),
    ("ERR_MEMORY_REGION_OVERLAP", "Error", &[]),
    ("ERR_UNSORTED_MEMORY_REGIONS", "Error", &[]),
    ("ERR_INVALID_OFFSET_LENGTH", "Error", &[]),
    ("ERR_MAP_FIXED", "Error", &[]),
    ("ERR_MAPPING_OVERLAP", "Error", &[]),
    ("ERR_MAPPING_PAST_EOF", "Error", &[]),
    ("ERR_MMAP", "Error", &[("errno", 'n')]),
    ("ERR_SEEK_END", "Error", &[("errno", 'n')]),
    ("ERR_SEEK_START", "Error", &[("errno", 'n')]),
    ("ERR_OUT_OF_BOUNDS", "Error", &[("addr", 'b')]),
    ("ERR_OVERFLOW", "Error", &[("base", 'b'), ("offset", 'b')]),
    ("ERR_TOO_BIG", "Error", &[("nelements", 'b'), ("size", 'b')]),
    (
        "ERR_MISALIGNED",
        "Error",
        &[("addr", 'b'), ("alignment", 'n')],
    ),
    ("ERR_INVALID_ARG_TYPE", "TypeError", &[]),
    ("ERR_OUT_OF_RANGE", "RangeError", &[]),
    ("ERR_DISPOSED", "Error", &[]),
    ("ERR_MOVED", "Error", &[]),
    ("ERR_LOCK_HELD", "Error", &[]),
    ("ERR_LOCK_TIMEOUT", "Error", &[]),
    ("ERR_INVALID_TICKET", "Error", &[]),
    ("ERR_PROTECTION", "Error", &[]),
    ("ERR_BUFFER_TOO_LARGE", "RangeError", &[]),
];

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
    if code == "ERR_UNSUPPORTED" {
        return;
    }
    let Some((_, expected, fields)) = CODES.iter().find(|(known, ..)| *known == code) else {
        panic!("{by} threw with the undocumented code {code}: {message}");
    };
    assert_eq!(
        class, *expected,
        "{by} threw {code} as a {class}: {message}"
    );
    assert!(!message.is_empty(), "{by} threw {code} without a message");
    let kind_of = |field: &str| {
        with(|engine| match engine.find(error, field) {
            Some(Property::Value(value)) => match engine.get(value) {
                Value::Number(_) => Some('n'),
                Value::BigInt { .. } => Some('b'),
                Value::String(_) => Some('s'),
                _ => None,
            },
            _ => None,
        })
    };
    for (field, kind) in *fields {
        assert_eq!(
            kind_of(field),
            Some(*kind),
            "{by} threw {code} with a wrong {field}"
        );
    }
    if code == "ERR_IO" {
        assert!(
            kind_of("errno") == Some('n') || kind_of("kind") == Some('s'),
            "{by} threw ERR_IO without errno and kind"
        );
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
