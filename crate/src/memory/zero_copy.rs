//! Guest memory as `ArrayBuffer`s.
//!
//! There is one external buffer for each mapping and thread. It is made on first use, and held weakly here. The buffer
//! keeps the mapping alive (see [`external`]). Nothing is unmapped when a buffer is detached: the bytes may have been
//! transferred to another buffer, or a read into them may be under way.
//!
//! The engine counts the whole length of a buffer as memory of its collector. Taking that back with
//! `napi_adjust_external_memory` saves collections. But newer engines end the process when their count falls below
//! zero, as it does between the end of a buffer and its finalizer.

use std::cell::RefCell;
use std::ptr;
use std::sync::{Arc, Weak};

use napi::sys;
use vm_memory::{GuestAddress, VolatileMemory};

use crate::memory::lease::{Lease, Range};
use crate::memory::mapping::{
    Access, Mapping, Memory, OwnedSlice, Owner, Protection, arc_of, is_owned,
};
use crate::memory::sections;
use crate::memory::target::{Pieces, Target, all};
use crate::node::environment;
use crate::node::error::{BindingError, Result, check};
use crate::node::external::{self, Revocable, Span};
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
            owned: is_owned(mapping),
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<WeakTable<Key>> = RefCell::default();
    static SHARED_BUFFERS: RefCell<WeakTable<Key>> = RefCell::default();
}

fn permit(protection: Protection) -> Result<()> {
    protection.permit(Access::View, || "it as a buffer".to_owned())
}

/// What a buffer keeps: the addresses, which a released mapping would unmap, and the mapping.
#[expect(dead_code, reason = "they are there to be there")]
struct Shown {
    // First: a mapping unmaps what nobody else has.
    range: Arc<Range>,
    owner: Owner,
}

impl Shown {
    fn of(owner: &Owner) -> Result<Self> {
        Ok(Self {
            range: owner.lease()?.range()?,
            owner: owner.clone(),
        })
    }
}

/// Returns the key of a mapping, and the bytes that its buffer shows.
fn span(owner: &Owner) -> Result<(Key, Span)> {
    owner.with(|mapping| {
        mapping.bitmap().lease().check()?;
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
    let buffer = external::array_buffer(span, Shown::of(owner)?)?;
    BUFFERS.with_borrow_mut(|buffers| buffers.insert(key, buffer, ()))?;
    Ok(Handle(buffer))
}

/// A buffer that nobody has but the fast paths of this thread.
struct Window {
    /// A weak reference.
    buffer: sys::napi_ref,
    revocable: Revocable,
    lease: Weak<Lease>,
    /// How often the host had lost something of the memory when the window was made.
    faults: u64,
}

impl Window {
    /// Whether nobody may look through it any more. What was lost since may have been healed, too: nobody knows whether an access
    /// was in between.
    fn is_over(&self) -> bool {
        let is_over = |lease: &Lease| lease.is_closed() || lease.faults() != self.faults;
        self.lease.upgrade().is_some_and(|lease| is_over(&lease))
    }

    fn forget(&self, env: sys::napi_env) {
        // SAFETY: a reference of this environment, which nobody uses any more.
        unsafe { sys::napi_delete_reference(env, self.buffer) };
    }
}

/// The windows of an environment. Those that were collected are swept out as the list grows.
struct Windows {
    open: Vec<Window>,
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 64;

thread_local! {
    static WINDOWS: RefCell<Windows> = const {
        RefCell::new(Windows { open: Vec::new(), sweep_at: FIRST_SWEEP })
    };
}

/// Makes a buffer on a slice for the fast paths, which close it when the mapping is released, or has lost something.
pub fn window(slice: &OwnedSlice) -> Result<Handle> {
    permit(slice.protection)?;
    sections::listen()?;
    let env = environment::current();
    let (start, length) = (slice.start(), slice.slice.len());
    let shown = Shown::of(&slice.owner)?;
    let (buffer, revocable) = external::revocable_buffer(Span { start, length }, shown)?;
    let window = Window {
        buffer: external::reference(env, buffer, 0)?,
        revocable,
        lease: Arc::downgrade(&slice.lease),
        faults: slice.lease.faults(),
    };
    WINDOWS.with_borrow_mut(|windows| {
        windows.open.push(window);
        if windows.open.len() >= windows.sweep_at {
            windows.open.retain(|window| {
                let is_gone = window.revocable.is_revoked();
                if is_gone {
                    window.forget(env);
                }
                !is_gone
            });
            windows.sweep_at = (windows.open.len() * 2).max(FIRST_SWEEP);
        }
    });
    // Now that it is known that the window would be closed.
    if slice.lease.is_closed() {
        return Err(BindingError::unsupported("This memory has no windows"));
    }
    Ok(Handle(buffer))
}

/// Closes the windows of this thread on what was released, or is lost in part. Returns their buffers, whose bytes nobody may
/// touch any more.
pub fn close_windows() -> Result<Vec<Handle>> {
    let env = environment::current();
    // First: what is released or lost from here on is told again.
    sections::heed();
    let ended: Vec<_> = WINDOWS.with_borrow_mut(|windows| {
        windows
            .open
            .extract_if(.., |window| window.is_over())
            .collect()
    });
    let mut buffers = Vec::new();
    for window in &ended {
        let mut buffer = ptr::null_mut();
        // SAFETY: a reference of this environment.
        check(unsafe { sys::napi_get_reference_value(env, window.buffer, &raw mut buffer) })?;
        if !buffer.is_null() {
            buffers.push(Handle(buffer));
        }
        window.forget(env);
        window.revocable.revoke();
    }
    Ok(buffers)
}

/// Returns the one `SharedArrayBuffer` of a mapping in this thread.
pub fn shared_buffer(owner: &Owner) -> Result<Handle> {
    let (key, span) = span(owner)?;
    if let Some(buffer) = SHARED_BUFFERS.with_borrow(|buffers| buffers.find(&key)) {
        return Ok(Handle(buffer));
    }
    let buffer = external::shared_array_buffer(span, Shown::of(owner)?)?;
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
    WINDOWS.with_borrow_mut(|windows| windows.open.clear());
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
            let buffer = external::array_buffer(Span { start, length }, Shown::of(owner)?)?;
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
    all::<Memory>(address, count, found)?;
    let pieces: Vec<_> = Pieces::new(memory, address, count).collect();
    for (region, ..) in &pieces {
        region.bitmap().lease().check()?;
        permit(Protection(region.prot()))?;
    }
    pieces
        .into_iter()
        .map(|(region, offset, length)| view(&Owner::Region(arc_of(region)), offset, length))
        .collect()
}
