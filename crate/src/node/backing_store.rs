//! Whether the bytes of an `ArrayBuffer` are still there, whoever has them: what Node-API does not tell.
//!
//! V8 keeps the bytes behind a `std::shared_ptr`. It moves along when a buffer is transferred, in this thread or to another,
//! and the bytes are freed with the last one:
//!
//! ```text
//!   buffer (detached)          buffer of another thread
//!                                      │ shared_ptr
//!                                      ▼
//!   WeakStore ── weak ──► strong: 1, weak: 2 ──► BackingStore ──► the bytes
//! ```
//!
//! V8 hands that pointer out (`v8::ArrayBuffer::GetBackingStore`, exported by all versions of Node), and a count of its holders
//! says what is to be known. No class of C++ is needed for that but the pair of pointers and the two counts behind the second one,
//! which libstdc++ has laid out the same since it has had them. That the library is libstdc++ is told by the name of
//! another function of V8, in which its `shared_ptr` occurs; each answer is checked before it is believed. Where anything of that
//! is not so (Bun and Deno, macOS), nothing is known.

use std::ffi::c_void;
use std::mem::{MaybeUninit, transmute};
use std::ptr::{self, NonNull};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI32, Ordering};

use napi::sys;

use crate::node::symbol::symbol;

/// A function of V8 that returns a `std::shared_ptr`. As its class has a destructor, the caller gives room for it. Rust does that
/// for what is too large for registers, so this has more room than is needed.
#[repr(C)]
struct SharedPointer {
    store: *mut c_void,
    counts: *mut Counts,
    unused: [MaybeUninit<usize>; 2],
}

/// `std::_Sp_counted_base`.
#[repr(C)]
struct Counts {
    functions: *const Functions,
    strong: AtomicI32,
    /// One for all the strong ones, and one for each weak one.
    weak: AtomicI32,
}

#[repr(C)]
struct Functions {
    destructors: [*const c_void; 2],
    dispose: *const c_void,
    /// Frees the counts.
    destroy: unsafe extern "C" fn(*mut Counts),
}

/// `napi_value` is a `v8::Local`, whose value is what methods are called on.
type GetBackingStore = unsafe extern "C" fn(buffer: sys::napi_value) -> SharedPointer;
type Data = unsafe extern "C" fn(store: *const c_void) -> *mut c_void;

struct V8 {
    get_backing_store: GetBackingStore,
    data: Data,
}

static V8: LazyLock<Option<V8>> = LazyLock::new(|| {
    let get_backing_store = symbol(c"_ZN2v811ArrayBuffer15GetBackingStoreEv")?;
    let data = symbol(c"_ZNK2v812BackingStore4DataEv")?;
    // `v8::ArrayBuffer::New`, with the `shared_ptr` of libstdc++.
    symbol(c"_ZN2v811ArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE")?;
    // SAFETY: the names are those of functions with these signatures.
    Some(unsafe {
        V8 {
            get_backing_store: transmute::<NonNull<c_void>, GetBackingStore>(get_backing_store),
            data: transmute::<NonNull<c_void>, Data>(data),
        }
    })
});

/// A `std::weak_ptr` to the bytes of a buffer.
pub struct WeakStore(NonNull<Counts>);

impl WeakStore {
    /// Returns that of a buffer on bytes that begin at `start`; None where nothing is known.
    pub fn of(buffer: sys::napi_value, start: *mut u8) -> Option<Self> {
        let v8 = (*V8).as_ref()?;
        // SAFETY: `buffer` is a handle of a live buffer, which is what V8 calls a `Local`.
        let shared = unsafe { (v8.get_backing_store)(buffer) };
        let counts = NonNull::new(shared.counts)?;
        // SAFETY: V8 has returned a pointer to a store, and `shared` holds it.
        let is_understood =
            !shared.store.is_null() && ptr::eq(unsafe { (v8.data)(shared.store) }, start.cast());
        if !is_understood {
            // What it may be is left alone, and leaks.
            return None;
        }
        // SAFETY: `shared` holds the counts. The buffer holds its bytes too, so the strong count is not the last one.
        unsafe {
            counts.as_ref().weak.fetch_add(1, Ordering::Relaxed);
            counts.as_ref().strong.fetch_sub(1, Ordering::AcqRel);
        }
        Some(Self(counts))
    }

    /// Tells whether anybody still has the bytes.
    pub fn is_live(&self) -> bool {
        // SAFETY: the counts are there as long as the weak count has us.
        unsafe { self.0.as_ref() }.strong.load(Ordering::Acquire) > 0
    }
}

impl Drop for WeakStore {
    fn drop(&mut self) {
        // SAFETY: as above, until we are no longer counted. The last one frees the counts, as `std::weak_ptr` does.
        unsafe {
            if self.0.as_ref().weak.fetch_sub(1, Ordering::AcqRel) == 1 {
                let functions = self.0.as_ref().functions;
                ((*functions).destroy)(self.0.as_ptr());
            }
        }
    }
}
