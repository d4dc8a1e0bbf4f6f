//! The letter: a few bytes that `lib/` writes arguments into before it calls, and that are read here.
//!
//! A value that is handed to a native function costs some 20 ns: the engine wraps it, and Node-API unwraps it. A store
//! in a typed array costs one. So the functions that are called for single stores take no arguments.

use std::cell::Cell;
use std::ptr;

use napi::sys;
use napi_derive::napi;

use crate::node::buffer::TypedArray;
use crate::node::error::{BindingError, Result};
use crate::node::reference::Function;
use crate::node::value::Value;

/// The words of a letter: offset and kind as doubles, and a value, which is a double as well or has 64 bits.
const WORDS: usize = 3;

/// What was written into the letter.
pub struct Letter {
    pub offset: usize,
    pub kind: usize,
    /// The lowest 64 bits of the value.
    pub value: u64,
}

thread_local! {
    static WORDS_AT: Cell<*const u64> = const { Cell::new(ptr::null()) };
    /// Keeps the array.
    static KEPT: Function = const { Function::none() };
}

/// Lets an array of `lib/` be the letter of this thread. Nobody else has it, so nobody can detach it.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn take_letter(words: Value) -> Result<()> {
    let array = TypedArray::from_value(words, "words")?;
    if array.kind != sys::TypedarrayType::biguint64_array || array.len() != WORDS {
        return Err(BindingError::out_of_range("The letter has another length"));
    }
    KEPT.with(|kept| kept.set(words))?;
    WORDS_AT.set(array.bytes.start().cast());
    Ok(())
}

/// Forgets the letter of an environment that has ended.
pub fn clear() {
    WORDS_AT.set(ptr::null());
    KEPT.with(Function::clear);
}

/// Reads the letter of this thread; None if there is none.
pub fn read() -> Option<Letter> {
    let words = WORDS_AT.get();
    if words.is_null() {
        return None;
    }
    // SAFETY: the array has so many words, is kept by the reference, and JavaScript, which runs in this thread, is
    // waiting for us.
    let [offset, kind, value] = unsafe { words.cast::<[u64; WORDS]>().read_unaligned() };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is no index saturates, and is refused by the store"
    )]
    let [offset, kind] = [offset, kind].map(|word| f64::from_bits(word) as usize);
    Some(Letter {
        offset,
        kind,
        value: match kind & 15 {
            8 => value,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an integer of at most 32 bits, whose type was checked"
            )]
            _ => (f64::from_bits(value) as i64).cast_unsigned(),
        },
    })
}
