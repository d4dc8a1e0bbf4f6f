//! The gate, the tickets, the slots and the pins: plainly, under all interleavings (loom), and under Miri.
//!
//! ```sh
//! cargo test -p vm-memory-sync
//! RUSTFLAGS="--cfg loom" cargo test --release -p vm-memory-sync
//! cargo +nightly miri test -p vm-memory-sync
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails panics, whichever way it is written"
)]

#[cfg(not(loom))]
mod sync {
    pub use std::sync::atomic::{AtomicU32, fence};
    pub use std::sync::{Arc, Mutex};
    pub use std::thread;

    /// Runs a test once.
    pub fn model(test: impl Fn() + Sync + Send + 'static) {
        test();
    }
}

#[cfg(loom)]
mod sync {
    pub use loom::model;
    pub use loom::sync::atomic::{AtomicU32, fence};
    pub use loom::sync::{Arc, Mutex};
    pub use loom::thread;
}

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sync::{Arc, AtomicU32, fence, model, thread};
use vm_memory_sync::gate::{Gate, Pass};
use vm_memory_sync::pins::Pins;
use vm_memory_sync::slots::Slots;
use vm_memory_sync::tickets::{Ticketed, Tickets};

/// Long enough to be no limit.
const LONG: Duration = Duration::from_secs(60);

/// Counts without synchronization, so that two who are through at once are noticed.
struct Counter(std::cell::UnsafeCell<usize>);

// SAFETY: accessed by who is through the gate only; that this is one at a time is what is tested.
unsafe impl Sync for Counter {}
// SAFETY: as above.
unsafe impl Send for Counter {}

impl Counter {
    fn new() -> Self {
        Self(std::cell::UnsafeCell::new(0))
    }

    fn increment(&self) {
        // SAFETY: see `Sync`.
        let count = unsafe { *self.0.get() };
        thread::yield_now();
        // SAFETY: see `Sync`.
        unsafe { *self.0.get() = count + 1 };
    }
}

fn is_free(gate: &Gate) -> bool {
    gate.try_enter(99)
        .inspect(|pass| gate.leave(*pass))
        .is_some()
}

#[test]
fn one_is_through_at_a_time() {
    model(|| {
        let shared = Arc::new((Gate::default(), Counter::new()));
        let threads: Vec<_> = (1..=2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (gate, counter) = &*shared;
                    let pass = gate.join(number, None);
                    assert!(gate.wait(pass, LONG));
                    counter.increment();
                    gate.leave(pass);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let (gate, counter) = &*shared;
        // SAFETY: the threads have ended.
        assert_eq!(unsafe { *counter.0.get() }, 2);
        assert!(is_free(gate));
    });
}

#[test]
fn first_come_first_served_whether_blocked_or_called_back() {
    model(|| {
        let gate = Arc::new(Gate::default());
        let first = gate.try_enter(1).unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let called_back = Arc::clone(&called);
        let second = gate.join(
            2,
            Some(Box::new(move || {
                called_back.fetch_add(1, Ordering::SeqCst);
            })),
        );
        let third = gate.join(3, None);
        assert!(gate.try_enter(4).is_none(), "nobody jumps the queue");
        let waiter = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                assert!(gate.wait(third, LONG));
                gate.leave(third);
            })
        };
        assert_eq!(called.load(Ordering::SeqCst), 0, "not before its turn");
        gate.leave(first);
        assert_eq!(called.load(Ordering::SeqCst), 1);
        assert!(gate.involves(2) && gate.involves(3));
        gate.leave(second);
        waiter.join().unwrap();
        assert!(is_free(&gate));
    });
}

/// Gives up a place in line while the gate is about to open for it.
fn give_up_while_it_opens(give_up: fn(&Gate, Pass)) {
    model(move || {
        let gate = Arc::new(Gate::default());
        let holder = gate.try_enter(1).unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let called_back = Arc::clone(&called);
        let waiting = gate.join(
            2,
            Some(Box::new(move || {
                called_back.fetch_add(1, Ordering::SeqCst);
            })),
        );
        let quitter = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || give_up(&gate, waiting))
        };
        gate.leave(holder);
        quitter.join().unwrap();
        assert!(called.load(Ordering::SeqCst) <= 1);
        assert!(is_free(&gate), "whoever came first, the gate is not lost");
        assert!(!gate.involves(2));
    });
}

