//! Guest memory as `ArrayBuffer`s.
//!
//! There is one external buffer for each mapping and thread. It is made on first use, and held weakly here. The buffer
//! keeps the mapping alive; only the finalizer of the buffer releases the mapping. Nothing is unmapped when a buffer is
//! detached: the bytes may have been transferred to another buffer, or a read into them may be under way.
//!
//! The engine counts the whole length of a buffer as memory of its collector. Taking that back with
//! `napi_adjust_external_memory` saves collections. But newer engines end the process when their count falls below
//! zero, as it does between the end of a buffer and its finalizer.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use napi::sys;
use vm_memory::{GuestAddress, VolatileMemory};

use crate::memory::mapping::{Access, Mapping, Memory, OwnedSlice, Owner, Protection, arc_of};
use crate::memory::target::{Pieces, Target};
use crate::node::environment;
use crate::node::error::{BindingError, Error, Result, check};
use crate::node::identity::Handle;
use crate::node::value::Value;
use crate::node::weak_table::WeakTable;

/// The key that tells mappings apart. Owned mappings lie at different places for as long as they live. The others stay
/// mapped as long as the code that made them wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    start: usize,
    size: usize,
    owned: bool,
}

impl Key {
    fn of(mapping: &Mapping) -> Self {
        Self {
            start: mapping.as_ptr().addr(),
            size: mapping.size(),
            owned: mapping.owned(),
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<WeakTable<Key>> = RefCell::default();
    static SHARED_BUFFERS: RefCell<WeakTable<Key>> = RefCell::default();
    /// The shortest length that this engine is known to refuse.
    static TOO_LONG: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Engines have always made buffers up to this length.
const SURELY_POSSIBLE: usize = (1 << 31) - 1;

/// The bytes of a mapping that a buffer shows.
struct Span {
    start: *mut u8,
    length: usize,
}

fn permit(protection: Protection) -> Result<()> {
    protection.permit(Access::View, || "it as a buffer".to_owned())
}

/// Returns the key of a mapping, and the bytes that its buffer shows.
fn span(owner: &Owner) -> Result<(Key, Span)> {
    owner.with(|mapping| {
        permit(Protection(mapping.prot()))?;
        let (start, length) = (mapping.as_ptr(), mapping.size());
        Ok((Key::of(mapping), Span { start, length }))
    })?
}

/// Returns the one `ArrayBuffer` of a mapping in this thread.
pub fn buffer(owner: &Owner) -> Result<Handle> {
    let (key, span) = span(owner)?;
    if let Some(buffer) = cached(key) {
        return Ok(Handle(buffer));
    }
    let buffer = external(environment::current(), &span, owner.clone())?;
    BUFFERS.with_borrow_mut(|buffers| buffers.insert(key, buffer, ()))?;
    Ok(Handle(buffer))
}

/// Makes a buffer on a slice that nothing else refers to.
pub fn private_buffer(slice: &OwnedSlice) -> Result<Handle> {
    permit(slice.protection)?;
    let (start, length) = (slice.start(), slice.slice.len());
    let buffer = external(
        environment::current(),
        &Span { start, length },
        slice.owner.clone(),
    )?;
    Ok(Handle(buffer))
}

/// Returns the one `SharedArrayBuffer` of a mapping in this thread.
pub fn shared_buffer(owner: &Owner) -> Result<Handle> {
    let (key, span) = span(owner)?;
    if let Some(buffer) = SHARED_BUFFERS.with_borrow(|buffers| buffers.find(&key)) {
        return Ok(Handle(buffer));
    }
    let buffer = shared(environment::current(), &span, owner.clone())?;
    SHARED_BUFFERS.with_borrow_mut(|buffers| buffers.insert(key, buffer, ()))?;
    Ok(Handle(buffer))
}

/// Returns the buffer that was made before, unless it was collected or detached.
fn cached(key: Key) -> Option<sys::napi_value> {
    let buffer = BUFFERS.with_borrow(|buffers| buffers.find(&key))?;
    let mut detached = false;
    // SAFETY: the table holds buffers of this environment.
    unsafe { sys::napi_is_detached_arraybuffer(environment::current(), buffer, &raw mut detached) };
    (!detached).then_some(buffer)
}

/// Forgets the buffers of an environment that has ended.
pub fn clear() {
    BUFFERS.with_borrow_mut(WeakTable::clear);
    SHARED_BUFFERS.with_borrow_mut(WeakTable::clear);
}

/// Any thread may finalize a buffer, and so drop its owner.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Owner>();
};

/// The owner that a buffer keeps, shared by the code that makes the buffer and by its finalizer. If an engine fails to
/// make a buffer, it is not known whether and when it runs the finalizer. So the code that makes the buffer takes the
/// owner back, and a finalizer that never comes leaks no more than this.
struct Hint {
    owner: Mutex<Option<Owner>>,
}

impl Hint {
    fn new(owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            owner: Mutex::new(Some(owner)),
        })
    }

