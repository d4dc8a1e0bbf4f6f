//! Native memory as the bytes of an `ArrayBuffer`.
//!
//! A buffer keeps the owner of its bytes, and its finalizer releases the owner. Node runs the finalizer when the bytes
//! are gone. But Node also runs it at the end of the environment, when other threads may still have the bytes:
//!
//! ```text
//!   buffer ── transfer() ──► stolen ── postMessage ──► another thread
//!      ▲                        │
//!      │ detached, or gone      └──── the same bytes, of which Node knows nothing
//!      │
//!   finalizer, at the end of the environment: the owner must stay
//! ```
//!
//! So each environment looks at its buffers once more before Node does. If a buffer still has its bytes, nobody else
//! has them. If it has lost them, or is gone, another thread may read them as long as the process lives. Where the engine tells
//! whether anybody still has the bytes (`backing_store.rs`), their owner is kept for ever if so. Where it does not, the owner is
//! kept in any case: a process with an address range too few is better than one that is killed by a read.
//!
//! The bytes of a buffer that was collected are freed some milliseconds later, in another thread. The look waits for that.
//!
//! A cleanup hook would look too late: newer versions of Node finalize buffers before they call any hook. But all
//! versions begin with the buffer that was made last. That is the *sentinel*: a byte that nobody sees, made anew behind
//! each buffer, and not collected while it is the last one. Its finalizer runs at the end of the environment, before
//! all others. (A sentinel costs 0.6 µs, beside 1.4 µs for the buffer.)
//!
//! ```text
//!   made:       A  sentinel 1  B  sentinel 2  C  sentinel 3
//!   finalized:  sentinel 3, which looks at A, B and C; then C, B, A (sentinels 1 and 2 are garbage)
//! ```

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use napi::sys;

use crate::node::backing_store::WeakStore;
use crate::node::environment;
use crate::node::error::{BindingError, Error, Result, check};
use crate::node::symbol::symbol;
use crate::node::value::Value;

/// The bytes that a buffer shows.
#[derive(Clone, Copy)]
pub struct Span {
    pub start: *mut u8,
    pub length: usize,
}

/// The owner of the bytes: they stay where they are until it is dropped. Any thread may finalize a buffer, and so drop
/// its owner.
type Owner = Box<dyn Send>;

/// The owner that a buffer keeps, shared by the code that makes the buffer and by its finalizer. If an engine fails to
/// make a buffer, it is not known whether and when it runs the finalizer. So the code that makes the buffer takes the
/// owner back, and a finalizer that never comes leaks no more than this.
struct Hint {
    owner: Mutex<Option<Owner>>,
}

