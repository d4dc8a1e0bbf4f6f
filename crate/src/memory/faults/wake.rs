//! What a signal handler wakes the thread with that tells of faults.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// The eventfd that the thread reads; -1 while there is none.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// Sets the eventfd, which is never closed.
pub fn set(wake: RawFd) {
    WAKE.store(wake, Ordering::Release);
}

/// Whether there is a thread.
pub fn is_set() -> bool {
    WAKE.load(Ordering::Acquire) >= 0
}

/// Wakes the thread, if there is one. Signal-safe.
pub fn ring() {
    let wake = WAKE.load(Ordering::Acquire);
    if wake >= 0 {
        let one = 1_u64;
        // SAFETY: eight bytes, as an eventfd takes them. It is never closed; where its counter is full, the thread is awake.
        unsafe { libc::write(wake, (&raw const one).cast(), size_of::<u64>()) };
    }
}
