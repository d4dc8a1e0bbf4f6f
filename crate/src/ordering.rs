//! Memory orderings (`std::sync::atomic::Ordering`) and fences.

use std::sync::atomic;

use operations::napi;

use crate::node::error::{BindingError, Result};
use crate::node::value::{Value, integer};

/// The memory orderings of `std::sync::atomic::Ordering`.
///
/// A load cannot be `Release` or `AcqRel`, a store cannot be `Acquire` or `AcqRel`, and a fence cannot be `Relaxed`:
/// such calls throw `ERR_OUT_OF_RANGE`.
#[napi]
#[derive(Debug, PartialEq, Eq)]
pub enum Ordering {
    /// The access is atomic, without any order relative to other accesses.
    Relaxed,
    /// For a store: a thread that loads the stored value with `Acquire` sees everything that was written before the
    /// store.
    Release,
    /// For a load: if the loaded value was stored with `Release`, this thread sees everything that was written before
    /// the store.
    Acquire,
    /// For a fence: `Acquire` and `Release` together.
    AcqRel,
    /// The same as `Acquire`, `Release` or `AcqRel`, and in one order on which all threads agree.
    SeqCst,
}

impl Ordering {
    pub fn from_value(value: Value) -> Result<Self> {
        let double = value
            .double()
            .ok_or_else(|| value.must_be("order", "a member of Ordering"))?;
        match integer(double) {
            Some(0) => Ok(Self::Relaxed),
            Some(1) => Ok(Self::Release),
            Some(2) => Ok(Self::Acquire),
            Some(3) => Ok(Self::AcqRel),
            Some(4) => Ok(Self::SeqCst),
            _ => Err(value.out_of_range("order", "a member of Ordering")),
        }
    }

    fn impossible(self, of: &str) -> crate::node::error::Error {
        BindingError::out_of_range(format!("There is no {of} with ordering {self:?}"))
    }

    /// Returns the ordering for a load. Upstream panics for orderings that a load cannot have.
    pub fn of_load(self) -> Result<atomic::Ordering> {
        match self {
            Self::Relaxed => Ok(atomic::Ordering::Relaxed),
            Self::Acquire => Ok(atomic::Ordering::Acquire),
            Self::SeqCst => Ok(atomic::Ordering::SeqCst),
            Self::Release | Self::AcqRel => Err(self.impossible("load")),
        }
    }

    /// Returns the ordering for a store. Upstream panics for orderings that a store cannot have.
    pub fn of_store(self) -> Result<atomic::Ordering> {
        match self {
            Self::Relaxed => Ok(atomic::Ordering::Relaxed),
            Self::Release => Ok(atomic::Ordering::Release),
            Self::SeqCst => Ok(atomic::Ordering::SeqCst),
            Self::Acquire | Self::AcqRel => Err(self.impossible("store")),
        }
    }
}

/// Orders the accesses of this thread before the fence against its accesses after the fence, as other threads see them.
///
/// Every virtqueue needs a fence where other threads must see a store to one ring before a load from another.
/// (`std::sync::atomic::fence`; not in vm-memory.)
///
/// @param order not `Relaxed`
/// @throws `ERR_OUT_OF_RANGE` for `Relaxed`
#[napi(catch_unwind, ts_args_type = "order: Ordering")]
pub fn fence(order: Value) -> Result<()> {
    atomic::fence(match Ordering::from_value(order)? {
        Ordering::Release => atomic::Ordering::Release,
        Ordering::Acquire => atomic::Ordering::Acquire,
        Ordering::AcqRel => atomic::Ordering::AcqRel,
        Ordering::SeqCst => atomic::Ordering::SeqCst,
        relaxed @ Ordering::Relaxed => return Err(relaxed.impossible("fence")),
    });
    Ok(())
}
