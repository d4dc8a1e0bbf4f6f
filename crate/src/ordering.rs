//! Memory orderings (`std::sync::atomic::Ordering`) and fences.

use std::sync::atomic;

use napi_derive::napi;

use crate::node::error::{BindingError, Result};
use crate::node::value::{Value, integer};

/// Memory orderings, as `std::sync::atomic::Ordering`.
///
/// A load cannot be `Release` or `AcqRel`, a store cannot be `Acquire` or `AcqRel`, and a fence
/// cannot be `Relaxed`: `ERR_OUT_OF_RANGE`.
#[napi]
#[derive(Debug, PartialEq, Eq)]
pub enum Ordering {
    /// Atomic, without any order relative to other accesses.
    Relaxed,
    /// Of a store: what was written before it is seen by whoever loads it with `Acquire`.
    Release,
    /// Of a load: sees what was written before the store that it reads, if that was `Release`.
    Acquire,
    /// Both; of a fence.
    AcqRel,
    /// As `Acquire`, `Release` or `AcqRel`, and in one order that all threads agree on.
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

    /// The ordering of a load; upstream panics where there is none.
    pub fn of_load(self) -> Result<atomic::Ordering> {
        match self {
            Self::Relaxed => Ok(atomic::Ordering::Relaxed),
            Self::Acquire => Ok(atomic::Ordering::Acquire),
            Self::SeqCst => Ok(atomic::Ordering::SeqCst),
            Self::Release | Self::AcqRel => Err(self.impossible("load")),
        }
    }

    /// The ordering of a store; upstream panics where there is none.
    pub fn of_store(self) -> Result<atomic::Ordering> {
        match self {
            Self::Relaxed => Ok(atomic::Ordering::Relaxed),
            Self::Release => Ok(atomic::Ordering::Release),
            Self::SeqCst => Ok(atomic::Ordering::SeqCst),
            Self::Acquire | Self::AcqRel => Err(self.impossible("store")),
        }
    }
}

/// Orders the accesses before it against those after it, in this thread as other threads see it.
///
/// Needed by every virtqueue, where a store to one ring must be seen before a load of another.
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