    /// Releases the memory.
    fn release(&self) {
        // Dropped after the lock: unmapping takes its time.
        let owner = self
            .owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(owner);
    }

    /// Turns a reference to the hint into a pointer for a finalizer.
    fn give_away(self: &Arc<Self>) -> *mut c_void {
        Arc::into_raw(Arc::clone(self)).cast_mut().cast()
    }

    /// # Safety
    ///
    /// `hint` was given away, and this is the one run of its finalizer.
    unsafe fn take_over(hint: *mut c_void) -> Arc<Self> {
        // SAFETY: see above.
        unsafe { Arc::from_raw(hint.cast_const().cast()) }
    }
}

unsafe extern "C" fn finalize(_: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the hint that `external` gave away, and a finalizer runs once.
    unsafe { Hint::take_over(hint) }.release();
}

/// Makes an external buffer that keeps `owner` alive.
fn external(env: sys::napi_env, span: &Span, owner: Owner) -> Result<sys::napi_value> {
    check_possible(env, span)?;
    let hint = Hint::new(owner);
    let mut buffer = ptr::null_mut();
    // SAFETY: the bytes stay mapped until `finalize` drops the owner. (Directly, not by the glue,
    // which would silently copy where external buffers are forbidden.)
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            span.start.cast(),
            span.length,
            Some(finalize),
            hint.give_away(),
            &raw mut buffer,
        )
    };
    if status == sys::Status::napi_ok {
        return Ok(buffer);
    }
    hint.release();
    Err(if status == sys::Status::napi_no_external_buffers_allowed {
        BindingError::unsupported("This runtime forbids external buffers")
    } else {
        Error::Node(status)
    })
}

type CreateExternalSharedArrayBuffer = unsafe extern "C" fn(
    env: sys::napi_env,
    data: *mut c_void,
    length: usize,
    finalize: unsafe extern "C" fn(*mut c_void, *mut c_void),
    hint: *mut c_void,
    result: *mut sys::napi_value,
) -> sys::napi_status;

/// A function that only newer engines have, looked up once.
static CREATE_SHARED: LazyLock<Option<CreateExternalSharedArrayBuffer>> = LazyLock::new(|| {
    // SAFETY: the name ends with a zero.
    let symbol = unsafe {
        libc::dlsym(
            libc::RTLD_DEFAULT,
            c"node_api_create_external_sharedarraybuffer".as_ptr(),
        )
    };
    // SAFETY: the function of that name has this signature, in every engine that has it.
    (!symbol.is_null()).then(|| unsafe {
        std::mem::transmute::<*mut c_void, CreateExternalSharedArrayBuffer>(symbol)
    })
});

/// Releases the memory of a buffer. May run on any thread, and after the environment that made the buffer has ended.
unsafe extern "C" fn finalize_shared(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the hint that `shared` gave away, and a finalizer runs once. What it owns may be
    // dropped by any thread.
    unsafe { Hint::take_over(hint) }.release();
}

