//! What the fast paths of `lib/` are made of: the layout of memory, windows on it as buffers, and
//! a function that marks pages dirty without the cost of the glue.
//!
//! All of it is for `lib/` alone, which takes these methods off the classes when it is installed.

use std::ffi::c_void;
use std::ptr;

use napi::sys;
use vm_memory::bitmap::{ArcSlice, AtomicBitmap, Bitmap};

use crate::argument::{MAX_SAFE_INTEGER, Value};
use crate::buffer::{Buffer, TypedArray, new_typed_array};
use crate::environment;
use crate::error::{BindingError, Result, check};
use crate::identity::Handle;
use crate::mapping::OwnedSlice;
use crate::zero_copy;

/// A piece of memory as a fast path sees it.
pub struct Extent {
    /// Its first address, in the addresses of the class.
    pub start: u64,
    pub size: usize,
    pub prot: i32,
    pub is_tracked: bool,
}

/// A limit, and `start, size, readable and writable, tracked` of each piece, as numbers. The limit is
/// the address from which on nothing is told: where a piece ends beyond the safe integers, it is
/// left out, and so is everything behind it.
pub fn layout(extents: impl Iterator<Item = Extent>) -> Result<Value> {
    const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let mut limit = MAX_SAFE_INTEGER;
    let mut numbers = vec![0];
    #[allow(clippy::cast_precision_loss)] // safe integers
    for extent in extents {
        let end = extent.start.saturating_add(extent.size as u64);
        if end > MAX_SAFE_INTEGER {
            limit = limit.min(extent.start);
            break;
        }
        numbers.extend(
            [
                extent.start as f64,
                extent.size as f64,
                f64::from(extent.prot & READ_WRITE == READ_WRITE),
                f64::from(extent.is_tracked),
            ]
            .map(f64::to_bits),
        );
    }
    #[allow(clippy::cast_precision_loss)] // a safe integer
    let first = (limit as f64).to_bits();
    numbers[0] = first;
    let array = new_typed_array(environment::current(), c"Float64Array", numbers.len())?;
    TypedArray::from_value(array, "array")?
        .bytes
        .copy_from(Buffer::of_words(&mut numbers));
    Ok(array)
}

/// A buffer of `length` bytes of a piece, which nobody but the fast paths has.
pub fn window(slice: &OwnedSlice, offset: Value, length: Value) -> Result<Handle> {
    let part = slice
        .slice
        .subslice(offset.usize("offset")?, length.usize("length")?);
    zero_copy::private_buffer(&slice.derive(part)?)
}

/// A function that marks bytes of a piece dirty: `(offset, length)`. Null where it is not tracked.
pub fn dirty_marker(slice: &OwnedSlice) -> Result<Option<Handle>> {
    let Some(bitmap) = slice.slice.bitmap() else {
        return Ok(None);
    };
    let env = environment::current();
    let name = c"markDirty";
    let bitmap = Box::into_raw(Box::new(bitmap.clone()));
    let mut function = ptr::null_mut();
    // SAFETY: the bitmap lives until `finalize` drops it, when the function is gone.
    check(unsafe {
        sys::napi_create_function(
            env,
            name.as_ptr(),
            name.count_bytes().cast_signed(),
            Some(mark_dirty),
            bitmap.cast(),
            &raw mut function,
        )
    })
    .and_then(|()| {
        // SAFETY: as above.
        check(unsafe {
            sys::napi_add_finalizer(
                env,
                function,
                bitmap.cast(),
                Some(finalize),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        })
    })
    .inspect_err(|_| {
        // SAFETY: nobody else has it, or the function, which is dropped unseen.
        drop(unsafe { Box::from_raw(bitmap) });
    })?;
    Ok(Some(Handle(function)))
}

unsafe extern "C" fn finalize(_: sys::napi_env, bitmap: *mut c_void, _: *mut c_void) {
    // SAFETY: the box that `dirty_marker` gave away; a finalizer runs once.
    drop(unsafe { Box::from_raw(bitmap.cast::<ArcSlice<AtomicBitmap>>()) });
}

unsafe extern "C" fn mark_dirty(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let mut count = 2;
    let mut arguments = [ptr::null_mut(); 2];
    let mut bitmap = ptr::null_mut();
    let mut numbers = [0_f64; 2];
    // SAFETY: there is room for two arguments, and missing ones are `undefined`, of which no number
    // can be had: it stays 0.
    unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut bitmap,
        );
        for (argument, number) in arguments.into_iter().zip(&mut numbers) {
            sys::napi_get_value_double(env, argument, number);
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    let [offset, length] = numbers.map(|number| number as usize);
    // SAFETY: the box that `dirty_marker` made, which lives as long as the function that is running.
    unsafe { &*bitmap.cast::<ArcSlice<AtomicBitmap>>() }.mark_dirty(offset, length);
    ptr::null_mut()
}

/// That there is no piece of that number.
pub fn no_piece() -> crate::error::Error {
    BindingError::out_of_range("There is no such piece of memory")
}

/// The methods for the fast paths on a class, which has methods `extents` and `piece`.
macro_rules! hot {
    ($class:ident) => {
        #[napi_derive::napi]
        impl $class {
            #[napi(skip_typescript, catch_unwind)]
            pub fn layout(&self) -> Result<Value> {
                self.extents()
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn open_window(
                &self,
                index: Value,
                offset: Value,
                length: Value,
            ) -> Result<Handle> {
                $crate::hot::window(&self.piece(index.usize("index")?)?, offset, length)
            }

            #[napi(skip_typescript, catch_unwind)]
            pub fn dirty_marker(&self, index: Value) -> Result<Option<Handle>> {
                $crate::hot::dirty_marker(&self.piece(index.usize("index")?)?)
            }
        }
    };
}
pub(crate) use hot;
