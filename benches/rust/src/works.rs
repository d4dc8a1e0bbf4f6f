//! The works of `catalogue.ts` on the crate itself.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use vm_memory::bitmap::AtomicBitmap;
use vm_memory::mmap::NewBitmap;
use vm_memory::{
    Bytes, GuestAddress, GuestAddressSpace, GuestMemory, GuestMemoryAtomic, GuestMemoryMmap,
    GuestRegionMmap, MmapRegion, VolatileMemory,
};

use crate::layout::{
    ADDRESS_MASK, COPY_MASK, COPY_REGION_SIZE, REGION_SIZE, RING_MASK, RING_START, copy_addresses,
    random_addresses, region_start,
};
use crate::timing::{Work, Works, timed, work};

fn make_memory<B: NewBitmap + 'static>(count: u64) -> GuestMemoryMmap<B> {
    let ranges: Vec<_> = (0..count)
        .map(|i| (GuestAddress(region_start(i, count)), REGION_SIZE))
        .collect();
    GuestMemoryMmap::from_ranges(&ranges).unwrap()
}

/// Where everything is met in memory of its own: what was only read is one page of zeros, which is always in the cache.
fn touched<B: NewBitmap + 'static>(count: u64) -> (GuestMemoryMmap<B>, Vec<GuestAddress>) {
    let (memory, at) = (make_memory(count), addresses(count));
    for address in &at {
        memory.write_obj(1_u8, *address).unwrap();
    }
    (memory, at)
}

fn addresses(count: u64) -> Vec<GuestAddress> {
    random_addresses(count)
        .into_iter()
        .map(GuestAddress)
        .collect()
}

fn add(works: &mut Works, name: String, make: impl FnOnce() -> Work + 'static) {
    works.insert(name, Box::new(make));
}

fn read_words(count: u64) -> Work {
    let (memory, at) = touched::<()>(count);
    work(move |i| memory.read_obj::<u32>(at[i & ADDRESS_MASK]).unwrap())
}

fn provide_scalars(works: &mut Works) {
    macro_rules! add_scalar {
        ($type:ident, $count:ident) => {
            add(
                works,
                format!("scalar/read/{}/{}", stringify!($type), $count),
                move || {
                    let (memory, at) = touched::<()>($count);
                    work(move |i| memory.read_obj::<$type>(at[i & ADDRESS_MASK]).unwrap())
                },
            );
            add(
                works,
                format!("scalar/write/{}/{}", stringify!($type), $count),
                move || {
                    let (memory, at) = touched::<()>($count);
                    work(move |i| {
                        memory
                            .write_obj::<$type>(i as $type, at[i & ADDRESS_MASK])
                            .unwrap()
                    })
                },
            );
        };
    }
    for count in [1, 2, 8, 256] {
        add_scalar!(u8, count);
        add_scalar!(u16, count);
        add_scalar!(u32, count);
        add_scalar!(u64, count);
    }
    add(works, "scalar/write/u32/8/tracked".to_string(), || {
        let (memory, at) = touched::<AtomicBitmap>(8);
        work(move |i| {
            memory
                .write_obj::<u32>(i as u32, at[i & ADDRESS_MASK])
                .unwrap()
        })
    });
}

fn provide_ring(works: &mut Works) {
    fn at(i: usize) -> GuestAddress {
        GuestAddress(RING_START + 2 * (i & RING_MASK) as u64)
    }
    add(works, "ring/load".to_string(), || {
        let memory = make_memory::<()>(2);
        work(move |i| memory.load::<u16>(at(i), Ordering::Acquire).unwrap())
    });
    add(works, "ring/store".to_string(), || {
        let memory = make_memory::<()>(2);
        work(move |i| {
            memory
                .store::<u16>(i as u16, at(i), Ordering::Release)
                .unwrap()
        })
    });
}

fn guard_cycle(
    atomic: GuestMemoryAtomic<GuestMemoryMmap<()>>,
    at: Vec<GuestAddress>,
) -> impl FnMut(usize) -> u32 {
    move |i| {
        let guard = atomic.memory();
        guard.read_obj::<u32>(at[i & ADDRESS_MASK]).unwrap()
    }
}

