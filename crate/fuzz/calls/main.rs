//! Calls of the binding that no program would make, on a miniature engine.
//!
//! The input is a program: it makes values, calls functions, constructors, methods and getters of the module with
//! them, through the generated glue, and lets the collector run in between. See `program` for how it is read, and
//! `oracle` for what must hold whatever it does.
//!
//! What the binding does with Node itself (buffers of V8, threads, the event loop) is not here but in `__test__`.

#![no_main]

mod engine;
mod input;
mod mailbox;
mod module;
mod node_api;
mod oracle;
mod program;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
// Only linked: what it exports it registers by itself.
use vm_memory_node as _;

use crate::module::Module;

/// Memory is short: what an argument makes large must be asked for by calls that can fail, or the process ends.
struct Scarce;

const LARGEST: usize = 8 << 20;

// SAFETY: it refuses, or does what the system's does.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

thread_local! {
    static MODULE: OnceCell<Module> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    MODULE.with(|module| program::run(module.get_or_init(Module::load), bytes));
});
