//! A file and an offset in it (upstream `guest_memory.rs`).

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use napi::bindgen_prelude::This;
use operations::napi;

use crate::io::{descriptor, duplicate};
use crate::node::error::{BindingError, Result};
use crate::node::identity::{self, Handle};
use crate::node::object::check_new;
use crate::node::value::{BigU64, Value};

/// A file, and the offset in the file at which a mapping starts.
///
/// Holds its own duplicate of the descriptor, which is closed when nothing uses it any more. Mappings of one
/// `FileOffset` share this duplicate, and keep it open after the object was disposed of. Make one `FileOffset` for each
/// file and use it again: each one that is made from a descriptor keeps one more descriptor open, until it is disposed
/// of or collected. (`FileOffset`)
///
/// @example
/// ```ts
/// import { closeSync } from 'node:fs'
/// import { FileOffset, GuestMemoryMmap, memfdCreate } from 'vm-memory'
///
/// const fd = memfdCreate('ram', 0x10_0000)
/// using file = new FileOffset(fd, 0x1_0000)
/// closeSync(fd)
/// const memory = GuestMemoryMmap.fromRanges([[0, 0x1000, file]])
/// console.log(memory.lastAddr) // 4095n
/// ```
#[napi]
pub struct FileOffset {
    /// None once the object was disposed of.
    file: RefCell<Option<vm_memory::FileOffset>>,
}

impl FileOffset {
    fn of(file: vm_memory::FileOffset) -> Self {
        Self {
            file: RefCell::new(Some(file)),
        }
    }

    /// Makes an object for the file of a mapping.
    pub fn make(file: vm_memory::FileOffset) -> Result<Handle> {
        identity::object_of(Self::of(file))
    }

    pub fn from_value<'call>(value: Value, name: &str) -> Result<&'call Self> {
        value.instance(name)
    }

    /// Takes an argument that may be absent or `null`.
    pub fn optional(value: Value) -> Result<Option<vm_memory::FileOffset>> {
        value
            .nullable()
            .map(|file| Self::from_value(file, "file")?.upstream())
            .transpose()
    }

    pub fn upstream(&self) -> Result<vm_memory::FileOffset> {
        let file = self.file.borrow().clone();
        file.ok_or_else(|| BindingError::disposed("FileOffset"))
    }
}

/// Lets `look` have a descriptor of the caller, which is neither duplicated nor closed: to close a duplicate would give up the locks
/// that this process has on the file.
pub fn with_borrowed_file<R>(
    fd: RawFd,
    start: u64,
    look: impl FnOnce(&vm_memory::FileOffset) -> R,
) -> R {
    // SAFETY: it is not -1, and given back below. That the caller keeps it open during the call is theirs to see to; otherwise the
    // system calls answer EBADF, or act on what took its place.
    let file = Arc::new(unsafe { File::from_raw_fd(fd) });
    let result = look(&vm_memory::FileOffset::from_arc(Arc::clone(&file), start));
    // Nobody else has it any more: it would be closed with the last one.
    let _still_open = Arc::into_inner(file).map(IntoRawFd::into_raw_fd);
    result
}

/// The files of one call that takes a file of any kind where a `FileOffset` is taken.
#[derive(Default)]
pub struct Files(Vec<(RawFd, Arc<File>)>);

impl Files {
    /// Takes an argument that may be absent or `null`. A file that is no `FileOffset` is mapped from its start; its descriptor
    /// is duplicated, once for each call, so that `fdsOverlap` sees the mappings of one as those of one file.
    pub fn take(&mut self, value: Value) -> Result<Option<vm_memory::FileOffset>> {
        let Some(value) = value.nullable() else {
            return Ok(None);
        };
        if let Some(file) = value.try_instance::<FileOffset>() {
            return file.upstream().map(Some);
        }
        let fd = descriptor(value, "file")?;
        let known = self.0.iter().find(|(known, _)| *known == fd);
        let file = if let Some((_, file)) = known {
            Arc::clone(file)
        } else {
            let file = Arc::new(File::from(duplicate(fd)?));
            self.0.push((fd, Arc::clone(&file)));
            file
        };
        Ok(Some(vm_memory::FileOffset::from_arc(file, 0)))
    }
}

#[napi]
impl FileOffset {
    /// Duplicates the descriptor (`FileOffset::new`), or shares the duplicate of another `FileOffset`
    /// (`FileOffset::from_arc`), so that `fdsOverlap` sees mappings of both as mappings of one file.
    ///
    /// @param file an open file, or another `FileOffset`
    /// @param start the offset in the file at which a mapping starts, in bytes; a mapping needs a multiple of the page
    /// size
    /// @throws `ERR_IO` with `errno` if the descriptor cannot be duplicated; `ERR_DISPOSED`
    #[napi(constructor, catch_unwind, ts_args_type = "file: FileLike, start: U64")]
    pub fn new(this: This, file: Value, start: Value) -> Result<Self> {
        check_new::<Self>("FileOffset", &this)?;
        let start = start.u64("start")?;
        if let Some(other) = file.try_instance::<Self>() {
            let file = Arc::clone(other.upstream()?.arc());
            return Ok(Self::of(vm_memory::FileOffset::from_arc(file, start)));
        }
        let file: OwnedFd = duplicate(descriptor(file, "file")?)?;
        Ok(Self::of(vm_memory::FileOffset::new(file.into(), start)))
    }

    /// The offset in the file at which a mapping starts, in bytes. (`start`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(getter, catch_unwind, ts_return_type = "bigint")]
    pub fn start(&self) -> Result<BigU64> {
        Ok(BigU64(self.upstream()?.start()))
    }

    /// The duplicate of the descriptor. It belongs to this object: do not close it. (`file`)
    ///
    /// @throws `ERR_DISPOSED`
    #[napi(getter, catch_unwind)]
    pub fn fd(&self) -> Result<i32> {
        Ok(self.upstream()?.file().as_raw_fd())
    }

    /// Releases the duplicate of the descriptor, which is closed now, or with the last mapping of the file. Any later
    /// use throws `ERR_DISPOSED`; a second `dispose` does nothing. (`Drop`)
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        // Dropped after the borrow: closing takes its time.
        drop(self.file.take());
    }
}
