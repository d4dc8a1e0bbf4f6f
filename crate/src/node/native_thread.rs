//! Threads of this package's own, which no engine knows of.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::thread::{Builder, JoinHandle};

/// Starts a thread. It has nothing of the environment that asks for it, and may outlive that.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    stay_loaded();
    Builder::new().name(name.to_owned()).spawn(move || {
        block_signals();
        run();
    })
}

/// Keeps this library in the process: it may be unloaded with the last thread that has loaded it, but a handler or a thread
/// stays.
pub fn stay_loaded() {
    let mut facts = MaybeUninit::<libc::Dl_info>::uninit();
    let address = stay_loaded as *const c_void;
    // SAFETY: an address of this library, and room for the answer.
    if unsafe { libc::dladdr(address, facts.as_mut_ptr()) } == 0 {
        return;
    }
    // SAFETY: the call has succeeded, and its text lives as long as the library. Loading what is loaded runs nothing.
    unsafe {
        let name = facts.assume_init().dli_fname;
        libc::dlopen(
            name,
            libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
        );
    }
}

/// The signals of a thread's own faults. One that is blocked ends the process.
const FAULTS: [i32; 6] = [
    libc::SIGBUS,
    libc::SIGSEGV,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGABRT,
];

/// Leaves signals of the process to the threads that had them before. SIGXFSZ, which a write beyond the limit of a file's size is
/// answered with, becomes an error of that write alone.
fn block_signals() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: room for a set, which the first call fills.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(all.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}