fn provide_guards(works: &mut Works) {
    add(works, "guard/cycle".to_string(), || {
        let (memory, at) = touched(8);
        work(guard_cycle(GuestMemoryAtomic::new(memory), at))
    });
    add(works, "guard/held".to_string(), || {
        let (memory, at) = touched::<()>(8);
        let guard = GuestMemoryAtomic::new(memory).memory();
        work(move |i| guard.read_obj::<u32>(at[i & ADDRESS_MASK]).unwrap())
    });
}

fn provide_lookups(works: &mut Works) {
    for count in [1, 8, 256] {
        add(works, format!("lookup/find/{count}"), move || {
            let (memory, at) = (make_memory::<()>(count), addresses(count));
            work(move |i| {
                black_box(memory.find_region(at[i & ADDRESS_MASK]));
            })
        });
    }
    add(works, "lookup/in-range/8".to_string(), || {
        let (memory, at) = (make_memory::<()>(8), addresses(8));
        work(move |i| memory.address_in_range(at[i & ADDRESS_MASK]))
    });
    add(works, "lookup/check-range/8".to_string(), || {
        let (memory, at) = (make_memory::<()>(8), addresses(8));
        work(move |i| memory.check_range(at[i & ADDRESS_MASK], 8))
    });
    add(works, "lookup/num-regions/8".to_string(), || {
        let memory = make_memory::<()>(8);
        work(move |_| black_box(&memory).num_regions())
    });
}

fn copy_memory() -> GuestMemoryMmap<()> {
    let region = COPY_REGION_SIZE;
    let memory = GuestMemoryMmap::from_ranges(&[
        (GuestAddress(0), region),
        (GuestAddress(region as u64), region),
    ])
    .unwrap();
    memory
        .write_slice(&vec![1_u8; 2 * region], GuestAddress(0))
        .unwrap();
    memory
}

const COPY_SIZES: [usize; 4] = [64, 4096, 65536, 1_048_576];

fn provide_copies(works: &mut Works) {
    for size in COPY_SIZES {
        for (name, in_one) in [("one", true), ("two", false)] {
            let at = move || -> Vec<_> {
                copy_addresses(size, in_one)
                    .into_iter()
                    .map(GuestAddress)
                    .collect()
            };
            add(works, format!("copy/read/{size}/{name}"), move || {
                let (memory, at, mut bytes) = (copy_memory(), at(), vec![7_u8; size]);
                work(move |i| {
                    memory
                        .read_slice(black_box(&mut bytes), at[i & COPY_MASK])
                        .unwrap()
                })
            });
            add(works, format!("copy/write/{size}/{name}"), move || {
                let (memory, at, bytes) = (copy_memory(), at(), vec![7_u8; size]);
                work(move |i| {
                    memory
                        .write_slice(black_box(&bytes), at[i & COPY_MASK])
                        .unwrap()
                })
            });
        }
    }
}

/// The C library's `memcpy` at the same places of one allocation.
pub fn provide_memcpy(works: &mut Works) {
    for size in COPY_SIZES {
        for (name, in_one) in [("one", true), ("two", false)] {
            let at = move || copy_addresses(size, in_one);
            add(works, format!("copy/read/{size}/{name}"), move || {
                let (memory, at) = (vec![1_u8; 2 * COPY_REGION_SIZE], at());
                let mut bytes = vec![7_u8; size];
                work(move |i| {
                    let start = at[i & COPY_MASK] as usize;
                    black_box(&mut bytes).copy_from_slice(&memory[start..start + size]);
                })
            });
            add(works, format!("copy/write/{size}/{name}"), move || {
                let (mut memory, at) = (vec![1_u8; 2 * COPY_REGION_SIZE], at());
                let bytes = vec![7_u8; size];
                work(move |i| {
                    let start = at[i & COPY_MASK] as usize;
                    memory[start..start + size].copy_from_slice(black_box(&bytes));
                    black_box(&mut memory);
                })
            });
        }
    }
}

