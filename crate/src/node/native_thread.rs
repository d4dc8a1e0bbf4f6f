//! Threads of this package's own, which no engine knows of.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::node::error::Result;

/// Starts a thread. It has nothing of the environment that asks for it, and may outlive that.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    stay_loaded();
    Builder::new().name(name.to_owned()).spawn(move || {
        block_signals();
        run();
    })
}

/// Does the same work on this thread and on others, until each of them finds no more of it. Returns the first error that is met;
/// `work` is told whether there was one.
pub fn on_threads(count: usize, work: impl Fn(&AtomicBool) -> Result<()> + Sync) -> Result<()> {
    let has_failed = AtomicBool::new(false);
    let run = || work(&has_failed).inspect_err(|_| has_failed.store(true, Ordering::Relaxed));
    std::thread::scope(|scope| {
        // Where no more threads are to be had, fewer do it.
        let others: Vec<_> = (1..count)
            .map_while(|_| {
                let thread = Builder::new().name("vm-memory job".to_owned());
                thread.spawn_scoped(scope, run).ok()
            })
            .collect();
        let own = run();
        others
            .into_iter()
            .filter_map(|other| other.join().ok())
            .fold(own, Result::and)
    })
}

/// Returns the number of processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
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
