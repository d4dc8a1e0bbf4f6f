//! Guest memory of virtual machines for Node: the crate vm-memory behind Node-API classes.
//!
//! One module for each module of upstream, with a struct for each class:
//!
//! | module | upstream |
//! |---|---|
//! | [`address`] | `address.rs` |
//! | [`atomic`] | `atomic.rs` |
//! | [`bitmap`] | `bitmap/` |
//! | [`bytes`] | `bytes.rs` |
//! | [`guest_memory`] | `guest_memory.rs` |
//! | [`io`] | `io.rs` |
//! | [`mmap`] | `mmap.rs` |
//! | [`mmap_unix`] | `mmap_unix.rs` |
//! | [`volatile_memory`], [`volatile_ref`] | `volatile_memory.rs` |
//!
//! and what only a binding needs: values in both directions ([`argument`], [`scalar`], [`array`],
//! [`buffer`], [`ordering`]), what keeps memory mapped ([`mapping`]) and shows it
//! ([`zero_copy`]), files to map ([`memfd`]), objects and their identity ([`environment`], [`identity`], [`weak_table`]),
//! transfers off the thread ([`io_async`]), the lock ([`gate`],
//! [`lock_async`]), tickets ([`share`]), word between threads ([`bell`]), fast paths ([`hot`],
//! [`slot`]), and errors
//! ([`error`]).

// The glue leaves the registration of what it exports out of test builds.
#![cfg_attr(test, allow(dead_code))]

mod address;
mod argument;
mod array;
mod atomic;
mod bell;
mod bitmap;
mod buffer;
mod bytes;
mod environment;
mod error;
mod file_offset;
mod gate;
mod guest_memory;
mod hot;
mod identity;
mod internals;
mod io;
mod io_async;
mod lifecycle;
mod lock_async;
mod mapping;
mod memfd;
mod mmap;
mod mmap_unix;
mod object;
mod ordering;
mod scalar;
mod share;
mod shared_map;
mod slot;
mod slots;
mod sync;
mod target;
mod tickets;
mod volatile_memory;
mod volatile_ref;
mod weak_table;
mod zero_copy;
