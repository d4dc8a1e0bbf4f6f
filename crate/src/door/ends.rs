//! What tells fast paths that a mapping was released.

use std::ptr;

use napi_derive::napi;

use crate::memory::sections::{self, Cells};
use crate::memory::zero_copy;
use crate::node::error::{BindingError, Result};
use crate::node::external::{self, Span};
use crate::node::identity::Handle;
use crate::node::reference::Function;
use crate::node::value::Value;

/// Returns a buffer of two integers of this thread: whether something has ended, and how often a copy has begun or ended.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn end_cells() -> Result<Handle> {
    let cells = sections::cells()
        .ok_or_else(|| BindingError::unsupported("This thread has no environment"))?;
    let span = Span {
        start: ptr::from_ref(cells).cast_mut().cast(),
        length: size_of::<Cells>(),
    };
    external::array_buffer(span, cells).map(Handle)
}

/// Closes the windows of this thread on what was released, and returns their buffers.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn close_windows() -> Result<Vec<Handle>> {
    zero_copy::close_windows()
}

thread_local! {
    /// The function that closes the windows of this thread.
    static ENDED: Function = const { Function::none() };
}

/// Sets the function of this thread that is called when something has ended.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn answer_ends(ended: Value) -> Result<()> {
    let ended = ended.function("ended")?;
    ENDED.with(|function| function.set(ended))
}

/// Forgets the function of an environment that has ended.
pub fn clear() {
    ENDED.with(Function::clear);
}

/// Has the windows of this thread closed.
pub fn deliver() {
    drop(ENDED.with(|function| function.call(&[])));
}
