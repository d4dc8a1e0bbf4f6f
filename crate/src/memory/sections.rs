//! Who is in the middle of an access to memory: what a release waits for.
//!
//! An access is a *section*: of a native method, or of a copy that `lib/` makes. A thread counts its number up when it enters and
//! when it leaves, so an odd number means that it is inside. Whoever ends something says so first, and then waits for all that
//! were inside; who enters afterwards sees it ended.
//!
//! ```text
//!   access:   number += 1;  ended?  access;  number += 1       release:  ended = true;  barrier;  wait for odd numbers
//! ```
//!
//! The barrier is one of all processors, which costs the accesses nothing (membarrier(2)). Where there is no such call, each
//! access has its own.
//!
//! Fast paths that read or write one value are no sections. They look at the *alarm* of their thread behind each access: once it
//! is set, they ask what has ended, or was lost (`zero_copy::close_windows`).

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::node::bell::{Bell, Message};
use crate::node::error::Result;

/// What a thread shares with its fast paths (`lib/fast/ends.ts`), at the place where JavaScript has it.
#[repr(C)]
#[derive(Default)]
pub struct Cells {
    /// Not 0: something has ended, or was lost, that the fast paths of this thread may have windows on.
    alarm: AtomicU32,
    /// Odd while the thread is inside of a section.
    sections: AtomicU32,
}

/// A thread that runs JavaScript. Never freed: another thread gets it when this one has ended.
#[derive(Default)]
struct Thread {
    cells: Cells,
    /// Rung once until the thread asks.
    bell: Mutex<Option<Arc<Bell>>>,
    was_told: AtomicBool,
    /// The one that was made before. Set once, before others can see this one.
    before: AtomicPtr<Thread>,
}

/// The last that was made of all threads that there ever were, for who must not wait for a lock.
static LAST_MADE: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

struct Threads {
    running: Vec<&'static Thread>,
    free: Vec<&'static Thread>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads {
    running: Vec::new(),
    free: Vec::new(),
});

thread_local! {
    static OWN: Cell<Option<&'static Thread>> = const { Cell::new(None) };
}

/// Nothing panics while a lock is held, and what it protects is whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs when an environment begins.
pub fn begin() {
    end();
    let mut threads = lock(&THREADS);
    let thread = threads.free.pop().unwrap_or_else(make);
    threads.running.push(thread);
    OWN.set(Some(thread));
}

/// Makes a thread that is never freed. Under the lock: nobody else makes one meanwhile.
fn make() -> &'static Thread {
    let thread: &'static Thread = Box::leak(Box::default());
    let before = LAST_MADE.load(Ordering::Acquire);
    thread.before.store(before, Ordering::Relaxed);
    LAST_MADE.store(ptr::from_ref(thread).cast_mut(), Ordering::Release);
    thread
}

/// Sets the alarms of all threads. Signal-safe. (An alarm too many costs a look.)
pub fn alert() {
    let mut next = LAST_MADE.load(Ordering::Acquire);
    // SAFETY: null, or a thread, which is never freed and was whole before it could be seen.
    while let Some(thread) = unsafe { next.as_ref() } {
        thread.cells.alarm.store(1, Ordering::SeqCst);
        next = thread.before.load(Ordering::Relaxed);
    }
}

/// Runs when an environment ends: nothing of it is inside any more.
pub fn end() {
    let Some(thread) = OWN.take() else {
        return;
    };
    *lock(&thread.bell) = None;
    thread.was_told.store(false, Ordering::SeqCst);
    let mut threads = lock(&THREADS);
    threads
        .running
        .retain(|running| !std::ptr::eq(*running, thread));
    let Cells { alarm, sections } = &thread.cells;
    alarm.store(0, Ordering::SeqCst);
    // It may have been ended in the middle of a copy. Not a number that somebody waits at.
    let number = sections.load(Ordering::SeqCst);
    sections.store((number | 1).wrapping_add(1), Ordering::SeqCst);
    threads.free.push(thread);
}

/// Returns the cells of this thread, which never move.
pub fn cells() -> Option<&'static Cells> {
    OWN.get().map(|thread| &thread.cells)
}

/// Has the bell of this thread rung when something has ended.
pub fn listen() -> Result<()> {
    if let Some(thread) = OWN.get()
        && lock(&thread.bell).is_none()
    {
        let bell = Bell::of_thread()?;
        *lock(&thread.bell) = Some(bell);
    }
    Ok(())
}

/// Takes the alarm of this thread back, before it looks at what has ended.
pub fn heed() {
    if let Some(thread) = OWN.get() {
        thread.was_told.store(false, Ordering::SeqCst);
        thread.cells.alarm.store(0, Ordering::SeqCst);
    }
}

/// An access that is under way. (One within another is a part of that.)
pub struct Section(Option<&'static AtomicU32>);

impl Section {
    pub fn enter() -> Self {
        let Some(Cells { sections, .. }) = cells() else {
            return Self(None);
        };
        let number = sections.load(Ordering::Relaxed);
        if number & 1 == 1 {
            return Self(None);
        }
        sections.store(number.wrapping_add(1), Ordering::Relaxed);
        barrier::light();
        Self(Some(sections))
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Some(sections) = self.0 {
            let number = sections.load(Ordering::Relaxed);
            sections.store(number.wrapping_add(1), Ordering::Release);
        }
    }
}

/// Tells all threads that something has ended, and waits for what other threads are in the middle of.
pub fn end_others() {
    let own = OWN.get();
    let mut inside = Vec::new();
    {
        let threads = lock(&THREADS);
        for thread in &threads.running {
            thread.cells.alarm.store(1, Ordering::SeqCst);
        }
        let others = || {
            let running = threads.running.iter();
            running.filter(|thread| own.is_none_or(|own| !std::ptr::eq(**thread, own)))
        };
        if others().next().is_none() {
            return;
        }
        barrier::heavy();
        for thread in others() {
            let number = thread.cells.sections.load(Ordering::Acquire);
            if number & 1 == 1 {
                inside.push((&thread.cells.sections, number));
            }
            let bell = lock(&thread.bell);
            if let Some(bell) = &*bell
                && !thread.was_told.swap(true, Ordering::SeqCst)
            {
                bell.ring(Message::Ended);
            }
        }
    }
    for (sections, number) in inside {
        let mut looks = 0_u32;
        while sections.load(Ordering::Acquire) == number {
            looks = looks.saturating_add(1);
            if looks < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// How often a section is looked at before this thread sleeps: most take less than a microsecond.
const SPINS: u32 = 1000;
const PAUSE: std::time::Duration = std::time::Duration::from_micros(50);

#[cfg(target_os = "linux")]
mod barrier {
    use std::sync::LazyLock;
    use std::sync::atomic::{Ordering, compiler_fence};
    use std::time::Duration;

    const PRIVATE_EXPEDITED: i32 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

    fn membarrier(command: i32) -> bool {
        // SAFETY: the call takes numbers.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    static IS_REGISTERED: LazyLock<bool> = LazyLock::new(|| membarrier(REGISTER_PRIVATE_EXPEDITED));

    /// The half of an access: the compiler keeps the order, the other half sees to the processor.
    pub fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// A barrier on all processors that run this process.
    pub fn heavy() {
        if !(*IS_REGISTERED && membarrier(PRIVATE_EXPEDITED)) {
            // Where the call is forbidden: no processor keeps a store to itself for so long.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod barrier {
    use std::sync::atomic::{Ordering, fence};

    pub fn light() {
        fence(Ordering::SeqCst);
    }

    pub fn heavy() {
        fence(Ordering::SeqCst);
    }
}