#[test]
fn a_waiter_may_leave_while_the_gate_opens() {
    give_up_while_it_opens(Gate::leave);
}

#[test]
fn a_thread_may_end_while_the_gate_opens_for_it() {
    give_up_while_it_opens(|gate, _| gate.abandon(2));
}

#[test]
fn a_waiter_behind_one_that_ends_is_served() {
    model(|| {
        let gate = Arc::new(Gate::default());
        let holder = gate.try_enter(1).unwrap();
        gate.join(2, None);
        let third = gate.join(3, None);
        let reaper = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.abandon(2))
        };
        gate.leave(holder);
        assert!(gate.wait(third, LONG));
        gate.leave(third);
        reaper.join().unwrap();
        assert!(is_free(&gate));
    });
}

#[test]
fn a_pass_is_given_back_once() {
    model(|| {
        let gate = Gate::default();
        let first = gate.try_enter(1).unwrap();
        gate.leave(first);
        let second = gate.try_enter(2).unwrap();
        gate.leave(first);
        assert!(gate.try_enter(3).is_none(), "an old pass opens nothing");
        gate.leave(second);
        assert!(is_free(&gate));
    });
}

// Loom has no clock.
#[cfg(not(loom))]
#[test]
fn waiting_has_an_end() {
    let gate = Gate::default();
    let holder = gate.try_enter(1).unwrap();
    let waiting = gate.join(2, None);
    assert!(!gate.wait(waiting, Duration::from_millis(1)));
    gate.leave(waiting);
    gate.leave(holder);
    assert!(is_free(&gate));
}

type Numbers = Tickets<usize, usize>;

#[test]
fn a_ticket_is_taken_once() {
    model(|| {
        let tickets = Arc::new(Numbers::default());
        let id = Arc::new(tickets.issue(1, Ticketed::Atomic(Arc::new(7))));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (tickets, id) = (Arc::clone(&tickets), Arc::clone(&id));
                thread::spawn(move || tickets.take_atomic(&id).is_some())
            })
            .collect();
        let taken = takers
            .into_iter()
            .filter_map(|taker| taker.join().ok().filter(|taken| *taken))
            .count();
        assert_eq!(taken, 1);
    });
}

#[test]
fn a_ticket_is_taken_or_dropped_when_its_thread_ends() {
    model(|| {
        let tickets = Arc::new(Numbers::default());
        let what = Arc::new(7);
        let id = tickets.issue(1, Ticketed::Memory(Arc::clone(&what)));
        let other = tickets.issue(2, Ticketed::Memory(Arc::clone(&what)));
        let reaper = {
            let tickets = Arc::clone(&tickets);
            thread::spawn(move || tickets.abandon(1))
        };
        let taken = tickets.take_memory(&id);
        reaper.join().unwrap();
        assert!(tickets.take_memory(&id).is_none());
        assert!(
            tickets.take_memory(&other).is_some(),
            "of a thread that lives"
        );
        drop(taken);
        assert_eq!(Arc::strong_count(&what), 1, "nothing is kept");
    });
}

#[test]
fn a_ticket_for_something_else_stays_good() {
    model(|| {
        let tickets = Numbers::default();
        let id = tickets.issue(1, Ticketed::Atomic(Arc::new(7)));
        assert!(tickets.take_memory(&id).is_none());
        assert!(tickets.take_memory("0").is_none());
        assert!(tickets.take_atomic(&id).is_some());
        assert!(tickets.take_atomic(&id).is_none());
    });
}