impl Hint {
    fn new(owner: impl Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            owner: Mutex::new(Some(Box::new(owner))),
        })
    }

    fn take(&self) -> Option<Owner> {
        self.owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn is_released(&self) -> bool {
        self.owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    /// Releases the bytes.
    fn release(&self) {
        // Dropped after the lock: unmapping takes its time.
        drop(self.take());
    }

    /// Keeps the bytes as long as the process lives.
    fn keep_for_ever(&self) {
        if let Some(owner) = self.take() {
            std::mem::forget(owner);
            KEPT.fetch_add(1, Ordering::Relaxed);
        }
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
    // SAFETY: it is the hint that `array_buffer` gave away, and a finalizer runs once.
    unsafe { Hint::take_over(hint) }.release();
}

/// The owners that are kept as long as the process lives.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// Returns how many owners of bytes are kept as long as the process lives.
pub fn kept_for_ever() -> u32 {
    KEPT.load(Ordering::Relaxed)
}

thread_local! {
    /// Only of Node it is known that it runs finalizers while others have the bytes.
    static IS_NODE: Cell<bool> = const { Cell::new(false) };
}

/// Looks at the runtime, when an environment loads the addon.
pub fn know_runtime() -> Result<()> {
    let versions = Value::global()?
        .property(c"process")?
        .property(c"versions")?;
    let is_node =
        versions.property(c"bun")?.is_undefined() && versions.property(c"deno")?.is_undefined();
    IS_NODE.set(is_node);
    Ok(())
}

/// A buffer that may lose its owner before it is collected.
pub struct Revocable(Weak<Hint>);

impl Revocable {
    /// Lets go of the bytes, which nobody may read or write any more.
    pub fn revoke(&self) {
        if let Some(hint) = self.0.upgrade() {
            hint.release();
        }
    }

    /// Whether that has happened, or the buffer is gone.
    pub fn is_revoked(&self) -> bool {
        self.0.upgrade().is_none_or(|hint| hint.is_released())
    }
}

/// Makes an `ArrayBuffer` that keeps the owner of its bytes.
pub fn array_buffer(span: Span, owner: impl Send + 'static) -> Result<sys::napi_value> {
    revocable_buffer(span, owner).map(|(buffer, _)| buffer)
}

/// Makes an `ArrayBuffer` that keeps the owner of its bytes until that is revoked.
pub fn revocable_buffer(
    span: Span,
    owner: impl Send + 'static,
) -> Result<(sys::napi_value, Revocable)> {
    let env = environment::current();
    check_possible(env, span)?;
    let hint = Hint::new(owner);
    let mut buffer = ptr::null_mut();
    // SAFETY: the bytes are there until `finalize` drops the owner. (Directly, not by the glue,
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
        // A buffer that cannot be watched is not handed out, and nobody else has it.
        watch(env, buffer, span, &hint).inspect_err(|_| hint.release())?;
        return Ok((buffer, Revocable(Arc::downgrade(&hint))));
    }
    hint.release();
    Err(if status == sys::Status::napi_no_external_buffers_allowed {
        BindingError::unsupported("This runtime forbids external buffers")
    } else {
        Error::Node(status)
    })
}

/// A buffer of this thread, with the hint of its finalizer.
struct Watched {
    /// A weak reference.
    buffer: sys::napi_ref,
    hint: Weak<Hint>,
    /// None where the engine does not tell.
    store: Option<WeakStore>,
}

/// The buffers of an environment. Finalized ones are swept out as the list grows.
struct Buffers {
    watched: Vec<Watched>,
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 64;

impl Buffers {
    const fn new() -> Self {
        Self {
            watched: Vec::new(),
            sweep_at: FIRST_SWEEP,
        }
    }

    fn push(&mut self, env: sys::napi_env, watched: Watched) {
        self.watched.push(watched);
        if self.watched.len() >= self.sweep_at {
            self.sweep(env);
        }
    }

    fn sweep(&mut self, env: sys::napi_env) {
        self.watched.retain(|Watched { buffer, hint, .. }| {
            let is_finalized = hint.upgrade().is_none_or(|hint| hint.is_released());
            if is_finalized {
                // SAFETY: a reference of this environment, which nobody uses any more.
                unsafe { sys::napi_delete_reference(env, *buffer) };
            }
            !is_finalized
        });
        self.sweep_at = (self.watched.len() * 2).max(FIRST_SWEEP);
    }
}

/// The sentinel behind the last buffer of an environment.
#[derive(Clone, Copy)]
struct Sentinel {
    /// Tells the sentinel from those before it, which are garbage, and from those of other threads.
    number: usize,
    /// A strong reference.
    buffer: sys::napi_ref,
}

const NO_SENTINEL: Sentinel = Sentinel {
    number: 0,
    buffer: ptr::null_mut(),
};

thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
    static SENTINEL: Cell<Sentinel> = const { Cell::new(NO_SENTINEL) };
}

/// How many sentinels were made in this process.
static SENTINELS: AtomicUsize = AtomicUsize::new(0);

/// The byte of all sentinels. Nobody reads or writes it.
static BYTE: u8 = 0;

/// Adds a new buffer to those that are looked at when the environment ends. Borrows nothing while the engine makes
/// objects, since engines may run finalizers then.
fn watch(env: sys::napi_env, buffer: sys::napi_value, span: Span, hint: &Arc<Hint>) -> Result<()> {
    place_sentinel(env)?;
    let watched = Watched {
        store: IS_NODE
            .get()
            .then(|| WeakStore::of(buffer, span.start))
            .flatten(),
        buffer: reference(env, buffer, 0)?,
        hint: Arc::downgrade(hint),
    };
    BUFFERS.with_borrow_mut(|buffers| buffers.push(env, watched));
    Ok(())
}

/// Makes a reference to an object, which keeps it alive if `count` is not 0.
pub fn reference(env: sys::napi_env, object: sys::napi_value, count: u32) -> Result<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    // SAFETY: the object is one of this environment.
    check(unsafe { sys::napi_create_reference(env, object, count, &raw mut reference) })?;
    Ok(reference)
}

/// Makes a sentinel behind the last buffer, and drops the one before.
fn place_sentinel(env: sys::napi_env) -> Result<()> {
    let number = SENTINELS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut buffer = ptr::null_mut();
    // SAFETY: the byte is there for ever, and nobody gets the buffer to write it.
    check(unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            (&raw const BYTE).cast_mut().cast(),
            size_of_val(&BYTE),
            Some(look),
            ptr::without_provenance_mut(number),
            &raw mut buffer,
        )
    })?;
    let buffer = reference(env, buffer, 1)?;
    let before = SENTINEL.replace(Sentinel { number, buffer });
    if !before.buffer.is_null() {
        // SAFETY: a reference of this environment, which nobody uses any more.
        unsafe { sys::napi_delete_reference(env, before.buffer) };
    }
    Ok(())
}

