//! The handler of SIGBUS. It takes the addresses of mappings that recover, and hands everything else on.
//!
//! Everything here is async-signal-safe: atomics, and the system calls `madvise`, `process_vm_readv`, `fstat`, `mmap`,
//! `write`, `sched_yield`, `gettid` and `sigaction`. No allocation, no lock that waits for a thread which could wait for
//! this one (who holds the lock of a slot touches no guest memory), no panic, no thread-local variable, which the first
//! use of would allocate. `errno` is left as it was.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sync::marks::Reason;

use crate::memory::faults::alarm;
use crate::memory::faults::pieces;
use crate::memory::faults::probe::{Answer, Attempt, ask, attempt_of};
use crate::memory::faults::table::{self, Locked, Place};
use crate::memory::faults::wake;
use crate::memory::zeros;
use crate::node::native_thread;

/// How often the handler may be put over another one that was installed after it.
const LEVELS: usize = 8;

/// Whom each level has found, and hands on to. Never freed: a handler may be reading it.
static BELOW: [AtomicPtr<libc::sigaction>; LEVELS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; LEVELS];
static INSTALLED: AtomicUsize = AtomicUsize::new(0);
static INSTALLING: Mutex<()> = Mutex::new(());

type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// The handlers by level. Each is a function of its own, so that one that is put over another's, which hands on to
/// the first, is no circle.
const HANDLERS: [Handler; LEVELS] = [
    on_signal::<0>,
    on_signal::<1>,
    on_signal::<2>,
    on_signal::<3>,
    on_signal::<4>,
    on_signal::<5>,
    on_signal::<6>,
    on_signal::<7>,
];

/// Sees to it that SIGBUS comes here first. Does so again where somebody has installed a handler since.
pub fn install() -> io::Result<()> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let current = action(None)?;
    if HANDLERS
        .iter()
        .any(|handler| current.sa_sigaction == *handler as usize)
    {
        return Ok(());
    }
    // Who is put back again and again, as a runtime that resets the signal does, is found below a level that is there.
    let installed = INSTALLED.load(Ordering::Acquire);
    native_thread::stay_loaded();
    pieces::learn_limit();
    let known = (0..installed).find(|level| {
        let below = BELOW[*level].load(Ordering::Acquire);
        // SAFETY: levels that are installed have an action, which is never freed.
        !below.is_null() && unsafe { (*below).sa_sigaction } == current.sa_sigaction
    });
    let level = known.unwrap_or(installed);
    if level == LEVELS {
        return Err(io::Error::other("SIGBUS was taken away too often"));
    }
    if known.is_none() {
        BELOW[level].store(Box::into_raw(Box::new(current)), Ordering::Release);
        INSTALLED.store(level + 1, Ordering::Release);
    }
    // SAFETY: an action may be all zeros.
    let mut ours: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = HANDLERS[level] as usize;
    // On the stack for signals, if the thread has one: the fault may be at the end of the other.
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    action(Some(&ours)).map(|_| ())
}

/// Sets the action of SIGBUS, if there is one to be set, and returns the one before.
fn action(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::uninit();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: an action or null, and room for the one before.
    if unsafe { libc::sigaction(libc::SIGBUS, new, old.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded.
    Ok(unsafe { old.assume_init() })
}

/// Recovers, or hands on to who was there before.
unsafe extern "C" fn on_signal<const LEVEL: usize>(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the place of this thread's errno is always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; the kernel hands in what a handler gets.
    let (saved, code) = unsafe { (*errno, (*info).si_code) };
    let reason = match code {
        libc::BUS_ADRERR => Some(Reason::NoSpace),
        libc::BUS_MCEERR_AR => Some(Reason::Poisoned),
        // Sent by somebody, misaligned, or about memory that nobody has touched yet.
        _ => None,
    };
    let recovered = reason.is_some_and(|reason| {
        // SAFETY: a fault has an address.
        let address = unsafe { (*info).si_addr() }.addr();
        // SAFETY: it is the third argument.
        unsafe { recover(address, reason, context) }
    });
    if recovered {
        wake::ring();
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
    if !recovered {
        // SAFETY: the arguments are those of this handler.
        unsafe { hand_on(LEVEL, signal, info, context) };
    }
}

/// Hands a signal on as the kernel would have.
unsafe fn hand_on(level: usize, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let below = BELOW[level].load(Ordering::Acquire);
    // SAFETY: a level that is installed has an action, which is never freed.
    let (handler, flags) = unsafe { ((*below).sa_sigaction, (*below).sa_flags) };
    // SAFETY: the kernel hands in what a handler gets.
    let is_fault = unsafe { (*info).si_code } > 0;
    match handler {
        // The kernel does not let a fault be ignored either.
        libc::SIG_IGN if !is_fault => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: an action may be all zeros, which is the default; raising takes a number. The instruction that
            // faults does so again; a signal that was sent comes again when this handler returns.
            unsafe {
                let default: libc::sigaction = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
                if !is_fault {
                    libc::raise(signal);
                }
            }
        }
        handler if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: whoever installed it has said that it takes these.
            unsafe { std::mem::transmute::<usize, Handler>(handler)(signal, info, context) };
        }
        handler => {
            // SAFETY: as above.
            unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal) };
        }
    }
}

