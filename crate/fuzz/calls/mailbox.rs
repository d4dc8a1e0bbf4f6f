//! The mailbox of the door, opened once for all programs, as `lib/` does for a thread.

use crate::engine::{self, Handle, Kind, Outcome, Property, Value, with};
use napi::sys::{TypedarrayType, napi_typedarray_type};

/// Words of 64 bits: what is asked for, and behind it room for bytes.
const WORDS: usize = 8 + 64;
pub const BYTES_FROM: usize = 8 * 8;
pub const ROOM: usize = WORDS * 8 - BYTES_FROM;

/// What `lib/` asks for, in its order.
const TABLE: &str = include_str!("../../../lib/fast/mailbox.ts");

pub struct Mailbox {
    buffer: Handle,
    ask: Handle,
    ask_with: Handle,
    number_of: Handle,
    pub operations: Vec<String>,
}

impl Mailbox {
    pub fn open(open: Handle) -> Self {
        let operations = operations();
        let buffer = with(|engine| engine.add_buffer(WORDS * 8));
        let words = view(buffer, TypedarrayType::biguint64_array, 0, WORDS * 8);
        let names = with(|engine| {
            let names = operations
                .iter()
                .map(|name| Property::Value(engine.add_string(name)))
                .collect();
            engine.add_object(Kind::Array(names))
        });
        let functions = engine::call(open, Handle::UNDEFINED, &[words, names])
            .expect("a mailbox for the operations of lib/");
        let [ask, ask_with, number_of] = with(|engine| match &engine.object(functions)?.kind {
            Kind::Array(functions) => match functions[..] {
                [
                    Property::Value(ask),
                    Property::Value(ask_with),
                    Property::Value(number_of),
                ] => Some([ask, ask_with, number_of]),
                _ => None,
            },
            _ => None,
        })
        .expect("three functions");
        Self {
            buffer,
            ask,
            ask_with,
            number_of,
            operations,
        }
    }

    /// Gives an object the number by which it is asked.
    pub fn number_of(&self, object: Handle) -> Option<f64> {
        let Ok(number) = engine::call(self.number_of, Handle::UNDEFINED, &[object]) else {
            with(|engine| engine.pending = None);
            return None;
        };
        with(|engine| match engine.get(number) {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    pub fn set(&self, word: usize, value: u64) {
        let start = with(|engine| engine.backing(self.buffer).expect("the box").start);
        assert!(word < WORDS);
        // SAFETY: the buffer has so many words, and nobody else looks at them now.
        unsafe { start.cast::<u64>().add(word).write_unaligned(value) };
    }

    /// Returns the bytes that an operation finds in the box.
    pub fn bytes(&self, count: usize) -> Handle {
        view(
            self.buffer,
            TypedarrayType::uint8_array,
            BYTES_FROM,
            count.min(ROOM),
        )
    }

    /// Asks, about the bytes of an array if there is one.
    pub fn ask(&self, array: Option<Handle>) -> Outcome {
        match array {
            Some(array) => engine::call(self.ask_with, Handle::UNDEFINED, &[array]),
            None => engine::call(self.ask, Handle::UNDEFINED, &[]),
        }
    }
}

fn view(buffer: Handle, kind: napi_typedarray_type, offset: usize, length: usize) -> Handle {
    with(|engine| {
        engine.add_object(Kind::View {
            kind: Some(kind),
            buffer,
            offset,
            length,
        })
    })
}

fn operations() -> Vec<String> {
    let (_, list) = TABLE
        .split_once("const OPERATIONS = [")
        .expect("the list of operations");
    let (list, _) = list.split_once(']').expect("its end");
    let names = list.split('\'').skip(1).step_by(2);
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(!names.is_empty(), "the list names operations");
    names
}