/// Finalizes a sentinel. The last sentinel of an environment lives until that ends, so its finalizer looks at all
/// buffers, on their thread.
unsafe extern "C" fn look(env: sys::napi_env, _data: *mut c_void, number: *mut c_void) {
    if number.addr() != SENTINEL.get().number {
        return;
    }
    SENTINEL.set(NO_SENTINEL);
    let mut gone = Vec::new();
    for Watched {
        buffer,
        hint,
        store,
    } in BUFFERS.replace(Buffers::new()).watched
    {
        let Some(hint) = hint.upgrade() else {
            continue;
        };
        if !hint.is_released() && is_detached(env, buffer).unwrap_or(IS_NODE.get()) {
            gone.push((hint, store));
        }
    }
    keep_stolen(gone);
}

/// Keeps the owners of those bytes that somebody still has, or may have.
fn keep_stolen(mut gone: Vec<(Arc<Hint>, Option<WeakStore>)>) {
    let is_live =
        |(_, store): &(_, Option<WeakStore>)| store.as_ref().is_none_or(WeakStore::is_live);
    let until = Instant::now() + FREED_AFTER;
    loop {
        gone.retain(is_live);
        let is_to_be_known = gone.iter().any(|(_, store)| store.is_some());
        if !is_to_be_known || Instant::now() >= until {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    for (hint, _) in gone {
        hint.keep_for_ever();
    }
}

/// The time that an engine takes, at most, to free the bytes of collected buffers, in another thread. (A collection of
/// 3000 buffers takes less than 2 ms; on a busy machine that thread may have to wait for more than 5.)
const FREED_AFTER: Duration = Duration::from_millis(100);

/// Tells whether somebody has taken the bytes of a buffer away; None if the buffer is gone.
fn is_detached(env: sys::napi_env, reference: sys::napi_ref) -> Option<bool> {
    let mut scope = ptr::null_mut();
    let mut buffer = ptr::null_mut();
    let mut is_detached = true;
    // SAFETY: `env` is the environment of this thread, the reference is one of it, and its object is
    // not used beyond the scope.
    unsafe {
        if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
            return Some(true);
        }
        sys::napi_get_reference_value(env, reference, &raw mut buffer);
        if !buffer.is_null() {
            sys::napi_is_detached_arraybuffer(env, buffer, &raw mut is_detached);
        }
        sys::napi_close_handle_scope(env, scope);
    }
    (!buffer.is_null()).then_some(is_detached)
}

/// Forgets the buffers of an environment that has ended.
pub fn clear() {
    BUFFERS.replace(Buffers::new());
    SENTINEL.set(NO_SENTINEL);
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
    let symbol = symbol(c"node_api_create_external_sharedarraybuffer")?;
    // SAFETY: the function of that name has this signature, in every engine that has it.
    Some(unsafe { std::mem::transmute::<NonNull<c_void>, CreateExternalSharedArrayBuffer>(symbol) })
});

/// Releases the bytes of a shared buffer. Runs when the last buffer on them is gone, on any thread, and not at the end of
/// an environment: these buffers need no watch.
unsafe extern "C" fn finalize_shared(_data: *mut c_void, hint: *mut c_void) {
    // SAFETY: it is the hint that `shared_array_buffer` gave away, and a finalizer runs once. What
    // it owns may be dropped by any thread.
    unsafe { Hint::take_over(hint) }.release();
}

/// Makes a `SharedArrayBuffer` that keeps the owner of its bytes.
pub fn shared_array_buffer(span: Span, owner: impl Send + 'static) -> Result<sys::napi_value> {
    let Some(create) = *CREATE_SHARED else {
        return Err(BindingError::unsupported(
            "This runtime cannot make a SharedArrayBuffer of memory of an addon",
        ));
    };
    let env = environment::current();
    check_possible(env, span)?;
    let hint = Hint::new(owner);
    let mut buffer = ptr::null_mut();
    // SAFETY: the bytes are there until `finalize_shared` drops the owner.
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
    .inspect_err(|_| hint.release())?;
    Ok(buffer)
}

thread_local! {
    /// The shortest length that this engine is known to refuse.
    static TOO_LONG: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Engines have always made buffers up to this length.
const SURELY_POSSIBLE: usize = (1 << 31) - 1;

/// Checks that the engine makes buffers of this length. The engine is asked without a finalizer, since engines differ
/// in what they do with the finalizer when they refuse.
fn check_possible(env: sys::napi_env, span: Span) -> Result<()> {
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