/// Kernels that cannot be asked may say in vain that a page is there, once for each thread that was late. So often, and the
/// page is taken for lost.
const VAIN: usize = 256;

/// Replaces what is lost at an address; whether the access may go on.
unsafe fn recover(address: usize, reason: Reason, context: *const c_void) -> bool {
    let Some(pinned) = table::find(address, address.saturating_add(1)) else {
        return table::is_past(address, VAIN);
    };
    let place = pinned.place();
    // SAFETY: the caller's promise.
    let attempt: Attempt = unsafe { attempt_of(context, place.prot) };
    let locked = pinned.lock();
    let page = (address - place.start) / place.page;
    let is_marked = pinned.marks().get(page).is_some();
    let slot = pinned.slot();
    // Another thread may have been here first, and have stored something since; or the file is whole again.
    match ask(place.start + page * place.page, place.page, attempt) {
        // An emulator may say so of every page. Its file tells better.
        Answer::There if is_marked || end_of_file(&place).is_none_or(|end| page < end) => {
            return true;
        }
        Answer::Unknown if is_marked && slot.vain.fetch_add(1, Ordering::Relaxed) < VAIN => {
            return true;
        }
        _ => slot.vain.store(0, Ordering::Relaxed),
    }
    let recovered = replace(&locked, page, reason);
    if recovered {
        alarm::raise(page * place.page, pinned.last_reason());
    }
    recovered
}

/// Maps zeros over what is lost: from the new end of the file on, or the page alone where the file has the page.
fn replace(locked: &Locked, page: usize, reason: Reason) -> bool {
    let pinned = locked.pinned();
    let place = pinned.place();
    let marks = pinned.marks();
    if marks.get(page).is_some() {
        // Lost again: the memory in its place is broken.
        return put(locked, page..page + 1, reason);
    }
    // Pages that were lost before keep what was stored in them since.
    let run = marks.run_of_good(page);
    match end_of_file(&place) {
        Some(end) if end <= page => put(locked, end.max(run.start)..run.end, Reason::Truncated),
        _ => {
            put(locked, piece(locked, page, &run), reason)
                || put(locked, run, reason)
                || put(locked, 0..marks.pages(), reason)
        }
    }
}

/// Returns what is replaced for a page: that page, or, where there are too many pieces already, all up to the nearest one. The
/// pages in between are given up with it.
fn piece(locked: &Locked, page: usize, run: &Range<usize>) -> Range<usize> {
    let pinned = locked.pinned();
    let is_first = run.start == 0;
    let is_last = run.end == pinned.marks().pages();
    let touches = (page == run.start && !is_first) || (page + 1 == run.end && !is_last);
    if touches {
        return page..page + 1;
    }
    if pieces::take(pinned.slot()) || (is_first && is_last) {
        return page..page + 1;
    }
    let is_down = is_last || (!is_first && page - run.start < run.end - page);
    if is_down {
        run.start..page + 1
    } else {
        page..run.end
    }
}

/// Marks pages as lost, warns, and then maps zeros over them: who sees the zeros sees the marks and the warning.
fn put(locked: &Locked, pages: Range<usize>, reason: Reason) -> bool {
    let place = locked.pinned().place();
    locked.lose(pages.clone(), reason);
    alarm::warn(pages.start * place.page, reason);
    let start = place.start + pages.start * place.page;
    // SAFETY: the pages are within the mapping of this slot, which cannot be unmapped while the slot is pinned.
    unsafe { zeros::put(start, pages.len() * place.page, place.prot) }.is_ok()
}

/// Returns the first page of a mapping that begins beyond the end of its file. None if it has no file whose size tells.
fn end_of_file(place: &Place) -> Option<usize> {
    let size = place.file_size()?;
    let left = usize::try_from(size.saturating_sub(place.file_offset)).unwrap_or(usize::MAX);
    Some(left.div_ceil(place.page))
}
