// Copyright 2020 Amazon.com, Inc. or its affiliates. All Rights Reserved.
// Copyright (C) 2020 Alibaba Cloud Computing. All rights reserved.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Upstream's own benchmarks (`benches/` of vm-memory 0.16.2), without criterion.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::mem::size_of;
use std::rc::Rc;

use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, VolatileSlice};

use crate::timing::{Works, work};

const REGION_SIZE: usize = 0x8000_0000;
const REGIONS_COUNT: u64 = 8;
const ACCESS_SIZE: usize = 0x200;

#[repr(C)]
#[derive(Copy, Clone, Default)]
struct SmallDummy {
    a: u32,
    b: u32,
}
// SAFETY: two integers without padding.
unsafe impl ByteValued for SmallDummy {}

#[repr(C)]
#[derive(Copy, Clone, Default)]
struct BigDummy {
    elements: [u64; 12],
}
// SAFETY: an array of integers.
unsafe impl ByteValued for BigDummy {}

fn create_guest_memory(size: usize, count: u64) -> GuestMemoryMmap<()> {
    let regions: Vec<_> = (0..count)
        .map(|i| (GuestAddress(i * size as u64), size))
        .collect();
    GuestMemoryMmap::from_ranges(&regions).unwrap()
}

fn make_offset(place: &str, access_size: usize) -> GuestAddress {
    let (kind, index) = place.split_once('-').unwrap();
    let index: u64 = index.parse().unwrap();
    GuestAddress(if kind == "in" {
        REGION_SIZE as u64 * index
    } else {
        REGION_SIZE as u64 * (index + 1) - access_size as u64 / 2
    })
}

fn provide_memory(works: &mut Works) {
    let memory = Rc::new(create_guest_memory(REGION_SIZE, REGIONS_COUNT));
    for place in ["in-0", "cross-0", "cross-6", "in-7"] {
        let at = make_offset(place, ACCESS_SIZE);
        let small_at = make_offset(place, size_of::<SmallDummy>());
        let big_at = make_offset(place, size_of::<BigDummy>());
        let image: Vec<u8> = (0..ACCESS_SIZE).map(|i| i as u8).collect();
        macro_rules! add {
            ($name:literal, |$m:ident, $image:ident| $body:expr) => {{
                let (memory, mut image) = (Rc::clone(&memory), image.clone());
                works.insert(
                    format!("upstream/{}/{place}", $name),
                    Box::new(move || {
                        work(move |_| {
                            let ($m, $image) = (black_box(&*memory), &mut image);
                            $body.unwrap()
                        })
                    }),
                );
            }};
        }
        let mut source = File::open("/dev/zero").unwrap();
        let mut exact = OpenOptions::new().write(true).open("/dev/null").unwrap();
        add!("read_from", |m, image| m.read_volatile_from(
            at,
            &mut image.as_slice(),
            ACCESS_SIZE
        ));
        add!("read_from_file", |m, _image| m.read_volatile_from(
            at,
            &mut source,
            ACCESS_SIZE
        ));
        add!("read_exact_from", |m, image| m.read_exact_volatile_from(
            at,
            &mut image.as_slice(),
            ACCESS_SIZE
        ));
        add!("read_entire_slice_from", |m, image| m
            .read_slice(image.as_mut_slice(), at));
        add!("read_slice_from", |m, image| m
            .read(image.as_mut_slice(), at));
        add!("read_small_obj_from", |m, _image| m
            .read_obj::<SmallDummy>(small_at));
        add!("read_big_obj_from", |m, _image| m
            .read_obj::<BigDummy>(big_at));
        add!("write_to", |m, image| m.write_volatile_to(
            at,
            &mut image.as_mut_slice(),
            ACCESS_SIZE
        ));
        add!("write_to_file", |m, _image| m.write_volatile_to(
            at,
            &mut exact,
            ACCESS_SIZE
        ));
        add!("write_exact_to", |m, image| m.write_all_volatile_to(
            at,
            &mut image.as_mut_slice(),
            ACCESS_SIZE
        ));
        add!("write_entire_slice_to", |m, image| m
            .write_slice(image.as_slice(), at));
        add!("write_slice_to", |m, image| m.write(image.as_slice(), at));
        let small = SmallDummy {
            a: 0x1111_2222,
            b: 0x3333_4444,
        };
        let big = BigDummy {
            elements: [0x1111_2222_3333_4444; 12],
        };
        add!("write_small_obj_to", |m, _image| m
            .write_obj::<SmallDummy>(small, small_at));
        add!("write_big_obj_to", |m, _image| m
            .write_obj::<BigDummy>(big, big_at));
    }
}

fn provide_find_region(works: &mut Works) {
    const SIZE: usize = 0x10_0000;
    const COUNT: u64 = 256;
    works.insert(
        "upstream/find_region".to_string(),
        Box::new(|| {
            let memory = create_guest_memory(SIZE, COUNT);
            work(move |_| {
                for i in 0..COUNT {
                    let _ = black_box(
                        black_box(&memory)
                            .find_region(black_box(GuestAddress(i * SIZE as u64)))
                            .unwrap(),
                    );
                }
            })
        }),
    );
}

fn slice(length: usize) -> VolatileSlice<'static> {
    VolatileSlice::from(Vec::leak(vec![0xa5_u8; length]))
}

fn provide_volatile(works: &mut Works) {
    works.insert(
        "upstream/copy_to_u8".to_string(),
        Box::new(|| {
            let (from, mut to) = (slice(1024), [0_u8; 1024]);
            work(move |_| from.copy_to(black_box(&mut to[..])))
        }),
    );
    works.insert(
        "upstream/copy_to_u16".to_string(),
        Box::new(|| {
            let (from, mut to) = (slice(512), [0_u16; 512]);
            work(move |_| from.copy_to(black_box(&mut to[..])))
        }),
    );
    works.insert(
        "upstream/copy_to_volatile_slice".to_string(),
        Box::new(|| {
            let (from, to) = (slice(10240), slice(10240));
            work(move |_| black_box(from).copy_to_volatile_slice(to))
        }),
    );
    works.insert(
        "upstream/copy_from_u8".to_string(),
        Box::new(|| {
            let (to, from) = (slice(1024), [0_u8; 1024]);
            work(move |_| to.copy_from(black_box(&from[..])))
        }),
    );
    works.insert(
        "upstream/copy_from_u16".to_string(),
        Box::new(|| {
            let (to, from) = (slice(512), [0_u16; 512]);
            work(move |_| to.copy_from(black_box(&from[..])))
        }),
    );
}

pub fn provide(works: &mut Works) {
    provide_memory(works);
    provide_find_region(works);
    provide_volatile(works);
}
