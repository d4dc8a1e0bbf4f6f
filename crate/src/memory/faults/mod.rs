//! Mappings that survive the loss of a page.
//!
//! A page that the host cannot give is SIGBUS, which ends the process. For a mapping that asked for it (`recoverFaults`), a
//! handler puts memory of this process in the place of what was lost, and the access goes on:
//!
//! ```text
//!   access ──► SIGBUS ──► handler ── whose address is it? ──► nobody's: whoever had the signal before
//!                            │
//!                            ▼
//!                 slot: pin, lock, ask the kernel again, mark what is lost, count, map zeros over it
//!                            ▲                                 │
//!   methods ── watch ────────┘                                 └──► alarm, for fast paths; eventfd, for listeners
//! ```
//!
//! Zeros are never a silent answer: a method looks at the marks before and after its access, and throws. Marks are set
//! before the zeros are mapped, so whoever has seen zeros sees the marks, too.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "it is for the handler, which is not there")
)]

pub mod alarm;
pub mod bell;
pub mod heal;
pub mod owners;
pub mod pieces;
pub mod table;
pub mod wake;
pub mod watch;

#[cfg(target_os = "linux")]
mod handler;
#[cfg(target_os = "linux")]
mod probe;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use sync::marks::Marks;

use crate::memory::faults::table::{Place, Slot};

/// The slot of a mapping that recovers. Whoever has this keeps the mapping mapped, and the descriptor open that the slot has the
/// number of, until it is closed.
#[derive(Debug)]
pub struct Recovery {
    slot: &'static Slot,
    /// Which of the mappings that have the slot in turn this is.
    generation: u64,
    place: Place,
    is_closed: AtomicBool,
}

impl Recovery {
    /// Begins to recover the faults of a mapping.
    #[cfg(target_os = "linux")]
    pub fn new(place: Place) -> io::Result<Self> {
        handler::install()?;
        let marks =
            Marks::new(place.pages()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let slot = table::open(place, marks);
        Ok(Self {
            slot,
            generation: slot.generation(),
            place,
            is_closed: AtomicBool::new(false),
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn new(_: Place) -> io::Result<Self> {
        Err(io::Error::from_raw_os_error(libc::ENOTSUP))
    }

    /// Recovers no longer. A handler that is at work on the slot is waited for, and none comes after it. Twice does nothing.
    pub fn close(&self) {
        if !self.is_closed.swap(true, Ordering::SeqCst) {
            table::close(self.slot, pieces::give_back);
        }
    }

    /// Returns the slot.
    pub fn slot(&self) -> &'static Slot {
        self.slot
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether this platform can recover from faults.
pub const IS_SUPPORTED: bool = cfg!(target_os = "linux");
