//! The thread that is woken by a fault, and tells who listens.
//!
//! A signal handler may write to a descriptor and little else. So a thread of its own reads that, once somebody listens.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use crate::memory::faults::heal::{Lost, take_log};
use crate::memory::faults::{owners, table, wake};
use crate::memory::mapping::Owner;
use crate::node::native_thread;

static STARTING: Mutex<()> = Mutex::new(());

/// What has lost something, and what.
pub type Told = (Owner, Vec<Lost>);

/// Starts the thread, which calls `tell` after faults; once for the process.
#[cfg(target_os = "linux")]
pub fn start(tell: fn(&[Told])) -> io::Result<()> {
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if wake::is_set() {
        return Ok(());
    }
    // SAFETY: the call takes numbers.
    let wake = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if wake < 0 {
        return Err(io::Error::last_os_error());
    }
    // What was lost before is nobody's news.
    drop(losses());
    match native_thread::spawn("vm-memory faults", move || run(wake, tell)) {
        Ok(_) => {
            wake::set(wake);
            Ok(())
        }
        Err(error) => {
            // SAFETY: the descriptor was just made, and nobody else has it.
            unsafe { libc::close(wake) };
            Err(error)
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn start(_: fn(&[Told])) -> io::Result<()> {
    Ok(())
}

fn run(wake: RawFd, tell: fn(&[Told])) {
    loop {
        let mut count = 0_u64;
        // SAFETY: room for the eight bytes of an eventfd, which is never closed.
        let read = unsafe { libc::read(wake, (&raw mut count).cast(), size_of::<u64>()) };
        if read < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
        let told = losses();
        if !told.is_empty() {
            tell(&told);
        }
    }
}

/// Takes what was lost since the last time.
fn losses() -> Vec<Told> {
    table::find_logged()
        .into_iter()
        .filter_map(|pinned| {
            let lost = take_log(&pinned);
            let owner = owners::find(&pinned);
            // Before the owner may be the last to have the mapping, which waits for pins.
            drop(pinned);
            Some((owner?, lost))
        })
        .collect()
}