fn provide_plugs(works: &mut Works) {
    for count in [8, 256] {
        add(works, format!("plug/{count}"), move || {
            let memory = make_memory::<()>(count);
            let atomic = GuestMemoryAtomic::new(memory.clone());
            let region = MmapRegion::new(REGION_SIZE).unwrap();
            let start = GuestAddress(0x10_0000_0000);
            let region = Arc::new(GuestRegionMmap::new(region, start).unwrap());
            work(move |_| {
                let guard = atomic.lock().unwrap();
                guard.replace(memory.insert_region(Arc::clone(&region)).unwrap());
            })
        });
    }
}

fn provide_buffers(works: &mut Works) {
    add(works, "buffer/later".to_string(), || {
        let region = MmapRegion::<()>::new(0x1_0000).unwrap();
        work(move |_| black_box(&region).as_volatile_slice().ptr_guard().as_ptr())
    });
}

const TRANSFER: usize = 65536;

fn provide_transfers(works: &mut Works) {
    let start = GuestAddress(0);
    add(works, format!("transfer/read/{TRANSFER}"), move || {
        let (memory, mut zero) = (make_memory::<()>(2), File::open("/dev/zero").unwrap());
        work(move |_| {
            memory
                .read_exact_volatile_from(start, &mut zero, TRANSFER)
                .unwrap()
        })
    });
    add(works, format!("transfer/write/{TRANSFER}"), move || {
        let memory = make_memory::<()>(2);
        let mut nothing = OpenOptions::new().write(true).open("/dev/null").unwrap();
        work(move |_| {
            memory
                .write_all_volatile_to(start, &mut nothing, TRANSFER)
                .unwrap()
        })
    });
    // What `fs.readv` into an ordinary buffer is at best.
    add(works, format!("transfer/views/{TRANSFER}"), move || {
        let mut bytes = vec![0_u8; TRANSFER];
        let path = format!("/dev/shm/vm-memory-bench-{}", std::process::id());
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        work(move |_| file.read_exact_at(black_box(&mut bytes), 0).unwrap())
    });
}

fn provide_regions(works: &mut Works) {
    for count in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
        add(works, format!("regions/read/{count}"), move || {
            read_words(count)
        });
    }
}

/// One step each for `count` threads that start together; the mean of their times.
fn in_threads<S: FnMut(usize) -> u32 + Send>(
    iterations: usize,
    steps: impl Iterator<Item = S>,
) -> Duration {
    let mut steps: Vec<_> = steps.collect();
    let count = steps.len();
    let barrier = Barrier::new(count);
    let total: Duration = thread::scope(|scope| {
        let threads: Vec<_> = steps
            .iter_mut()
            .map(|step| {
                scope.spawn(|| {
                    barrier.wait();
                    timed(iterations, step)
                })
            })
            .collect();
        threads.into_iter().map(|each| each.join().unwrap()).sum()
    });
    total / count as u32
}

fn provide_threads(works: &mut Works) {
    for count in [1, 2] {
        add(works, format!("threads/read/{count}"), move || {
            let (memory, at) = touched::<()>(8);
            Box::new(move |iterations| {
                let (memory, at) = (&memory, &at);
                let steps = (0..count)
                    .map(|_| move |i| memory.read_obj::<u32>(at[i & ADDRESS_MASK]).unwrap());
                (in_threads(iterations, steps), iterations)
            })
        });
        add(works, format!("threads/guard/{count}"), move || {
            let (memory, at) = touched::<()>(8);
            let atomic = GuestMemoryAtomic::new(memory);
            Box::new(move |iterations| {
                let steps = (0..count).map(|_| guard_cycle(atomic.clone(), at.clone()));
                (in_threads(iterations, steps), iterations)
            })
        });
    }
}

pub fn provide(group: &str, works: &mut Works) {
    let groups: HashMap<&str, fn(&mut Works)> = HashMap::from([
        ("scalar", provide_scalars as fn(&mut Works)),
        ("ring", provide_ring),
        ("guard", provide_guards),
        ("lookup", provide_lookups),
        ("copy", provide_copies),
        ("plug", provide_plugs),
        ("buffer", provide_buffers),
        ("transfer", provide_transfers),
        ("upstream", crate::upstream::provide),
        ("regions", provide_regions),
        ("threads", provide_threads),
    ]);
    if let Some(provide) = groups.get(group) {
        provide(works);
    }
}
