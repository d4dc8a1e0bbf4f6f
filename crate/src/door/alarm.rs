//! The cells that tell fast paths of faults.

use napi_derive::napi;

use crate::memory::faults::alarm::{Cells, cells};
use crate::node::error::Result;
use crate::node::external::{self, Span};
use crate::node::identity::Handle;

/// Returns a buffer of three integers: how many faults there were, how many mappings have lost something, and how often one was
/// healed.
#[napi(namespace = "door", skip_typescript, catch_unwind)]
pub fn alarm_cells() -> Result<Handle> {
    let span = Span {
        start: std::ptr::from_ref(cells()).cast_mut().cast(),
        length: size_of::<Cells>(),
    };
    external::array_buffer(span, cells()).map(Handle)
}