// Ids are random, which loom's repeated runs must not see; one run is enough.
#[cfg(not(loom))]
#[test]
fn ids_are_long_and_differ() {
    let (one, other) = (Numbers::default(), Numbers::default());
    let mut ids: Vec<_> = (0..100)
        .flat_map(|_| [&one, &other].map(|tickets| tickets.issue(1, Ticketed::Atomic(Arc::new(0)))))
        .collect();
    assert!(ids.iter().all(|id| id.len() == 32));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

/// A slot of thread 1, as `lib/` has it: it takes snapshots, and asks to be told before each.
struct Slot {
    slots: Arc<Slots>,
    told: Arc<AtomicUsize>,
}

impl Slot {
    fn new() -> Self {
        let slots = Arc::new(Slots::default());
        let told = Arc::new(AtomicUsize::new(0));
        let notified = Arc::clone(&told);
        slots.watch(
            1,
            7,
            Box::new(move || {
                notified.fetch_add(1, Ordering::SeqCst);
            }),
        );
        Self { slots, told }
    }

    /// The generation of the snapshot that is taken now.
    fn take(&self) -> u32 {
        self.slots.renew(1, 7);
        self.slots.generation()
    }

    fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

#[test]
fn a_slot_with_an_old_snapshot_is_told() {
    model(|| {
        let slot = Slot::new();
        let writers: Vec<_> = (2..=3)
            .map(|thread| {
                let slots = Arc::clone(&slot.slots);
                thread::spawn(move || slots.invalidate(thread))
            })
            .collect();
        let generation = slot.take();
        let before = slot.told();
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(slot.slots.generation(), 2);
        // Rather told once too often than not at all.
        assert!(generation == 2 || slot.told() > 0);
        assert!(
            slot.told() - before <= 2,
            "once for each time that it asked"
        );
    });
}

#[test]
fn a_slot_is_told_once_until_it_asks_again() {
    model(|| {
        let slot = Slot::new();
        slot.slots.invalidate(2);
        slot.slots.invalidate(3);
        assert_eq!(slot.told(), 1);
        assert_eq!(slot.take(), 2);
        slot.slots.invalidate(1);
        assert_eq!(slot.told(), 1, "its own thread knows");
        slot.slots.invalidate(2);
        assert_eq!(slot.told(), 2);
    });
}

#[test]
fn a_slot_that_is_gone_is_not_told() {
    model(|| {
        let slot = Slot::new();
        slot.slots.forget(2, 7);
        slot.slots.forget(1, 8);
        let writer = {
            let slots = Arc::clone(&slot.slots);
            thread::spawn(move || slots.invalidate(2))
        };
        slot.slots.forget(1, 7);
        let told = slot.told();
        writer.join().unwrap();
        slot.slots.invalidate(2);
        assert_eq!(slot.told(), told);
        slot.slots
            .watch(1, 9, Box::new(|| panic!("of a thread that has ended")));
        slot.slots.abandon(1);
        slot.slots.invalidate(2);
    });
}

/// The map of an atomic: the number of its generation, behind a lock as what upstream has.
#[derive(Default)]
struct Published(sync::Mutex<usize>);

impl Published {
    fn get(&self) -> usize {
        *self.0.lock().unwrap()
    }

    fn replace(&self) -> usize {
        *self.0.lock().unwrap() += 1;
        self.get()
    }
}

/// Those who wait make it for all threads. Here, each thread makes its own.
fn barrier() {
    fence(Ordering::SeqCst);
}

fn take_guard(pins: &Pins, map: &Published) -> usize {
    pins.pin(|| {
        let generation = map.get();
        (generation, generation)
    })
}

#[test]
fn a_grace_period_ends_after_the_last_guard_that_was_there_before() {
    model(|| {
        let (pins, map) = (Arc::new(Pins::default()), Arc::new(Published::default()));
        let reading = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (pins, map, reading) = (Arc::clone(&pins), Arc::clone(&map), Arc::clone(&reading));
            thread::spawn(move || {
                let generation = take_guard(&pins, &map);
                if generation == 0 {
                    reading.fetch_add(1, Ordering::SeqCst);
                }
                thread::yield_now();
                if generation == 0 {
                    reading.fetch_sub(1, Ordering::SeqCst);
                }
                pins.unpin(generation, None);
            })
        };
        map.replace();
        let over = Arc::new(AtomicUsize::new(0));
        let notify = {
            let (over, reading) = (Arc::clone(&over), Arc::clone(&reading));
            move || {
                assert_eq!(reading.load(Ordering::SeqCst), 0, "somebody still reads");
                over.fetch_add(1, Ordering::SeqCst);
            }
        };
        pins.wait(1, 1, || map.get(), barrier, Box::new(notify));
        reader.join().unwrap();
        assert_eq!(over.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn guards_on_the_current_map_hold_nothing_up() {
    model(|| {
        let (pins, map) = (Pins::default(), Published::default());
        let current = take_guard(&pins, &map);
        assert!(!pins.has_others(|| map.get(), barrier));
        let over = Arc::new(AtomicUsize::new(0));
        let count = || {
            let over = Arc::clone(&over);
            Box::new(move || {
                over.fetch_add(1, Ordering::SeqCst);
            })
        };
        pins.wait(1, 1, || map.get(), barrier, count());
        assert_eq!(over.load(Ordering::SeqCst), 1, "at once");
        map.replace();
        assert!(pins.has_others(|| map.get(), barrier));
        pins.wait(1, 2, || map.get(), barrier, count());
        pins.wait(1, 3, || map.get(), barrier, count());
        pins.leave(1, 3);
        // What was current when the wait began holds it up no more when it is old.
        let newer = take_guard(&pins, &map);
        map.replace();
        // A clone of an old guard is an old guard.
        pins.pin_again(current);
        pins.unpin(current, None);
        assert_eq!(over.load(Ordering::SeqCst), 1);
        pins.unpin(current, None);
        assert_eq!(over.load(Ordering::SeqCst), 2);
        pins.unpin(newer, None);
        assert!(!pins.has_others(|| map.get(), barrier));
    });
}

/// A slot of a thread, which keeps a guard while nobody uses it.
struct KeptSlot {
    used: Arc<AtomicU32>,
    generation: usize,
    keeping: u64,
}

impl KeptSlot {
    fn new(pins: &Pins, map: &Published) -> Self {
        let used = Arc::new(AtomicU32::new(1));
        let is_idle = {
            let used = Arc::clone(&used);
            Box::new(move || used.load(Ordering::SeqCst) == 0)
        };
        let current = || {
            let generation = map.get();
            (generation, generation)
        };
        let (keeping, generation) = pins.keep(None, current, is_idle);
        Self {
            used,
            generation,
            keeping,
        }
    }

    /// What `lib/` does: returns whether the kept guard is good for another use.
    fn begin(&self, map: &Published) -> bool {
        self.used.store(1, Ordering::Relaxed);
        barrier();
        map.get() == self.generation
    }

    /// Gives the guard back if it is old.
    fn end(&self, pins: &Pins, map: &Published) {
        self.used.store(0, Ordering::Relaxed);
        barrier();
        if map.get() != self.generation {
            self.used.store(1, Ordering::Relaxed);
            pins.unpin(self.generation, Some(self.keeping));
        }
    }
}

#[test]
fn a_slot_that_nobody_uses_holds_nothing_up() {
    model(|| {
        let (pins, map) = (Pins::default(), Published::default());
        let (slot, sleeping) = (KeptSlot::new(&pins, &map), KeptSlot::new(&pins, &map));
        sleeping.end(&pins, &map);
        map.replace();
        let over = Arc::new(AtomicUsize::new(0));
        let notify = {
            let over = Arc::clone(&over);
            Box::new(move || {
                over.fetch_add(1, Ordering::SeqCst);
            })
        };
        pins.wait(1, 1, || map.get(), barrier, notify);
        assert_eq!(over.load(Ordering::SeqCst), 0, "one is used");
        slot.end(&pins, &map);
        assert_eq!(over.load(Ordering::SeqCst), 1, "the other one sleeps");
        assert!(!pins.has_others(|| map.get(), barrier));
        assert!(!sleeping.begin(&map));
    });
}

#[test]
fn nobody_reads_by_a_slot_after_a_grace_period() {
    model(|| {
        let (pins, map) = (Arc::new(Pins::default()), Arc::new(Published::default()));
        let slot = KeptSlot::new(&pins, &map);
        slot.end(&pins, &map);
        let reading = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (pins, map, reading) = (Arc::clone(&pins), Arc::clone(&map), Arc::clone(&reading));
            thread::spawn(move || {
                if slot.begin(&map) {
                    reading.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    reading.fetch_sub(1, Ordering::SeqCst);
                }
                slot.end(&pins, &map);
            })
        };
        map.replace();
        let over = Arc::new(AtomicUsize::new(0));
        let notify = {
            let (over, reading) = (Arc::clone(&over), Arc::clone(&reading));
            Box::new(move || {
                assert_eq!(reading.load(Ordering::SeqCst), 0, "somebody still reads");
                over.fetch_add(1, Ordering::SeqCst);
            })
        };
        pins.wait(1, 1, || map.get(), barrier, notify);
        reader.join().unwrap();
        assert_eq!(over.load(Ordering::SeqCst), 1);
    });
}