/// Makes an external shared buffer that keeps `owner` alive.
fn shared(env: sys::napi_env, span: &Span, owner: Owner) -> Result<sys::napi_value> {
    let Some(create) = *CREATE_SHARED else {
        return Err(BindingError::unsupported(
            "This runtime cannot make a SharedArrayBuffer of memory of an addon",
        ));
    };
    check_possible(env, span)?;
    let hint = Hint::new(owner);
    let mut buffer = ptr::null_mut();
    // SAFETY: the bytes stay mapped until `finalize_shared` drops the owner.
    check(unsafe {
        create(
            env,
            span.start.cast(),
            span.length,
            finalize_shared,
            hint.give_away(),
            &raw mut buffer,
        )
    })
    .inspect_err(|_| {
        hint.release();
    })?;
    Ok(buffer)
}

/// Checks that the engine makes buffers of this length. The engine is asked without a finalizer, since engines differ
/// in what they do with the finalizer when they refuse.
fn check_possible(env: sys::napi_env, span: &Span) -> Result<()> {
    if span.length <= SURELY_POSSIBLE {
        return Ok(());
    }
    if span.length >= TOO_LONG.get() {
        return Err(BindingError::buffer_too_large(span.length));
    }
    let mut probe = ptr::null_mut();
    // SAFETY: the probe is dropped at once, and nobody accesses the bytes through it.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            span.start.cast(),
            span.length,
            None,
            ptr::null_mut(),
            &raw mut probe,
        )
    };
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    // Takes the exception away that the engine may have thrown.
    drop(Error::Node(status).into_value(env));
    TOO_LONG.set(span.length);
    Err(BindingError::buffer_too_large(span.length))
}

/// Makes a `Uint8Array` on a part of a buffer.
fn uint8_array(
    env: sys::napi_env,
    buffer: sys::napi_value,
    offset: usize,
    length: usize,
) -> Result<Handle> {
    let mut array = ptr::null_mut();
    // SAFETY: the part is within the buffer; the engine checks it again.
    check(unsafe {
        sys::napi_create_typedarray(
            env,
            sys::TypedarrayType::uint8_array,
            length,
            buffer,
            offset,
            &raw mut array,
        )
    })?;
    Ok(Handle(array))
}

/// Makes a view on `length` bytes of a mapping, which must be within it.
pub fn view(owner: &Owner, offset: usize, length: usize) -> Result<Handle> {
    let env = environment::current();
    match buffer(owner) {
        Ok(buffer) => uint8_array(env, buffer.0, offset, length),
        // A part may be possible where the whole is not.
        Err(error) if error.is_buffer_too_large() => {
            let start = owner.with(|mapping| mapping.as_ptr().wrapping_add(offset))?;
            let buffer = external(env, &Span { start, length }, owner.clone())?;
            uint8_array(env, buffer, 0, length)
        }
        Err(error) => Err(error),
    }
}

/// Makes a view on the part that JavaScript asks for; by default from the start to the end.
pub fn view_of_mapping(owner: &Owner, offset: Value, length: Value) -> Result<Handle> {
    let offset = offset
        .optional()
        .map_or(Ok(0), |offset| offset.usize("offset"))?;
    let length = length
        .optional()
        .map(|length| length.usize("length"))
        .transpose()?;
    let size = owner.with(Mapping::size)?;
    let length = match length {
        Some(length) => length,
        // An offset beyond the end is refused below.
        None => size.saturating_sub(offset),
    };
    owner.with(|mapping| mapping.get_slice(offset, length).map(|_| ()))??;
    view(owner, offset, length)
}

/// Makes a view on a slice.
pub fn view_of_slice(slice: &OwnedSlice) -> Result<Handle> {
    let start = slice.owner.with(|mapping| mapping.as_ptr().addr())?;
    view(
        &slice.owner,
        slice.start().addr() - start,
        slice.slice.len(),
    )
}

/// Makes views on `count` bytes of memory, one for each region that they cross.
pub fn views(memory: &Memory, address: GuestAddress, count: usize) -> Result<Vec<Handle>> {
    let found = memory.available(address, count)?;
    if found != count {
        return Err(Memory::partial(count, found).into());
    }
    let pieces: Vec<_> = Pieces::new(memory, address, count).collect();
    for (region, ..) in &pieces {
        permit(Protection(region.prot()))?;
    }
    pieces
        .into_iter()
        .map(|(region, offset, length)| view(&Owner::Region(arc_of(region)), offset, length))
        .collect()
}
